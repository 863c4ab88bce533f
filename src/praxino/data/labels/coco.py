"""COCO instances, frame by frame, with the tracks that hold them together."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from praxino.data.labels.films import CATEGORIES, LabelledFilm
from praxino.storage.files import write_text
from praxino.storage.media.video import write_picture

LICENCE = {"id": 1, "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}


DRAWN = "the diorama of Praxino, drawn by a program"
PAINTED = "films of a model, labelled by the layouts that it was told"


class CocoWriter:
    """``images/FILM/000001.png`` and ``annotations/instances_PART.json``. Numbers begin with 1:
    tools take an annotation 0 for none.
    """

    exact = False

    def __init__(self, folder: Path, part: str) -> None:
        self.folder, self.part = folder, part
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.videos: list[dict[str, Any]] = []
        self.tracks = 0

    def add(self, film: LabelledFilm) -> None:
        height, width = film.size
        self.videos.append(
            {"id": len(self.videos) + 1, "name": film.name, "width": width, "height": height,
             "length": len(film.frames), "fps": film.fps, "caption": film.caption}
        )  # fmt: skip
        if film.source:
            self.videos[-1]["source"] = film.source
        first, self.tracks = self.tracks + 1, self.tracks + len(film.tracks)
        for number, pixels in enumerate(film.frames):
            name = f"{film.name}/{number + 1:06d}.png"
            path = self.folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, pixels)
            self.images.append(
                {"id": len(self.images) + 1, "file_name": name, "width": width, "height": height,
                 "video_id": len(self.videos), "frame_id": number}
                | ({} if film.source else {"license": 1})
            )  # fmt: skip
            for place in range(len(film.tracks)):
                self._annotate(film, place, number, first + place)

    def _annotate(self, film: LabelledFilm, place: int, frame: int, track: int) -> None:
        thing = film.tracks[place]
        if (box := film.visible_box(place, frame)) is None:
            return
        shape: dict[str, Any]
        if film.masks is not None:
            mask = film.masks.visible[place, frame]
            shape = {"segmentation": encode(mask), "area": int(mask.sum())}
        else:
            left, top, width, height = box
            bounds = [left, top, left + width, top, left + width, top + height, left, top + height]
            shape = {"segmentation": [bounds], "area": width * height}
        self.annotations.append(
            {
                "id": len(self.annotations) + 1,
                "image_id": len(self.images),
                "category_id": CATEGORIES.index(thing.kind) + 1,
                "iscrowd": 0,
                "track_id": track,
                "visibility": round(float(thing.visibility[frame]), 4),
                "attributes": {"colour": thing.colour, "motion": thing.motion},
            }
            | shape
            | {"bbox": list(box)}
        )

    def finish(self) -> None:
        painted = any("source" in video for video in self.videos)
        tree = {
            "info": {"description": PAINTED if painted else DRAWN, "version": "1"},
            "licenses": [] if painted else [LICENCE],
            "categories": [
                {"id": number, "name": name, "supercategory": "thing"}
                for number, name in enumerate(CATEGORIES, 1)
            ],
            "videos": self.videos,
            "images": self.images,
            "annotations": self.annotations,
        }
        write_text(self.folder / "annotations" / f"instances_{self.part}.json", json.dumps(tree))


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask (H, W) as COCO's compressed run lengths: column by column, beginning with what is not
    of it.
    """
    flat = mask.T.ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    if flat[0]:
        runs.insert(0, 0)
    return {"size": list(mask.shape), "counts": _letters(runs)}


def _letters(runs: list[int]) -> str:
    """Run lengths in letters of six bits each, five of which count; from the fourth one on, the
    difference to the one before the last.
    """
    text = []
    for place, run in enumerate(runs):
        left = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            bits = left & 31
            left >>= 5
            more = left != -1 if bits & 16 else left != 0
            text.append(chr(48 + bits + (32 if more else 0)))
    return "".join(text)
