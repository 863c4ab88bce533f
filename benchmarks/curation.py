"""How well does curation find shots and duplicates, and how fast? ``python benchmarks/curation.py
CLIPS``, a folder of films of one shot each.

The clips are put together into long films with known cuts, dissolves and fades, and found again,
beside PySceneDetect's detectors. Thresholds were chosen on every second clip (by name): the
figures are of the others. Duplicates are made of all of them: encoded anew, smaller, brighter,
cropped by 5%, mirrored, shifted by a third of a second.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import AdaptiveDetector, ContentDetector, open_video
from scenedetect import SceneManager as Manager

from praxino.data.curation.hashes import DUPLICATE_BITS, same_shots, shot_distances
from praxino.data.curation.measures import SourceRow, measure, padded_hashes
from praxino.storage.media.folders import media_in
from praxino.storage.media.frames import read_video
from praxino.storage.media.video import Video

Film = NDArray[np.uint8]
SIZE = (480, 270)
FPS = 25.0
CLIPS_A_FILM = 12
NEAR = 3
"""Frames by which a border may be off."""
KINDS = ("cut", "dissolve", "cut", "fade", "cut")
Border = tuple[str, int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--half", choices=("chosen", "others"), default="others")
    args = parser.parse_args()
    paths = media_in(args.clips, pictures=False)
    half = [
        path for number, path in enumerate(paths) if (number % 2 == 0) == (args.half == "chosen")
    ]
    clips = [film for path in half if len(film := frames_of(path)) >= 24]
    print(f"{len(clips)} clips ({args.half})")
    with tempfile.TemporaryDirectory() as folder:
        films = list(joined(clips, Path(folder)))
        borders(films)
        duplicates(clips, Path(folder))
        speed(films, clips, Path(folder))


def frames_of(path: Path) -> Film:
    frames = read_video(path).frames
    return np.stack([cv2.resize(one, SIZE, interpolation=cv2.INTER_AREA) for one in frames])


def joined(clips: Sequence[Film], folder: Path) -> Iterator[tuple[Path, list[Border]]]:
    """Long films of several clips each, and their borders: kind, first and end of what is mixed."""
    chance = random.Random(0)
    order = chance.sample(range(len(clips)), len(clips))
    for number, first in enumerate(range(0, len(order), CLIPS_A_FILM)):
        some = [clips[i].astype(np.float32) for i in order[first : first + CLIPS_A_FILM]]
        parts, borders, length = [some[0]], list[Border](), len(some[0])
        for place, clip in enumerate(some[1:]):
            kind, last = KINDS[place % len(KINDS)], parts[-1]
            most = min(len(last), len(clip)) // 3
            n = min(chance.choice((8, 12, 16, 24, 32) if kind == "dissolve" else (6, 10, 14)), most)
            share = ((np.arange(n) + 0.5) / n)[:, None, None, None]
            if kind == "cut":
                borders.append((kind, length, length))
                parts.append(clip)
            elif kind == "dissolve":
                parts[-1] = last[:-n]
                parts += [last[-n:] * (1 - share) + clip[:n] * share, clip[n:]]
                borders.append((kind, length - n, length))
                length -= n
            else:
                parts[-1] = last[:-n]
                parts += [last[-n:] * (1 - share), clip[:n] * share, clip[n:]]
                borders.append((kind, length - n, length + n))
            length += len(clip)
        path = folder / f"{number}.mp4"
        film = np.concatenate([part.round().clip(0, 255).astype(np.uint8) for part in parts])
        Video(film, FPS).save(path)
        yield path, borders


def borders(films: Sequence[tuple[Path, list[Border]]]) -> None:
    print(f"\n{'':24}{'F1':>7}{'precision':>11}{'recall':>8}{'frames/s':>10}")
    ours, took, frames = [], 0.0, 0
    for path, _ in films:
        began = time.perf_counter()
        row = measure(path, path.name)
        took += time.perf_counter() - began
        frames += round(row.seconds * FPS)
        pairs = zip(row.shots, row.shots[1:], strict=False)
        ours.append([(a.after, round(a.end * FPS), round(b.start * FPS)) for a, b in pairs])
    for kind in ("cut", "dissolve", "fade"):
        say(f"curate: {kind}s", score(films, ours, kind), frames / took)
    for name, make in (
        ("AdaptiveDetector", AdaptiveDetector),
        ("ContentDetector", ContentDetector),
    ):
        found, began = [], time.perf_counter()
        for path, _ in films:
            manager = Manager()
            manager.add_detector(make())
            manager.detect_scenes(open_video(str(path)))
            scenes = manager.get_scene_list()
            starts = [start.frame_num for start, _ in scenes[1:]]
            found.append([("cut", start, start) for start in starts])
        rate = frames / (time.perf_counter() - began)
        say(f"{name}: cuts", score(films, found, "cut"), rate)
        every = [[(kind, a, b) for kind, a, b in one] for one in found]
        say(f"{name}: all borders", score(films, every, None), rate)
    say("curate: all borders", score(films, ours, None), frames / took)


def score(
    films: Sequence[tuple[Path, list[Border]]], found: Sequence[Sequence[Border]], kind: str | None
) -> tuple[float, float, float]:
    """F1, precision and recall of borders of one kind, or of all whatever they are taken for."""
    right = true = false = 0
    for (_, borders_), own in zip(films, found, strict=True):
        wanted = [one for one in borders_ if kind in (None, one[0])]
        able = [one for one in own if kind in (None, one[0])]
        true += len(wanted)
        right += sum(any(meet(one, other) for other in able) for one in wanted)
        false += sum(not any(meet(one, other) for other in borders_) for one in able)
    precision, recall = right / max(1, right + false), right / max(1, true)
    return 2 * precision * recall / max(1e-9, precision + recall), precision, recall


def meet(one: Border, other: Border) -> bool:
    return other[1] <= one[2] + NEAR and other[2] >= one[1] - NEAR


def say(name: str, scores: tuple[float, float, float], rate: float) -> None:
    f1, precision, recall = scores
    print(f"{name:24}{f1:7.3f}{precision:11.3f}{recall:8.3f}{rate:10.0f}")


def cropped(film: Film) -> Film:
    height, width = film.shape[1:3]
    rows, columns = round(0.025 * height), round(0.025 * width)
    inner = film[:, rows : height - rows, columns : width - columns]
    return np.stack([cv2.resize(frame, (width, height)) for frame in inner])


def smaller(film: Film) -> Film:
    return np.stack([cv2.resize(frame, (240, 134), interpolation=cv2.INTER_AREA) for frame in film])


CHANGES: dict[str, Callable[[Film], Film]] = {
    "encoded anew": lambda film: film,
    "half the size": smaller,
    "brighter": lambda film: (film * 0.85 + 25).clip(0, 255).astype(np.uint8),
    "cropped by 5%": cropped,
    "mirrored": lambda film: np.ascontiguousarray(film[:, :, ::-1]),
    "a third of a second later": lambda film: film[round(FPS / 3) :],
}


def hashed(rows: Sequence[SourceRow]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    shots = [max(row.shots, key=lambda shot: shot.frames) for row in rows]
    return (
        np.stack([padded_hashes(shot.hashes) for shot in shots]),
        np.stack([padded_hashes(shot.mirrored) for shot in shots]),
    )


def measured(films: Sequence[Film], folder: Path) -> list[SourceRow]:
    rows = []
    for film in films:
        Video(film, FPS).save(folder / "one.mp4")
        rows.append(measure(folder / "one.mp4", ""))
    return rows


def duplicates(clips: Sequence[Film], folder: Path) -> None:
    own, turned = hashed(measured(clips, folder))
    one, other = np.triu_indices(len(own), 1)
    apart = np.minimum(
        shot_distances(own[one], own[other]), shot_distances(own[one], turned[other])
    )
    close = int((apart <= DUPLICATE_BITS).sum())
    print(f"\n{len(one)} pairs of different clips: {close} closer than {DUPLICATE_BITS:g} bits, "
          f"the closest {np.sort(apart)[:5].round(1).tolist()}")  # fmt: skip
    alone = same_shots(own, turned)
    for name, change in CHANGES.items():
        some, flipped = hashed(measured([change(clip) for clip in clips], folder))
        first = same_shots(np.concatenate([own, some]), np.concatenate([turned, flipped]))
        back = sum(first[len(own) + place] == alone[place] for place in range(len(own)))
        print(f"{name:28}{back} of {len(own)} found")


def speed(films: Sequence[tuple[Path, list[Border]]], clips: Sequence[Film], folder: Path) -> None:
    """One process at 854x480, by how many times faster than the film is shown."""
    large = np.stack([cv2.resize(frame, (854, 480)) for frame in np.concatenate(clips[:4])])
    path = Video(large, FPS).save(folder / "large.mp4")
    cv2.setNumThreads(1)
    times = []
    for _ in range(3):
        began = time.process_time()
        measure(path, "")
        times.append(time.process_time() - began)
    rate = len(large) / FPS / statistics.median(times)
    print(f"\n854x480: {rate:.1f} times as fast as it is shown, by processor time of one core")


if __name__ == "__main__":
    main()
