"""Clips as files: cut, without bars, with short groups of pictures, in shards that every trainer
reads.

A shard is a webdataset .tar: ``ID.mp4``, ``ID.txt``, ``ID.json``, its members' times 0, so that
equal clips are equal bytes.
"""

import io
import json
import math
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from praxino.data.curation.decide import Clip, square_size
from praxino.data.curation.sources import Source
from praxino.data.curation.units import Row, digest, write_rows
from praxino.data.pixels import resized
from praxino.errors import MediaError
from praxino.processes import KILLED
from praxino.storage.files import atomic_file
from praxino.storage.media.frames import UNKNOWN_FPS, iter_frames, probe
from praxino.storage.media.video import Video, add_stream, encode_frame

GROUP: Final = 12
"""Frames from one that stands alone to the next: a trainer may begin anywhere."""
RATE_TOLERANCE: Final = 0.02
"""Part by which a film may be faster than asked for."""
SQUARE: Final = "square pixels"
"""Names how clips are written: those of before had pixels as films have them."""
SHORT: Final = 1e-3
"""Seconds within which two times are one."""
Pixels = NDArray[np.uint8]
QUALITY: Final = "18"
"""Constant rate factor of H.264."""


@dataclass(frozen=True)
class Writing:
    """How clips are written.

    Attributes
    ----------
    side : int
        Pixels of the shorter side, at most; 0: as they are. Nothing is enlarged.
    fps : float
        Frames a second, at most; 0: as they are.
    """

    side: int = 0
    fps: float = 0.0


@contextmanager
def file_of(source: Source) -> Iterator[Path]:
    """The file of a film; of one in a shard a temporary copy."""
    if source.member is None:
        yield source.path
        return
    offset, size = source.member
    with tempfile.NamedTemporaryFile(suffix=Path(source.name).suffix) as copy:
        with source.path.open("rb") as shard:
            shard.seek(offset)
            while size and (part := shard.read(min(size, 2**20))):
                copy.write(part)
                size -= len(part)
        copy.flush()
        yield Path(copy.name)


