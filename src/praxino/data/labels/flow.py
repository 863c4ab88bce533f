"""Optical flow as KITTI and as Sintel have it."""

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.data.labels.films import LabelledFilm
from praxino.data.labels.motion import Motion
from praxino.storage.media.video import write_picture

KITTI_ZERO, KITTI_UNIT = 2**15, 64
"""What stands for no motion, and what for one pixel."""
PIEH = 202021.25
"""How a file of flow begins (Baker et al., Middlebury)."""


class KittiFlowWriter:
    """``image_2/000000_10.png`` and ``..._11.png``, ``flow_occ/000000_10.png`` with all that is
    known of how pixels move, and ``flow_noc`` with what is seen in both; one pair of frames after
    the other.
    """

    exact = True

    def __init__(self, folder: Path, part: str) -> None:
        self.folder, self.pairs = folder, 0
        for name in ("image_2", "flow_occ", "flow_noc"):
            (folder / name).mkdir()

    def add(self, film: LabelledFilm) -> None:
        motion = Motion(film)
        for frame in range(len(film.frames) - 1):
            flow, name = motion.flow(frame), f"{self.pairs:06d}"
            write_picture(self.folder / "image_2" / f"{name}_10.png", film.frames[frame])
            write_picture(self.folder / "image_2" / f"{name}_11.png", film.frames[frame + 1])
            for kind, valid in (
                ("flow_occ", flow.valid),
                ("flow_noc", flow.valid & ~flow.occluded),
            ):
                write_grey(self.folder / kind / f"{name}_10.png", kitti(flow.vectors, valid))
            self.pairs += 1

    def finish(self) -> None:
        """Nothing is left to be written."""


class SintelFlowWriter:
    """``clean/FILM/frame_0001.png``, ``flow/FILM/frame_0001.flo``, and pictures that are 255 where
    motion is not known (``invalid``) and where what is seen is hidden next (``occlusions``).
    """

    exact = True

    def __init__(self, folder: Path, part: str) -> None:
        self.folder = folder

    def add(self, film: LabelledFilm) -> None:
        motion = Motion(film)
        for kind in ("clean", "flow", "invalid", "occlusions"):
            (self.folder / kind / film.name).mkdir(parents=True)
        for frame, pixels in enumerate(film.frames):
            name = f"frame_{frame + 1:04d}"
            write_picture(self.folder / "clean" / film.name / f"{name}.png", pixels)
            if frame == len(film.frames) - 1:
                break
            flow = motion.flow(frame)
            (self.folder / "flow" / film.name / f"{name}.flo").write_bytes(flo(flow.vectors))
            for kind, mask in (("invalid", ~flow.valid), ("occlusions", flow.occluded)):
                write_grey(
                    self.folder / kind / film.name / f"{name}.png", mask.astype(np.uint8) * 255
                )

    def finish(self) -> None:
        """Nothing is left to be written."""


def write_grey(path: Path, numbers: NDArray[Any]) -> None:
    """A PNG of one channel, or of OpenCV's three, of 8 or 16 bits."""
    written, content = cv2.imencode(".png", numbers)
    assert written
    path.write_bytes(content.tobytes())


def kitti(vectors: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Flow as sixteen bits: valid, down, to the right, in OpenCV's order of channels."""
    numbers = (vectors * KITTI_UNIT + KITTI_ZERO).round()
    valid = valid & ((numbers >= 0) & (numbers < 2**16)).all(2)  # no more can be written
    numbers[~valid] = 0
    channels = (valid.astype(np.uint16), numbers[..., 1], numbers[..., 0])
    return np.stack(channels, axis=2).astype(np.uint16)


def flo(vectors: NDArray[np.float32]) -> bytes:
    """Flow as Middlebury's file: a magic number, width, height, and rows of both components."""
    height, width = vectors.shape[:2]
    return struct.pack("<fii", PIEH, width, height) + vectors.astype("<f4").tobytes()
