"""Films with captions, boxes and masks in WebDataset's shards."""

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from praxino.data.labels.films import LabelledFilm
from praxino.storage.media.video import Video

FILMS_A_SHARD = 100


class ShardWriter:
    """``PART-000000.tar`` with ``FILM.mp4``, ``FILM.txt``, ``FILM.json`` and, where masks are
    exact, ``FILM.ids.npy``: (T, H, W) uint8, 0 for the background, n for the n-th thing.
    """

    exact = False

    def __init__(self, folder: Path, part: str) -> None:
        self.folder, self.part, self.count = folder, part, 0
        self.tar: tarfile.TarFile | None = None

    def add(self, film: LabelledFilm) -> None:
        if self.count % FILMS_A_SHARD == 0:
            self.finish()
            path = self.folder / f"{self.part}-{self.count // FILMS_A_SHARD:06d}.tar"
            self.tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        self.count += 1
        with tempfile.TemporaryDirectory() as folder:
            clip = Video(film.frames, film.fps).save(Path(folder) / "film.mp4").read_bytes()
        self._write(f"{film.name}.mp4", clip)
        self._write(f"{film.name}.txt", film.caption.encode())
        self._write(f"{film.name}.json", json.dumps(described(film)).encode())
        if film.masks is not None:
            content = io.BytesIO()
            np.save(content, instance_ids(film), allow_pickle=False)
            self._write(f"{film.name}.ids.npy", content.getvalue())

    def _write(self, name: str, content: bytes) -> None:
        assert self.tar is not None
        member = tarfile.TarInfo(name)  # times are 0: equal films are equal bytes
        member.size = len(content)
        self.tar.addfile(member, io.BytesIO(content))

    def finish(self) -> None:
        if self.tar is not None:
            self.tar.close()


def instance_ids(film: LabelledFilm) -> Any:
    """(T, H, W) uint8: 0 for the background, n for what is visible of the n-th thing."""
    assert film.masks is not None
    ids = np.zeros(film.frames.shape[:3], np.uint8)
    for number, visible in enumerate(film.masks.visible, 1):
        ids[visible] = number
    return ids


def described(film: LabelledFilm) -> dict[str, Any]:
    """Words and boxes of a film, as plain values."""
    things = [
        {
            "id": number,
            "kind": thing.kind,
            "colour": thing.colour,
            "motion": thing.motion,
            "depth": thing.depth,
            "boxes": thing.boxes.round(3).tolist(),
            "visibility": thing.visibility.round(4).tolist(),
        }
        for number, thing in enumerate(film.tracks, 1)
    ]
    scene = film.scene.attributes if film.scene else {}
    return {
        "caption": film.caption,
        "source": film.source,
        "fps": film.fps,
        "scene": scene,
        "things": things,
    }
