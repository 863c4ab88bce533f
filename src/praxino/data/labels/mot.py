"""Tracks as MOTChallenge has them."""

from pathlib import Path

from praxino.data.labels.films import LabelledFilm
from praxino.storage.files import write_text
from praxino.storage.media.video import write_picture

PEDESTRIAN = 1
"""The class that evaluation tools of MOTChallenge take; what things are stands in ``kinds.txt``."""


class MotWriter:
    """``PART/FILM/img1/000001.png``, ``gt/gt.txt``, ``seqinfo.ini``, and ``seqmaps/PART.txt``.
    Frames, tracks and pixels are counted from 1; boxes are of whole things, with how much of them
    is visible.
    """

    exact = False

    def __init__(self, folder: Path, part: str) -> None:
        self.folder, self.part = folder, part
        self.names: list[str] = []

    def add(self, film: LabelledFilm) -> None:
        place = self.folder / self.part / film.name
        (place / "img1").mkdir(parents=True)
        for number, pixels in enumerate(film.frames, 1):
            write_picture(place / "img1" / f"{number:06d}.png", pixels)
        rows = []
        for frame in range(len(film.frames)):
            for track, thing in enumerate(film.tracks, 1):
                left, top, width, height = thing.boxes[frame].tolist()
                if not width or not thing.visibility[frame]:
                    continue
                rows.append(
                    f"{frame + 1},{track},{left + 1:g},{top + 1:g},{width:g},{height:g},1,"
                    f"{PEDESTRIAN},{thing.visibility[frame]:.4g}"
                )
        write_text(place / "gt" / "gt.txt", "".join(row + "\n" for row in rows))
        kinds = [f"{n},{t.kind},{t.colour},{t.motion}\n" for n, t in enumerate(film.tracks, 1)]
        write_text(place / "gt" / "kinds.txt", "".join(kinds))
        height, width = film.size
        write_text(
            place / "seqinfo.ini",
            f"[Sequence]\nname={film.name}\nimDir=img1\nframeRate={film.fps:g}\n"
            f"seqLength={len(film.frames)}\nimWidth={width}\nimHeight={height}\nimExt=.png\n",
        )
        self.names.append(film.name)

    def finish(self) -> None:
        lines = "".join(name + "\n" for name in ("name", *self.names))
        write_text(self.folder / "seqmaps" / f"{self.part}.txt", lines)
