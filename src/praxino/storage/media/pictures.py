"""A picture written anew with its pixels changed, and all else as it was: format, quality, colour
profile, transparency, and for moving ones times and repetitions.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, JpegImagePlugin, PngImagePlugin

from praxino.errors import MediaError
from praxino.storage.files import FULL, unchanged
from praxino.storage.media import pillow
from praxino.storage.media.formats import MAX_PICTURE_PIXELS, PILLOW_FORMATS
from praxino.storage.media.info import DAMAGE, require_pixels, unreadable

PixelChange = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""(T, H, W, 3) of a picture's frames -> the changed ones."""
WRITTEN: Final[dict[str, dict[str, Any]]] = {
    "PNG": {},
    "JPEG": {"quality": 95},
    "WEBP": {"quality": 92},
    "GIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "BMP": {},
    "AVIF": {"quality": 90, "speed": 8},
}
"""Formats that are written, by Pillow's names, and how."""
SAME: Final = {"MPO": "JPEG"}
"""Formats that are read as something else: several pictures in a JPEG, of which the first counts.
"""
SINGLE: Final = ("TIFF", "MPO", "JPEG", "HEIF")
"""Formats of which the first picture counts."""
ELSEWISE: Final = {"HEIF": ("JPEG", ".jpg")}
"""Formats that are not written, what is written for them, and the ending of its name."""
ORIENTATION: Final = 0x0112
"""EXIF's tag for which way is up."""
MAX_MOVING_BYTES: Final = 2**29
"""Pixels of all frames of a moving picture together, which are in memory up to five times."""
LOSSLESS_WEBP, LOSSY_WEBP, WEBP_FRAME = b"VP8L", b"VP8 ", b"ANMF"
"""Parts of a WebP file: pixels without loss, with loss, and a frame of a moving one."""
RIFF_HEAD_BYTES, PART_HEAD_BYTES, FRAME_HEAD_BYTES = 12, 8, 16


@dataclass
class Rewritten:
    """What was done: ``frames`` written, ``notes`` on what could not be kept."""

    frames: int = 0
    notes: list[str] = field(default_factory=list)


@contextmanager
def _opened(source: Path) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(source, formats=PILLOW_FORMATS) as picture:
                yield picture
        except MediaError:
            raise
        except DAMAGE as error:
            if getattr(error, "errno", None) in FULL:
                raise  # of the new file
            raise unreadable(source, error) from None


def picture_ending(source: Path) -> str:
    """The ending of a name under which a picture can be written: its own, if its format can be."""
    with _opened(source) as picture:
        _, ending = ELSEWISE.get(str(picture.format), ("", source.suffix))
    return ending


def rewrite(source: Path, fresh: Path, change: PixelChange, fine: bool = False) -> Rewritten:
    """Write the picture of ``source`` to ``fresh`` with its pixels changed, upright; ``fine``: a
    JPEG not as coarse as it was.

    Raises
    ------
    MediaError
        If it cannot be read or written, or is too large.
    """
    done = Rewritten()
    with unchanged(source), _opened(source) as picture:
        require_pixels(source, picture.width, picture.height, MAX_PICTURE_PIXELS)
        count, kind = pillow.frame_count(picture), SAME.get(str(picture.format), picture.format)
        name, _ = ELSEWISE.get(str(kind), (str(kind), ""))
        if count > 1 and count * picture.width * picture.height * 4 > MAX_MOVING_BYTES:
            raise MediaError(
                f"{source}: {count} frames of {picture.width}x{picture.height} are too many",
                "as a film, such as .mp4",
            )
        done.frames, done.notes = count, _losses(picture, str(kind), name)
        frames, alphas, durations = _layers(picture, count)
        options = WRITTEN[name] | _kept(picture, name) | _lossless(source, name)
        if not fine:
            options |= _quality(picture, name)
        images = [Image.fromarray(pixels) for pixels in change(frames)]
        for image, alpha in zip(images, alphas, strict=True):
            if alpha is not None and name != "JPEG":
                image.putalpha(alpha)
        if count > 1:
            options |= {"save_all": True, "append_images": images[1:], "duration": durations}
            if "loop" in picture.info:
                options["loop"] = picture.info["loop"]
        images[0].save(fresh, format=name, **options)
    return done