def cut(clip: Clip, path: Path, writing: Writing) -> tuple[bytes, Row]:
    """A clip of the film at ``path`` as bytes of an .mp4, and what it is.

    Raises
    ------
    MediaError
        If nothing of it can be read.
    """
    info = probe(path)
    rate = info.rate or UNKNOWN_FPS
    every = max(1, math.ceil(rate / writing.fps - RATE_TOLERANCE)) if writing.fps else 1
    left, top, right, bottom = clip.crop
    aspect = info.pixel_aspect
    content, count, stream, size = io.BytesIO(), 0, None, (0, 0)
    with av.open(content, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        frames = ((frame.seconds, frame.pixels) for frame in iter_frames(path, clip.start, info))
        for pixels in at_rate(frames, clip.end, rate / every):
            height, width = pixels.shape[:2]
            pixels = pixels[top : height - bottom, left : width - right]
            pixels = _fitted(pixels, writing.side, aspect)
            if stream is None:
                size = pixels.shape[0], pixels.shape[1]
                like = Video(np.empty((0, *pixels.shape), np.uint8), rate / every)
                options = {"crf": QUALITY, "g": str(GROUP), "preset": "medium"}
                stream = add_stream(container, "libx264", like, options | {"mbtree": "0"})
            if (pixels.shape[0], pixels.shape[1]) != size:
                break  # a film that changes its size
            container.mux(encode_frame(stream, pixels))
            count += 1
        if stream is not None:
            container.mux(stream.encode())
    if not count:
        raise MediaError(f"{clip.source.name}: no frame at {clip.start:g} s", "is it complete?")
    row = {
        "frames": count,
        "height": size[0],
        "width": size[1],
        "fps": float(Fraction(rate / every).limit_denominator(1001)),
    }
    return content.getvalue(), row


def at_rate(frames: Iterable[tuple[float, Pixels]], end: float, rate: float) -> Iterator[Pixels]:
    """Pictures at even times, from the first frame on to before ``end``: each time the frame that
    is nearest to it. Films whose frames last differently would run too fast and too slow.

    Parameters
    ----------
    frames : iterable of (seconds, pixels)
    rate : float
        Pictures a second.
    """
    before: tuple[float, Pixels] | None = None
    first, count = 0.0, 0
    for seconds, pixels in frames:
        if seconds >= end - SHORT:
            break
        if before is None:
            first = seconds
        else:
            middle = (before[0] + seconds) / 2
            while first + count / rate < middle - SHORT:
                yield before[1]
                count += 1
        before = seconds, pixels
    last = end if before is None else min(end, before[0] + 1 / rate)
    while before is not None and first + count / rate < last - 1 / rate / 2:
        yield before[1]
        count += 1


def _fitted(pixels: Any, side: int, aspect: float = 1.0) -> Any:
    """Square pixels of an even size, the shorter side no longer than ``side``.

    Parameters
    ----------
    aspect : float
        Width over height of a pixel; what is too long for it becomes shorter.
    """
    height, width = pixels.shape[:2]
    wide, high = square_size(width, height, aspect)
    scale = min(1.0, side / min(high, wide)) if side else 1.0
    if scale == 1 and (wide, high) == (width, height):
        return np.ascontiguousarray(pixels[: height - height % 2, : width - width % 2])
    high, wide = (max(2, 2 * round(length * scale / 2)) for length in (high, wide))
    return resized(pixels[None], high, wide)[0]


NO_SCORES: Final = frozenset(("hashes", "mirrored", "thumbnail"))
"""Fields of a shot that are no scores."""


@dataclass(frozen=True)
class Shard:
    """A `Unit`: one shard of clips, or with ``folder`` the same as files in a folder."""

    dataset: Path
    clips: tuple[Clip, ...]
    captions: tuple[str, ...]
    writing: Writing = Writing()
    folder: bool = False

    @property
    def name(self) -> str:
        """A digest of all that it is made from."""
        parts = [f"{clip.id} {clip.crop} {text}" for clip, text in
                 zip(self.clips, self.captions, strict=True)]  # fmt: skip
        return digest((*parts, repr(self.writing), str(self.folder), SQUARE))

    @property
    def target(self) -> Path:
        return self.dataset / "written" / f"{self.name}.jsonl"

    @property
    def jobs(self) -> Sequence[int]:
        return range(len(self.clips))

    def carry_out(self, job: int) -> tuple[bytes, Row]:
        clip = self.clips[job]
        base = {"id": clip.id, "source": clip.source.name, "start": clip.start, "end": clip.end}
        base["caption"] = self.captions[job]
        try:
            with file_of(clip.source) as path:
                content, row = cut(clip, path, self.writing)
        except (MediaError, OSError, av.error.FFmpegError) as error:
            return b"", base | {"problem": str(error)}
        scores = clip.shot.model_dump(
            exclude={*NO_SCORES, "start", "end", "frames", "before", "after"}
        )
        return content, base | row | {"scores": scores}

    def give_up(self, job: int) -> tuple[bytes, Row]:
        clip = self.clips[job]
        return b"", {"id": clip.id, "source": clip.source.name, "problem": KILLED}

    def finish(self, results: Iterable[tuple[bytes, Row]]) -> None:
        if self.folder:
            rows = [self._as_files(content, row) for content, row in results]
        else:
            rows = self._as_shard(results)
        write_rows(self.target, rows)

    def _as_shard(self, results: Iterable[tuple[bytes, Row]]) -> list[Row]:
        path = self.dataset / "shards" / f"{self.name}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = []
        with (
            atomic_file(path) as fresh,
            tarfile.open(fresh, "w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for content, row in results:
                if not content:
                    rows.append(row)
                    continue
                offset = tar.offset + tarfile.BLOCKSIZE
                for ending, data in (
                    ("mp4", content),
                    ("txt", row["caption"].encode()),
                    ("json", json.dumps(row, sort_keys=True).encode()),
                ):
                    member = tarfile.TarInfo(f"{row['id']}.{ending}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
                place = {"shard": path.name, "offset": offset, "size": len(content)}
                rows.append(row | place)
        return rows

    def _as_files(self, content: bytes, row: Row) -> Row:
        if not content:
            return row
        folder = self.dataset / "clips"
        folder.mkdir(parents=True, exist_ok=True)
        for ending, data in (("mp4", content), ("txt", row["caption"].encode())):
            with atomic_file(folder / f"{row['id']}.{ending}") as fresh:
                fresh.write_bytes(data)
        return row | {"file_name": f"clips/{row['id']}.mp4", "text": row["caption"]}


@dataclass(frozen=True)
class Examined:
    """A `Unit`: probabilities that clips were generated, by a detector that reads a file."""

    dataset: Path
    clips: tuple[Clip, ...]
    examine: Any
    """(path) -> probability."""

    @property
    def target(self) -> Path:
        name = digest([f"{clip.id} {clip.crop}" for clip in self.clips])
        return self.dataset / "examined" / f"{name}.jsonl"

    @property
    def jobs(self) -> Sequence[Clip]:
        return self.clips

    def carry_out(self, job: Clip) -> Row:
        try:
            with file_of(job.source) as path, tempfile.NamedTemporaryFile(suffix=".mp4") as copy:
                content, _ = cut(job, path, Writing())
                copy.write(content)
                copy.flush()
                return {"id": job.id, "generated": float(self.examine(Path(copy.name)))}
        except (MediaError, OSError, av.error.FFmpegError) as error:
            return {"id": job.id, "problem": str(error)}

    def give_up(self, job: Clip) -> Row:
        return {"id": job.id, "problem": KILLED}

    def finish(self, results: Iterable[Row]) -> None:
        write_rows(self.target, results)
