"""Pictures that a film is made from, as they are read and brought to its size."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from praxino.errors import MediaError
from praxino.references import DIGEST


@dataclass(frozen=True)
class GivenImage:
    """A picture that a film begins or ends with.

    Attributes
    ----------
    name : str
        As the request and the film's record name it.
    pixels : (H, W, 3) uint8
    content : bytes
        The file that it was read from: the film's signature states it. Empty for pixels that are no
        file.
    """

    name: str
    pixels: NDArray[np.uint8]
    content: bytes = field(default=b"", repr=False)

    @classmethod
    def read(cls, path: Path, name: str = "") -> "GivenImage":
        """The first frame of a file; raises `MediaError` if it cannot be read."""
        from praxino.storage.media.frames import read_video

        return cls(name or str(path), read_video(path, most=1).frames[0], path.read_bytes())

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def load_images(names: Iterable[str | None], images: Sequence[GivenImage] = ()) -> list[GivenImage]:
    """The pictures of these names: those in ``images``, the others read from files, or from the
    memory of this installation where a name is a digest; no name, no picture.

    Raises
    ------
    MediaError
        If one cannot be read, or is not in the memory.
    """
    by_name = {image.name: image for image in images}
    return [by_name.get(name) or _load(name) for name in names if name]


def _load(name: str) -> GivenImage:
    if not name.startswith(DIGEST):
        return GivenImage.read(Path(name))
    from praxino.generation import memory

    image = memory.installation().image(name)
    if image is None:
        raise MediaError(
            f"no picture {name[:19]}... in the memory", "give it again: --reference FILE"
        )
    return image


def whole(
    picture: NDArray[np.uint8], height: int, width: int, ground: int | None = None
) -> NDArray[np.uint8]:
    """A whole picture at another size, on a ground of this grey level, or else of the colour that
    its border has.
    """
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = np.median(border, axis=0).astype(np.uint8) if ground is None else ground
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    small = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
    canvas[top : top + size[1], left : left + size[0]] = np.asarray(small)
    return canvas


def put_in(
    ends: Mapping[int, GivenImage], pixels: NDArray[np.uint8], stay: NDArray[np.bool_]
) -> None:
    """Put pictures into a film (F, H, W, 3), by the numbers of their frames, and say in (F, H, W)
    that they stay.
    """
    for number, image in ends.items():
        pixels[number], stay[number] = fitted(image.pixels, *pixels.shape[1:3]), True


def fitted(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A picture at the film's size: scaled until it covers it, the middle cut out."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = (
        max(width, round(picture.shape[1] * scale)),
        max(height, round(picture.shape[0] * scale)),
    )
    large = np.array(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width]