def _losses(picture: Any, kind: str, name: str) -> list[str]:
    notes = [f"{kind} is written as {name}"] if kind != name else []
    if picture.mode.startswith("I") or picture.mode == "F":
        notes.append("8 bits a channel are left")
    if picture.mode == "CMYK":
        notes.append("CMYK becomes RGB")
    pages = getattr(picture, "n_frames", 1)
    if kind in SINGLE and pages > 1:
        notes.append(f"the first of {pages} pictures alone")
    return notes


def _layers(
    picture: Any, count: int
) -> tuple[NDArray[np.uint8], list[Image.Image | None], list[float]]:
    """Colours (T, H, W, 3) of all frames, and each one's transparency and milliseconds."""
    frames, alphas, durations = [], list[Image.Image | None](), []
    for index in range(count):
        picture.seek(index)
        picture.load()  # from then on it knows how long this frame is shown
        durations.append(float(picture.info.get("duration", 0) or 0))
        if not picture.has_transparency_data:
            alphas.append(None)
            frames.append(pillow.upright(picture))
            continue
        rgba = (ImageOps.exif_transpose(picture) or picture).convert("RGBA")
        alphas.append(rgba.getchannel("A"))
        frames.append(np.asarray(rgba.convert("RGB")))
    return np.stack(frames), alphas, durations


def _kept(picture: Any, name: str) -> dict[str, Any]:
    """Options that keep what a file says of its picture."""
    kept: dict[str, Any] = {}
    if picture.info.get("icc_profile") and picture.mode != "CMYK":
        kept["icc_profile"] = picture.info["icc_profile"]
    exif = picture.getexif()
    exif.pop(ORIENTATION, None)  # it is upright now
    if len(exif) and name in ("PNG", "JPEG", "WEBP", "AVIF"):
        kept["exif"] = exif.tobytes()
    if picture.info.get("dpi") and name in ("PNG", "JPEG", "TIFF"):
        kept["dpi"] = picture.info["dpi"]
    if picture.info.get("xmp") and name in ("JPEG", "WEBP", "TIFF"):
        kept["xmp"] = picture.info["xmp"]
    if name == "JPEG" and picture.info.get("comment"):
        kept["comment"] = picture.info["comment"]
    if name == "PNG" and getattr(picture, "text", None):
        kept["pnginfo"] = _notes(picture.text)
    return kept


def _notes(texts: dict[str, str]) -> PngImagePlugin.PngInfo:
    """A PNG's notes, where image tools keep sentences, seeds and workflows."""
    notes = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        if isinstance(text, PngImagePlugin.iTXt):
            notes.add_itxt(key, text, text.lang or "", text.tkey or "")
        else:
            notes.add_text(key, text)
    return notes


def _lossless(source: Path, name: str) -> dict[str, Any]:
    """Options for a WebP that loses nothing, if it is one."""
    if name != "WEBP":
        return {}
    with source.open("rb") as file:
        file.seek(RIFF_HEAD_BYTES)
        while len(head := file.read(PART_HEAD_BYTES)) == PART_HEAD_BYTES:
            kind, size = head[:4], int.from_bytes(head[4:], "little")
            if kind in (LOSSLESS_WEBP, LOSSY_WEBP):
                return {"lossless": True} if kind == LOSSLESS_WEBP else {}
            file.seek(FRAME_HEAD_BYTES if kind == WEBP_FRAME else size + size % 2, 1)
    return {}


def _quality(picture: Any, name: str) -> dict[str, Any]:
    """Options that keep the steps in which a JPEG counts."""
    tables = getattr(picture, "quantization", None)
    if name != "JPEG" or picture.mode != "RGB" or not tables:
        return {}
    sampling = max(0, JpegImagePlugin.get_sampling(picture))
    return {"quality": -1, "qtables": tables, "subsampling": sampling}
