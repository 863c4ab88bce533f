"""Boxes as YOLO has them: normalised centres and sizes, classes from 0 on."""

from pathlib import Path

from praxino.data.labels.films import CATEGORIES, LabelledFilm
from praxino.storage.files import write_text
from praxino.storage.media.video import write_picture

VALIDATION = 10
"""One film of so many is for validation."""


class YoloWriter:
    """``images/PART/FILM-000001.png``, ``labels/PART/FILM-000001.txt`` and ``data.yaml``; boxes are
    of what is visible. Every tenth film lies in the part ``val``.
    """

    exact = False

    def __init__(self, folder: Path, part: str) -> None:
        self.folder, self.part, self.count = folder, part, 0

    def add(self, film: LabelledFilm) -> None:
        self.count += 1
        part = self.part if self.count % VALIDATION else "val"
        high, wide = film.size
        (self.folder / "images" / part).mkdir(parents=True, exist_ok=True)
        for frame, pixels in enumerate(film.frames):
            name = f"{film.name}-{frame + 1:06d}"
            write_picture(self.folder / "images" / part / f"{name}.png", pixels)
            rows = []
            for place, thing in enumerate(film.tracks):
                if box := film.visible_box(place, frame):
                    left, top, width, height = box
                    x, y = (left + width / 2) / wide, (top + height / 2) / high
                    size = f"{width / wide:.6f} {height / high:.6f}"
                    rows.append(f"{CATEGORIES.index(thing.kind)} {x:.6f} {y:.6f} {size}\n")
            write_text(self.folder / "labels" / part / f"{name}.txt", "".join(rows))

    def finish(self) -> None:
        names = "".join(f"  {number}: {name}\n" for number, name in enumerate(CATEGORIES))
        write_text(
            self.folder / "data.yaml",
            f"train: images/{self.part}\n"
            f"val: images/{'val' if self.count >= VALIDATION else self.part}\nnames:\n{names}",
        )
