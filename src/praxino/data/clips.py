"""Clips of a dataset, wherever they lie: in shards with an index, in shards of others, or as files
with texts beside them.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from praxino.data.buckets import Bucket
from praxino.data.curation.sources import Source, find_sources
from praxino.data.curation.units import read_lines
from praxino.data.curation.write import file_of
from praxino.data.pixels import resized
from praxino.errors import InputError, MediaError
from praxino.log import logger
from praxino.storage.media.frames import iter_frames, probe

INDEX: Final = "index.jsonl"


@dataclass(frozen=True)
class ClipFile:
    """One clip of a dataset: where it is, what it shows, how large it is."""

    source: Source
    caption: str
    frames: int
    height: int
    width: int
    fps: float

    @property
    def name(self) -> str:
        return self.source.name


class ClipDataset:
    """The clips of a folder, in an order that depends on their names alone.

    Parameters
    ----------
    folder : Path
        What `praxino curate` wrote, .tar shards, or films with texts.

    Raises
    ------
    InputError
        If there is no clip that can be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clips = _indexed(folder) if (folder / INDEX).is_file() else _probed(folder)
        self.clips: Sequence[ClipFile] = sorted(clips, key=lambda clip: clip.name)
        if not self.clips:
            raise InputError(f"{folder}: no clip can be read", "praxino curate FOOTAGE -o DATASET")

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name what the clips are, and what they show."""
        total = hashlib.sha256()
        for clip in self.clips:
            about = (clip.name, clip.caption, clip.frames, clip.height, clip.width)
            total.update(json.dumps(about).encode())
        return total.hexdigest()[:12]

    def strides(self, fps: float) -> list[int]:
        """Every how many frames of each clip one is taken, for about so many a second."""
        return [max(1, round(clip.fps / fps)) if clip.fps else 1 for clip in self.clips]

    def read(self, number: int, bucket: Bucket, every: int = 1) -> NDArray[np.uint8]:
        """The first frames of a clip in a bucket's shape, (T, H, W, 3): its middle, made smaller.

        Parameters
        ----------
        every : int
            Every how many frames one is taken.

        Raises
        ------
        MediaError
            If it is shorter than its dataset says.
        """
        clip = self.clips[number]
        frames: list[NDArray[np.uint8]] = []
        with file_of(clip.source) as path:
            for place, frame in enumerate(iter_frames(path)):
                if place % every == 0:
                    frames.append(frame.pixels)
                if len(frames) == bucket.frames:
                    break
        if len(frames) < bucket.frames:
            raise MediaError(
                f"{clip.name} has {len(frames)} frames, not {bucket.frames}", "curate it again"
            )
        return fitted_to(np.stack(frames), bucket.height, bucket.width)


def fitted_to(film: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle of a film (T, H, W, 3), as large as it can be, in another size."""
    scale = min(film.shape[1] / height, film.shape[2] / width)
    high, wide = round(height * scale), round(width * scale)
    top, left = (film.shape[1] - high) // 2, (film.shape[2] - wide) // 2
    return resized(film[:, top : top + high, left : left + wide], height, width)


def _indexed(folder: Path) -> Iterator[ClipFile]:
    """Clips as `praxino curate` lists them."""
    for row in read_lines(folder / INDEX):
        shard = folder / "shards" / row["shard"]
        source = Source(f"{row['shard']}/{row['id']}.mp4", shard, (row["offset"], row["size"]))
        yield ClipFile(
            source, row["caption"], row["frames"], row["height"], row["width"], row["fps"]
        )


def _probed(folder: Path) -> Iterator[ClipFile]:
    """Clips of which nothing but their texts is listed."""
    bad = 0
    for source in find_sources(folder).films:
        try:
            with file_of(source) as path:
                info = probe(path)
        except (MediaError, OSError) as error:
            logger.warning("left out: %s", error)
            bad += 1
            continue
        text = next((span.caption for span in source.spans if span.caption), "")
        yield ClipFile(source, text, info.frames, info.height, info.width, info.rate)
    if bad:
        logger.info("%s: %d clips that cannot be read", folder, bad)
