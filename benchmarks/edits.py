"""Are films made from films whole? ``python benchmarks/edits.py [CLIPS] [--films N]``

On scenes of the diorama of a seed that no training uses, and on camera clips of a folder, if one is
named: how far brightness jumps at seams, beside the true film; whether what was given came back;
how large the step from a loop's end to its beginning is beside those within; and how much moves in
the second after a picture, beside a film without one.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rivals import clips as store

import praxino
from praxino.data.diorama import compose, render
from praxino.data.diorama.caption import caption
from praxino.data.pixels import resized
from praxino.generation.films import GivenVideo
from praxino.generation.images import GivenImage
from praxino.generation.pipeline import Pipeline
from praxino.provenance.policy import Provenance
from praxino.storage.media.frames import read_video

Film = NDArray[np.uint8]
SEED = 9001
SIDE, LENGTH, GIVEN = 64, 33, 17
"""Pixels of a side, frames of a true film, and how many of them are given."""
PLAIN = Provenance(watermark=False, credentials=False)


def scenes(count: int) -> list[tuple[Film, str]]:
    films = []
    for index in range(count):
        scene = compose(SEED, index, frames=LENGTH, part="all")
        films.append((render(scene, SIDE, SIDE), caption(scene, SEED, index).sentence))
    return films


def camera(folder: Path, count: int) -> list[tuple[Film, str]]:
    """Camera clips in the model's size, and a sentence that says little."""
    films = []
    for clip in store.manifest(folder / "matched"):
        film = read_video(clip.path).frames
        if not clip.made and len(film) >= 16 and len(films) < count:
            films.append((resized(film, SIDE, SIDE), "a city on a sunny day"))
    return films


def edited(model: Pipeline, sentence: str, films: list[Film], edit: dict[str, object]) -> Film:
    videos = [GivenVideo(name, film, 8.0) for name, film in zip("ab", films, strict=False)]
    request, _ = model.complete(sentence, videos=videos, edit=edit, seed=1)
    *_, last = model.run(request, PLAIN, videos=videos)
    assert last.video is not None
    return last.video.frames


def flash(film: Film, at: int) -> float:
    """How far mean luma jumps before frame ``at``, of 1."""
    light = film.astype(np.float64).mean((1, 2, 3)) / 255
    return float(abs(light[at] - light[at - 1]))


def steps(film: Film) -> NDArray[np.float64]:
    return np.abs(np.diff(film.astype(np.float64), axis=0)).mean((1, 2, 3)) / 255


def seams(model: Pipeline, films: list[tuple[Film, str]], name: str) -> None:
    """Extensions, joins and retakes: brightness at seams beside the truth's, and what was given."""
    rows: dict[str, list[tuple[float, float, bool]]] = {"extend": [], "backward": [], "retake": []}
    for film, sentence in films:
        given = film[: min(GIVEN, len(film) // 2)]
        n = len(given)
        longer = edited(model, sentence, [given], {"task": "extend", "video": "a"})
        rows["extend"].append((flash(longer, n), flash(film, n), _same(longer[:n], given)))
        rest = film[n:]
        edit = {"task": "extend", "video": "a", "backward": True}
        earlier = edited(model, sentence, [rest], edit)
        at = len(earlier) - len(rest)
        rows["backward"].append((flash(earlier, at), flash(film, n), _same(earlier[at:], rest)))
        edit = {"task": "retake", "video": "a", "start": 0.6, "end": 1.1}
        again = edited(model, sentence, [film], edit)
        new = np.flatnonzero((again != film).any((1, 2, 3)))
        ends = (int(new[0]), int(new[-1]) + 1)
        jumps = [
            np.mean([flash(one, at) for at in ends if 0 < at < len(film)]) for one in (again, film)
        ]
        kept = np.delete(np.arange(len(film)), np.arange(*ends))
        rows["retake"].append((float(jumps[0]), float(jumps[1]), _same(again[kept], film[kept])))
    for task, found in rows.items():
        made, true, same = (np.array(column, float) for column in zip(*found, strict=True))
        print(
            f"{name:<8} {task:<9} {len(found):>3} films: brightness jumps by {made.mean():.4f}, in "
            f"the truth by {true.mean():.4f} ({made.mean() / true.mean():.1f} times); given frames "
            f"the same: {same.mean():.0%}",
            flush=True,
        )


def _same(one: Film, two: Film) -> bool:
    return bool(np.array_equal(one, two))


def loops(model: Pipeline, films: list[tuple[Film, str]]) -> None:
    """The step from the end to the beginning, beside those within."""
    for name, edit in (("loop", {"task": "loop"}), ("no loop", None)):
        ratios = []
        for _, sentence in films:
            film = (
                edited(model, sentence, [], edit)
                if edit
                else model.generate(sentence, PLAIN, seed=1).frames
            )
            wrap = steps(film[[-1, 0]])[0]
            ratios.append(wrap / max(float(np.median(steps(film))), 1e-6))
        print(f"{name}: wrap {np.median(ratios):.2f} times an inner step", flush=True)


def after_a_picture(model: Pipeline, films: list[tuple[Film, str]]) -> None:
    """Motion in the second after a picture, beside that of a film without one."""
    shares = []
    for film, sentence in films:
        image = GivenImage("a.png", film[0])
        request, _ = model.complete(sentence, images=[image], image="a.png", seed=1)
        *_, last = model.run(request, PLAIN, images=[image])
        free = model.generate(sentence, PLAIN, seed=1).frames
        assert last.video is not None
        shares.append((steps(last.video.frames)[:8].mean(), steps(free)[:8].mean()))
    with_it, without = np.mean(shares, axis=0)
    print(f"after a picture: {with_it / without:.2f} of the motion of a film without one")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="?")
    parser.add_argument("--films", type=int, default=12)
    options = parser.parse_args()
    model = praxino.load("diorama")
    films = scenes(options.films)
    seams(model, films, "diorama")
    if options.clips is not None:
        seams(model, camera(options.clips, options.films), "camera")
    loops(model, films)
    after_a_picture(model, films)


if __name__ == "__main__":
    main()
