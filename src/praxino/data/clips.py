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
NEAR_RATE: Final = 1.1
"""Rates that differ by less count as one."""


@dataclass(frozen=True)
class ClipFile:
    """One clip of a dataset: where it is, what it shows, how large it is."""

    source: Source
    caption: str
    frames: int
    height: int
    width: int
    fps: float
    film: str = ""
    """The film that it was cut from, or itself: clips of one film are held out together."""

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
            file = clip.source.path.stat()
            place = clip.source.member or (file.st_size, file.st_mtime_ns)
            about = (clip.name, clip.caption, clip.frames, clip.height, clip.width, place)
            total.update(json.dumps(about).encode())
        return total.hexdigest()[:12]

    def strides(self, fps: float) -> list[float]:
        """From how many frames of each clip one is taken, for so many a second; 1 for slower ones,
        and for those that are faster by a tenth at most.
        """
        every = [clip.fps / fps if clip.fps else 1.0 for clip in self.clips]
        return [round(stride, 4) if stride > NEAR_RATE else 1.0 for stride in every]

    def read(self, number: int, bucket: Bucket, every: float = 1.0) -> NDArray[np.uint8]:
        """The first frames of a clip in a bucket's shape, (T, H, W, 3): its middle, made smaller.
        One that is shorter than its dataset says ends with its last frame, held.

        Parameters
        ----------
        every : float
            From how many frames one is taken.

        Raises
        ------
        MediaError
            If nothing of it can be read.
        """
        clip = self.clips[number]
        frames: list[NDArray[np.uint8]] = []
        with file_of(clip.source) as path:
            for place, frame in enumerate(iter_frames(path)):
                if place == round(len(frames) * every):
                    frames.append(frame.pixels)
                if len(frames) == bucket.frames:
                    break
        if not frames:
            raise MediaError(f"{clip.name}: no frame can be read", "curate it again")
        if missing := bucket.frames - len(frames):
            logger.warning("%s is %d frames short: its last one is held", clip.name, missing)
            frames += [frames[-1]] * missing
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
        try:
            shard = folder / "shards" / row["shard"]
            source = Source(f"{row['shard']}/{row['id']}.mp4", shard, (row["offset"], row["size"]))
            sizes = (row["frames"], row["height"], row["width"], row["fps"])
            yield ClipFile(source, row["caption"], *sizes, film=row["source"])
        except (KeyError, TypeError):
            raise InputError(
                f"{folder / INDEX} is no index of praxino curate", "curate it, or take it away"
            ) from None


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
        sizes = (info.frames, info.height, info.width, info.rate)
        yield ClipFile(source, text, *sizes, film=source.name)
    if bad:
        logger.info("%s: %d clips that cannot be read", folder, bad)
