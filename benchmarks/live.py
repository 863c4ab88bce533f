"""Does a film without end stay what it is? ``python benchmarks/live.py [--seconds 60]``

Films of windows (`praxino.generation.stream`) by the second: colours (CIE Lab), motion, whether the
reader finds what the sentence says, how like its first pictures it is, memory, frames a second.
``--extended``: beside them one film that is let go on as `praxino extend` does it, whose windows
are given what came right before them, and no anchor. ``--sheet``: a row of frames for each film.
"""

import argparse
import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import praxino
from praxino.data.pixels import to_tensor
from praxino.edits import Extend
from praxino.generation import live as endless
from praxino.generation.films import GivenVideo
from praxino.generation.growth import Verifier, bundled_verifier
from praxino.generation.pipeline import Pipeline
from praxino.models.identity import crops_of
from praxino.provenance.policy import Provenance
from praxino.request import Request
from praxino.storage.media.video import write_picture

PLAIN = Provenance(watermark=False, credentials=False)
SENTENCES = {
    "a brown dog runs left on the grass": "dog",
    "a red car drives right along the road": "car",
    "a black cat walks across a room": "cat",
    "a blue ball rolls on the road": "ball",
    "a white boat sails on the sea at sunset": "boat",
    "a yellow bird flies over the grass": "bird",
}
Way = Callable[[Pipeline, Request, int], Iterator[NDArray[np.uint8]]]
SHEET_FRAMES = 24
READ_SECONDS = 2
"""Seconds that the reader is shown at once."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One film by the second: columns L, a, b, variance of L, motion; and by every two seconds what
    the reader found.
    """

    colours: NDArray[np.float64]
    present: NDArray[np.float64]
    likeness: NDArray[np.float64]
    memory: NDArray[np.float64]
    frames_a_second: float


def live(pipeline: Pipeline, request: Request, wanted: int) -> Iterator[NDArray[np.uint8]]:
    """Frames as they are made, so many or a few more."""
    count = 0
    for chunk in endless.live(pipeline, itertools.repeat(request), PLAIN):
        yield chunk.frames
        count += len(chunk.frames)
        if count >= wanted:
            return


def extended(pipeline: Pipeline, request: Request, wanted: int) -> Iterator[NDArray[np.uint8]]:
    """The same length by the task that lets a film go on."""
    *_, last = pipeline.run(request, None)
    assert last.video is not None
    first = GivenVideo("first", last.video.frames, request.fps, latents=last.x0)
    more = pipeline.request(
        request.prompt,
        seed=request.seed,
        steps=request.steps,
        frames=wanted,
        edit=Extend(video="first"),
        videos=[first],
    )
    *_, last = pipeline.run(more, None, videos=[first])
    assert last.video is not None
    yield last.video.frames


def measured(
    pipeline: Pipeline, verifier: Verifier, request: Request, wanted: int, way: Way, kind: str
) -> tuple[Curve, NDArray[np.uint8]]:
    fps, frames, memory = round(request.fps), list[NDArray[np.uint8]](), []
    began = time.perf_counter()
    for chunk in way(pipeline, request, wanted):
        frames.append(chunk)
        memory.append(resident_mib())
    took = time.perf_counter() - began
    film = np.concatenate(frames)[:wanted]
    lab = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2LAB) for frame in film]).astype(np.float64)
    motion = np.abs(np.diff(film.astype(np.float64), axis=0)).mean((1, 2, 3))
    columns = [*lab.mean((1, 2)).T, lab[..., 0].var((1, 2))]
    by_second = [
        [column[i : i + fps].mean() for i in range(0, wanted - 1, fps)] for column in columns
    ]
    by_second.append([motion[i : i + fps].mean() for i in range(0, wanted - 1, fps)])
    present, likeness, centre = [], [], None
    length = READ_SECONDS * fps
    for start in range(0, wanted - length, length):
        clip = film[start : start + length + 1]
        with torch.inference_mode():
            things = verifier.reader.read(to_tensor(clip[None]))[0].things
        things = [thing for thing in things if thing.kind == kind]
        present.append(float(bool(things)))
        if not things:
            continue
        crops = crops_of(clip, things[0], verifier.network.config.side)
        if len(crops):
            with torch.inference_mode():
                embedding = verifier.network.together(to_tensor(crops[:, None])[:, :, 0])
            centre = embedding if centre is None else centre
            likeness.append(float(embedding @ centre))
    curve = Curve(
        np.array(by_second).T, np.array(present), np.array(likeness), np.array(memory),
        len(film) / took,
    )  # fmt: skip
    return curve, film


