"""Make docs/film.jpg: a film of five shots with two characters, individuals of the diorama that
training never showed; above it two of the four pictures of each, and printed how like they are.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import praxino
from praxino.data.pixels import resized
from praxino.evaluation.identity import identity_cases
from praxino.generation.shots import FilmMaker
from praxino.generation.takes import Takes
from praxino.script import parse_script

CAST = {"rex": ("dog", "a red puppy with brown stripes"),
        "mia": ("cat", "a blue kitten with an orange belt")}  # fmt: skip
SHOTS = (
    "@rex runs in a field by day",
    "@mia walks in a field by day",
    "@rex and @mia are in a field by day",
    "@mia runs through the city at sunset",
    "@rex jumps in the city at sunset",
)
COLUMNS = 5


def main() -> None:
    cases = identity_cases(16, 17, 1.0, 8.0)
    with tempfile.TemporaryDirectory() as made:
        folder, cast, faces = Path(made), {}, []
        for name, (kind, description) in CAST.items():
            case = next(one for one in cases if one.thing.kind == kind)
            files = [f"{name}{number}.png" for number in range(4)]
            for file, picture in zip(files, case.pictures, strict=False):
                Image.fromarray(picture).save(folder / file)
            faces += list(resized(case.pictures[:2], 128, 128))
            cast[name] = {"kind": "animal", "description": description, "pictures": files}
        shots = [{"id": str(n), "prompt": prompt} for n, prompt in enumerate(SHOTS, start=1)]
        script = parse_script({"seed": 11, "enhance": "space", "cast": cast, "shots": shots})
        pipeline = praxino.load("diorama", device="cpu")
        maker = FilmMaker(pipeline, script, folder, takes := Takes(folder / "takes"))
        for _ in maker.make():
            pass
        for take in takes.all:
            print(take.shot, [(one.name, one.likeness, one.alike) for one in take.identity])
        film = maker.assembled().frames
    length = len(film) // len(SHOTS)
    places = np.linspace(1, length - 1, COLUMNS).round().astype(int)
    rows = [np.concatenate([*faces, np.full_like(faces[0], 255)], axis=1)]
    rows += [np.concatenate(film[n * length + places], axis=1) for n in range(len(SHOTS))]
    Image.fromarray(np.concatenate(rows)).save(Path(__file__).parent / "film.jpg", quality=88)


if __name__ == "__main__":
    main()
