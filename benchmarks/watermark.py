"""Is the mark invisible, and does it last? ``python benchmarks/watermark.py --clips CLIPS``

CLIPS is a folder of films of any origin; without it, the bundled model's own films are all there
is. Films are brought to 480 rows. "found" counts films whose mark is found at a false-positive
probability of 1e-6, "read" those whose message is whole, "known" those whose message the
installation that made them recognises among ten of its own, "taken" those that some other
installation of the same model and month takes for its own, with ten messages, "bits" are the bits
of the code that arrive. Beside it, per frame and pooled, the DWT-DCT mark of
``invisible-watermark`` (``pip install --no-deps invisible-watermark PyWavelets``), with 48 bits and
the number of right bits that chance reaches once in a million. ``--unmarked N`` counts how often N
crops without a mark are accused.
"""

import argparse
import functools
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rivals.attacks import HOSTILE, SMALL, WAYS

import praxino
from praxino import processes
from praxino.data.pixels import resized, to_pixels, to_tensor
from praxino.provenance.keys import PUBLIC
from praxino.provenance.watermark import detect, embed, issued, scan
from praxino.provenance.watermark.carriers import carriers
from praxino.provenance.watermark.channel_code import BITS, encoded
from praxino.storage.media.formats import VIDEO_ENDINGS
from praxino.storage.media.frames import iter_frames, probe

Film = NDArray[np.uint8]
MESSAGE = 0x123456789ABC
OWN = (MESSAGE, *(int(number) for number in np.random.default_rng(1).integers(0, 2**48, 9)))
"""Messages of an installation that has used some models for some months."""
OTHERS = tuple(
    MESSAGE >> 22 << 22 | int(maker) for maker in np.random.default_rng(2).integers(0, 2**22, 10)
)
"""What other installations would have said in the same month with the same model."""
ROWS, FRAMES = 480, 48
PROMPTS = (
    "a red ball bounces",
    "a golden dog plays fetch with a red ball in a sunlit park",
    "a purple sun over a green sea",
    "a city at night, the camera pans left",
    "a cat walking across a room",
    "snow falls on a house",
    "two green balls",
    "a sailboat at sunset under drifting clouds",
    "a blue car drives on a road",
    "a bird flies over the sea",
    "a person walks in the rain",
    "a black horse runs on grass at night",
)


def clip(path: Path, rows: int = ROWS) -> Film:
    frames = np.stack([shot.pixels for shot in islice(iter_frames(path, 0.0, probe(path)), FRAMES)])
    scale = rows / min(frames.shape[1:3])
    return resized(frames, *(round(side * scale / 2) * 2 for side in frames.shape[1:3]))


def own() -> list[Film]:
    """Films of the bundled model, without any mark."""
    model = praxino.load(device="cpu")
    plain = praxino.Provenance(watermark=False, credentials=False)
    return [model.generate(prompt, plain, seed=seed).frames for seed, prompt in enumerate(PROMPTS)]


