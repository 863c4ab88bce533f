"""What do labels cost, and how well do films of a model agree with the layouts that they were
painted by? ``python benchmarks/labels.py [--films 32]``

Labels are made of twenty scenes at three sizes, beside drawing them alone, in one run. Films of a
model are painted by the true layouts of scenes that it never saw; the reader says what it sees in
them, and where, and in the true renderings of the same scenes.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

import praxino
from praxino.data.diorama import Scene, caption, compose, render
from praxino.data.diorama.layouts import boxes, layout_of, shown_things
from praxino.data.diorama.masks import masks
from praxino.data.diorama.split import UNSEEN
from praxino.data.labels.films import label
from praxino.data.labels.motion import Motion
from praxino.data.pixels import to_tensor
from praxino.evaluation.readers import read_reader
from praxino.models.reader import Sighting

FIRST = UNSEEN + 900_000
NEAR = 0.5
"""Heights of a thing, within which it is where it was told to be."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=32)
    args = parser.parse_args()
    cost()
    agreement(args.films)


def cost() -> None:
    scenes = [compose(8, index, frames=17, edition=2) for index in range(20)]
    print(f"{'seconds a film of 17 frames':28}{'drawn':>9}{'masks':>9}{'share':>7}{'flow':>9}")
    for side in (64, 128, 256):
        drawn, masked, moved = [], [], []
        for scene in scenes:
            drawn.append(timed(lambda scene=scene, side=side: render(scene, side, side)))
            masked.append(timed(lambda scene=scene, side=side: masks(scene, side, side)))
            film = label(scene, side, side, "film", "")
            moved.append(timed(lambda film=film: [Motion(film).flow(n) for n in range(16)]))
        one, two, three = (statistics.mean(times) for times in (drawn, masked, moved))
        print(f"{f'{side}x{side}':28}{one:9.4f}{two:9.4f}{two / one:7.0%}{three:9.4f}")


def timed(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def agreement(count: int) -> None:
    pipeline, reader = praxino.load(), read_reader()
    rows: dict[str, list[tuple[float, float, float]]] = {"painted": [], "drawn": []}
    for index in range(FIRST, FIRST + count):
        scene = compose(0, index, edition=1)
        if not shown_things(scene):
            continue
        words = caption(scene, 0, index).paragraph
        request = pipeline.request(words, seed=index - FIRST, layout=layout_of(scene))
        *_, last = pipeline.run(request, None)
        films = {"painted": last.video.frames, "drawn": render(scene, 64, 64)}
        for name, film in films.items():
            rows[name] += compared(scene, reader.read(to_tensor(film[None]))[0].things)
    print(f"\n{len(rows['drawn'])} things of layouts{'':10}{'found':>9}{'colour':>9}{'off':>9}")
    for name, parts in rows.items():
        found, coloured, off = np.array(parts).T
        there = np.isfinite(off)
        print(f"{name:28}{found.mean():9.2f}{coloured.mean():9.2f}{np.median(off[there]):9.3f}")
    print(f"found: its kind within {NEAR} of its height; off: median distance in heights")


def compared(scene: Scene, sightings: Sequence[Sighting]) -> list[tuple[float, float, float]]:
    """Whether each thing of a layout is found, in its colour, and how far from where it should
    be.
    """
    rows = []
    for thing in shown_things(scene):
        track = boxes(scene, thing)
        best = min(
            ((apart(track, one), one) for one in sightings if one.kind == thing.kind),
            key=lambda pair: pair[0],
            default=(np.inf, None),
        )
        near = best[0] <= NEAR
        same = near and best[1] is not None and best[1].colour == thing.colour
        rows.append((float(near), float(same), best[0] if near else np.nan))
    return rows


def apart(track: NDArray[np.float64], sighting: Sighting) -> float:
    """Mean distance in heights over the frames in which it is seen."""
    seen = np.isfinite(sighting.track).all(1)
    if not seen.any():
        return np.inf
    way = track[seen, :2] - sighting.track[seen]
    return float((np.hypot(way[:, 0], way[:, 1]) / track[seen, 3]).mean())


if __name__ == "__main__":
    main()