def resident_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", status)[1]) / 1024  # type: ignore[index]


def slope(column: NDArray[np.float64]) -> float:
    """How much of its mean a curve gains in a second, by least squares."""
    return float(np.polyfit(np.arange(len(column)), column, 1)[0] / column.mean())


def report(name: str, curves: list[Curve]) -> str:
    """A row: slopes of the mean curves a second, ends against beginnings, memory, speed."""
    colours = np.mean([curve.colours for curve in curves], axis=0)
    slopes = [slope(column) for column in colours[:, :4].T]
    ten = min(10, len(colours) // 2)
    motion = colours[-ten:, 4].mean() / colours[:ten, 4].mean()
    half = max(1, ten // READ_SECONDS)
    present = [np.mean([curve.present[part].mean() for curve in curves])
               for part in (slice(half), slice(-half, None))]  # fmt: skip
    alike = [np.mean([curve.likeness[part].mean() for curve in curves if len(curve.likeness) > 1])
             for part in (slice(1, 1 + half), slice(-half, None))]  # fmt: skip
    grown = max(curve.memory[-1] - curve.memory[len(curve.memory) // 4] for curve in curves)
    speed = np.median([curve.frames_a_second for curve in curves])
    return (
        f"{name:<10} {' '.join(f'{100 * one:+7.3f}%' for one in slopes)} {motion:7.2f} "
        f"{present[0]:6.2f} {present[1]:6.2f} {alike[0]:6.2f} {alike[1]:6.2f} {grown:6.0f} MiB "
        f"{speed:6.1f}"
    )


def minutes(curves: list[Curve]) -> str:
    """The first and the last minute: lightness, its variance, motion, clips with the thing in
    them.
    """
    colours, reads = np.mean([curve.colours for curve in curves], axis=0), 60 // READ_SECONDS
    lines = []
    for name, part, clips in (
        ("first", slice(60), slice(reads)),
        ("last", slice(-60, None), slice(-reads, None)),
    ):
        light, _, _, variance, motion = colours[part].mean(0)
        present = np.mean([curve.present[clips].mean() for curve in curves])
        lines.append(
            f"  {name} minute: L {light:.1f}, variance {variance:.0f}, motion {motion:.2f}, "
            f"present {present:.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--films", type=int, default=len(SENTENCES))
    parser.add_argument("--extended", action="store_true")
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    pipeline, verifier = praxino.load("diorama"), bundled_verifier()
    print(
        f"{options.films} films of {options.seconds} s, {options.steps} steps; slopes a second, "
        f"the last ten seconds against the first ten\n"
        f"{'':<10} {'L':>8} {'a':>8} {'b':>8} {'var L':>8} {'motion':>7} {'present':>13} "
        f"{'likeness':>13} {'grown':>10} {'fps':>6}"
    )
    ways: dict[str, Way] = {"live": live} | ({"extended": extended} if options.extended else {})
    rows = []
    for name, way in ways.items():
        curves = []
        for seed, (sentence, kind) in enumerate([*SENTENCES.items()][: options.films]):
            request = pipeline.request(sentence, seed=seed, steps=options.steps)
            wanted = round(options.seconds * request.fps) + 1
            curve, film = measured(pipeline, verifier, request, wanted, way, kind)
            curves.append(curve)
            picked = np.linspace(0, len(film) - 1, SHEET_FRAMES).round().astype(int)
            rows.append(np.concatenate([*film[picked]], axis=1))
        print(report(name, curves), flush=True)
        if options.seconds >= 120:
            print(minutes(curves), flush=True)
    if options.sheet:
        write_picture(options.sheet, np.concatenate(rows))


if __name__ == "__main__":
    main()