def spectrum_of(film: Film) -> detect.Spectrum:
    """As `praxino verify` looks, at 24 frames of a film."""
    step = max(1, len(film) // 24)
    return detect.Spectrum(detect.pooled([detect.residual(frame) for frame in film[::step]]))


def ours(film: Film) -> tuple[float, float, float, float, float]:
    spectrum = spectrum_of(film)
    seen = detect.find(spectrum, PUBLIC).among(1 / scan.KEY_SHARES["public"])
    soft = detect.received(spectrum, carriers(PUBLIC), seen.place)
    known = seen.sure and (seen.message == MESSAGE or issued.match_issued(soft, OWN) == MESSAGE)
    taken = seen.sure and issued.match_issued(soft, OTHERS) is not None
    right = float(np.mean((soft < 0) == encoded(MESSAGE)))
    return float(seen.sure), float(seen.message == MESSAGE), float(known), float(taken), right


def quality(film: Film, marked: Film) -> tuple[float, float]:
    error = float(
        np.mean(
            [np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(film, marked, strict=True)]
        )
    )
    same = [embed.similarity(a, b) for a, b in zip(film[::6], marked[::6], strict=True)]
    return 10 * math.log10(255**2 / max(error, 1e-9)), statistics.mean(same)


class DwtDct:
    """The mark of ``invisible-watermark`` in every frame, its 48 bits pooled over eight of them."""

    def __init__(self) -> None:
        from imwatermark import WatermarkDecoder, WatermarkEncoder

        self.encoder, self.decoder = WatermarkEncoder(), WatermarkDecoder("bytes", BITS)
        self.encoder.set_watermark("bytes", MESSAGE.to_bytes(BITS // 8, "big"))
        self.bits = np.unpackbits(np.frombuffer(MESSAGE.to_bytes(BITS // 8, "big"), np.uint8))
        wrong = [math.comb(BITS, count) for count in range(BITS)]
        self.needed = BITS - next(k for k in range(BITS) if sum(wrong[: k + 2]) / 2**BITS > 1e-6)

    def mark(self, film: Film) -> Film:
        return np.stack(
            [
                self.encoder.encode(np.ascontiguousarray(f[..., ::-1]), "dwtDct")[..., ::-1]
                for f in film
            ]
        )

    def read(self, film: Film) -> tuple[float, float]:
        votes = np.zeros(BITS)
        for frame in film[:: max(1, len(film) // 8)]:
            if frame[..., 0].size < 256 * 256:  # it refuses them
                return 0.0, 0.5
            said = self.decoder.decode(np.ascontiguousarray(frame[..., ::-1]), "dwtDct")
            votes += np.unpackbits(np.frombuffer(said, np.uint8)) - 0.5
        right = float(np.mean((votes > 0) == self.bits))
        return float(round(right * BITS) >= self.needed), right


@functools.cache
def rival() -> DwtDct | None:
    try:
        return DwtDct()
    except ImportError:
        return None


def tried(film: Film, ways: dict[str, Callable[[Film], Film]]) -> dict[str, list[float]]:
    """Each way with what is left of both marks."""
    marked = embed.mark(film, MESSAGE, PUBLIC)
    rows = {"quality": list(quality(film, marked))}
    other = rival() if film[0, ..., 0].size >= 256 * 256 else None  # it refuses smaller ones
    if other is not None:
        with np.errstate(all="ignore"):
            theirs = other.mark(film)
        rows["quality"] += quality(film, theirs)
    for name, way in ways.items():
        rows[name] = list(ours(way(marked)))
        if other is not None:
            rows[name] += other.read(way(theirs))
    return rows


def of_file(path: Path) -> dict[str, list[float]]:
    return tried(clip(path), WAYS | HOSTILE)


def of_own(film: Film) -> dict[str, list[float]]:
    return tried(film, SMALL)


def unmarked(job: tuple[Path, int]) -> float:
    """The false-positive probability said of a crop, chosen by chance, of a clip without a mark."""
    path, seed = job
    rng = np.random.default_rng(seed)
    film = clip(path, int(rng.choice([270, 360, 480])))
    first, share = int(rng.integers(0, max(1, len(film) - 8))), float(rng.uniform(0.3, 1))
    height, width = (max(32, round(side * share)) for side in film.shape[1:3])
    top, left = (
        int(rng.integers(0, film.shape[i] - size + 1)) for i, size in ((1, height), (2, width))
    )
    part = film[first : first + int(rng.integers(1, 24)), top : top + height, left : left + width]
    fields = [detect.residual(frame) for frame in np.ascontiguousarray(part)]
    # as `praxino verify` looks at longer films: all together, then each alone
    parts = [
        scan.Window(float(i), i + 1.0, detect.pooled(fields[i : i + 8]), 8)
        for i in range(0, len(fields), 8)
    ]
    return (
        scan.in_any(parts, scan.together(parts), PUBLIC)
        .among(1 / scan.KEY_SHARES["public"])
        .probability
    )


def table(title: str, results: list[dict[str, list[float]]]) -> None:
    marks = list(zip(*(result.pop("quality") for result in results), strict=True))
    print(f"\n{title}: {len(results)} films")
    print(f"  PSNR median {statistics.median(marks[0]):.1f}, least {min(marks[0]):.1f} dB; "
          f"SSIM median {statistics.median(marks[1]):.4f}, least {min(marks[1]):.4f}")  # fmt: skip
    if len(marks) > 2:
        print(
            f"  DWT-DCT: PSNR {statistics.median(marks[2]):.1f} dB, SSIM "
            f"{statistics.median(marks[3]):.4f} (medians)"
        )
    print(f"  {'':<38} found   read  known  taken   bits | DWT-DCT found   bits")
    for name in results[0]:
        means = [
            statistics.mean(result[name][column] for result in results)
            for column in range(len(results[0][name]))
        ]
        theirs = f" |  {means[5]:6.1%}      {means[6]:6.1%}" if len(means) > 5 else ""
        print(f"  {name:<38} {' '.join(f'{mean:6.1%}' for mean in means[:5])}{theirs}", flush=True)


def attacked_by_models(films: list[Film]) -> None:
    """Regeneration by the bundled autoencoder, and one pattern estimated from many films and taken
    off another.
    """
    model = praxino.load(device="cpu")
    marked = [embed.mark(film, MESSAGE, PUBLIC) for film in films]
    with model.offloader.resident(model.model.vae, torch.float32) as vae:
        again = [
            to_pixels(vae.decode(vae.encode(to_tensor(film[None]))).detach())[0] for film in marked
        ]
    same = [quality(film, other)[0] for film, other in zip(films, again, strict=True)]
    share = statistics.mean(ours(film)[0] for film in again)
    print(
        f"\nregenerated by an autoencoder ({statistics.mean(same):.1f} dB): found in {share:.0%} "
        f"of {len(films)}"
    )


def averaged(paths: list[Path], count: int = 20) -> None:
    """One pattern, estimated as the mean of what is fine in many marked films of one size, taken
    off another.
    """
    clips = [film for path in paths if (film := clip(path)[:8]).shape[1:3] == (480, 854)][
        : count + 5
    ]
    films = [embed.mark(film, MESSAGE, PUBLIC) for film in clips]
    means = [film.astype(np.float32).mean(0).mean(-1) for film in films]
    estimate = np.mean(
        [np.clip(mean - cv2.GaussianBlur(mean, (0, 0), 6), -4, 4) for mean in means[5:]], axis=0
    )
    print(
        f"\npattern estimated from {len(films) - 5} films of one size, key and message, subtracted:"
    )
    for gain in (1, 3, 6):
        left = [
            (f - gain * estimate[None, ..., None]).clip(0, 255).round().astype(np.uint8)
            for f in films[:5]
        ]
        share = statistics.mean(ours(film)[0] for film in left)
        same = statistics.mean(
            quality(film, other)[0] for film, other in zip(clips[:5], left, strict=True)
        )
        print(f"  {gain} times: found in {share:.0%} of 5, at {same:.1f} dB")


def smallest(paths: list[Path], count: int = 24) -> None:
    """What squares from the middle of clips carry, as they are made; they hold more detail than a
    model's films.
    """
    wide = [clip(path, 128)[:17] for path in paths[:: max(1, len(paths) // count)][:count]]
    squares = [
        film[:, (film.shape[1] - 128) // 2 :, (film.shape[2] - 128) // 2 :][:, :128, :128]
        for film in wide
    ]
    print(f"\nsquares of {len(squares)} clips, reduced, 17 frames:   found   read  known")
    for side in (32, 40, 48, 64, 96, 128):
        left = [ours(embed.mark(resized(film, side, side), MESSAGE, PUBLIC)) for film in squares]
        means = [statistics.mean(row[column] for row in left) for column in range(3)]
        print(f"  {f'{side}x{side}':<38} {' '.join(f'{mean:6.1%}' for mean in means)}")


def speed() -> None:
    rng = np.random.default_rng(0)
    plane = (
        cv2.GaussianBlur(rng.normal(128, 90, (ROWS, 1000, 3)), (0, 0), 2)
        .clip(0, 255)
        .astype(np.uint8)
    )
    film = np.stack([plane[:, i : i + 848] for i in range(96)])
    writing, seeing = [], []
    for _ in range(5):
        started = time.perf_counter()
        marked = embed.mark(film, MESSAGE, PUBLIC)
        writing.append(len(film) / (time.perf_counter() - started))
        started = time.perf_counter()
        spectrum = detect.Spectrum(detect.pooled([detect.residual(frame) for frame in marked]))
        assert detect.find(spectrum, PUBLIC).message == MESSAGE
        seeing.append(len(film) / (time.perf_counter() - started))
    blank = detect.Spectrum(detect.pooled([detect.residual(frame) for frame in film]))
    started = time.perf_counter()
    detect.find(blank, PUBLIC)
    print(
        f"848x480: marks {statistics.median(writing):.0f} frames/s, reads "
        f"{statistics.median(seeing):.0f} frames/s "
        f"(every frame); finding nothing takes {time.perf_counter() - started:.2f} s more a film"
    )


def mapped(work: Callable[..., object], jobs: list[object]) -> Iterator[object]:
    with ProcessPoolExecutor(2, get_context("spawn"), processes.init_worker) as pool:
        for done, result in enumerate(pool.map(work, jobs), 1):
            print(
                f"\r{done} of {len(jobs)}",
                end="\n" if done == len(jobs) else "",
                file=sys.stderr,
                flush=True,
            )
            yield result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="folder of films")
    parser.add_argument("--count", type=int, default=40, help="films of it, evenly spread")
    parser.add_argument(
        "--unmarked",
        type=int,
        default=2000,
        help="crops without a mark to count false positives on",
    )
    options = parser.parse_args()
    speed()
    films = own()
    table("own films, 64x64, 17 frames", list(mapped(of_own, films)))
    attacked_by_models(films)
    if options.clips is None:
        return
    paths = sorted(path for path in options.clips.rglob("*") if path.suffix in VIDEO_ENDINGS)
    chosen = paths[:: max(1, len(paths) // options.count)][: options.count]
    table(f"clips at {ROWS} rows, {FRAMES} frames", list(mapped(of_file, chosen)))
    smallest(paths)
    averaged(paths)
    said = sorted(
        mapped(unmarked, [(paths[seed % len(paths)], seed) for seed in range(options.unmarked)])
    )
    accused = sum(p <= detect.MAX_FALSE_POSITIVE_RATE for p in said)
    print(f"\n{len(said)} crops without a mark: {accused} accused; least probability said "
          f"{said[0]:.1e}, {said[len(said) // 100]:.2g} at one in a hundred")  # fmt: skip


if __name__ == "__main__":
    main()
