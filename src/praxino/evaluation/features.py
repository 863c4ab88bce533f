"""What sets of films are compared by: networks that turn a film into rows of numbers.

The reader of the diorama comes with the package. Inception, I3D and CLIP are what published figures
are made with; nothing is downloaded, a user who has their weights names the file.
"""

import hashlib
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.pixels import resized, to_tensor
from praxino.errors import CheckpointError, InputError, UnknownNameError
from praxino.evaluation.readers import READER, read_reader
from praxino.storage.weights import clip

Film = NDArray[np.uint8]
BATCH: Final = 16
"""Frames that a network for pictures takes at a time."""
SEEN: Final = 64
"""Rows of the pictures that the reader was trained on."""


@dataclass(frozen=True)
class Extractor:
    """``rows`` takes a film (T, H, W, 3) to (N, D): N = T for networks that see pictures, 1 for
    those that see films. ``called`` is the name that the Fréchet distance has on them, ``weights``
    says which network it is.
    """

    called: str
    rows: Callable[[Film], NDArray[np.float64]]
    weights: str = ""


def extractor(name: str, weights: Path | None = None) -> Extractor:
    """A network by name, with the user's weights where it needs some.

    Parameters
    ----------
    name : str
        ``reader``: the bundled reader, on films of 64 rows; 256 numbers a film. ``inception``:
        pool3 of Inception as used for FID (Heusel et al., arXiv 1706.08500), 2048 numbers a frame.
        ``i3d``: logits of I3D trained on Kinetics-400 as used for FVD (Unterthiner et al., arXiv
        1812.01717), 400 numbers a film of 10 frames or more. ``clip``: the projected picture
        embedding (Kynkäänniemi et al., arXiv 2203.06026), one row a frame.
    weights : Path
        For ``inception`` and ``i3d`` the TorchScript files that are in common use,
        ``inception-2015-12-05.pt`` and ``i3d_torchscript.pt``; for ``clip`` a folder as
        ``transformers`` saves it; for ``reader`` a folder that ``praxino train diorama-reader``
        wrote, in place of the bundled one.

    Raises
    ------
    UnknownNameError
        For another name.
    InputError
        Without weights for a network that needs them, or without the library that runs it.
    CheckpointError
        If they are missing, damaged, or something else.
    """
    if name not in EXTRACTORS:
        raise UnknownNameError("features", name, EXTRACTORS)
    if weights is None and name != "reader":
        raise InputError(f"{name} needs its weights", f"--weights {FILES[name]}")
    if weights is not None and not weights.exists():
        raise CheckpointError(f"no such file: {weights}", f"{name} takes {FILES[name]}")
    files = weights or READER
    which = hashlib.sha256()
    for path in sorted(files.rglob("*")) if files.is_dir() else [files]:
        which.update(path.read_bytes() if path.is_file() else b"")
    return Extractor(CALLED[name], EXTRACTORS[name](weights), which.hexdigest())


def _reader(weights: Path | None) -> Callable[[Film], NDArray[np.float64]]:
    reader = read_reader(weights or READER)
    return lambda film: _numbers(lambda: reader.features(to_tensor(as_seen(film)[None])))


def as_seen(film: Film) -> Film:
    """(T, H, W, 3) with as many rows as the reader knows, in its proportions but for a width that
    the reader takes.
    """
    return resized(film, SEEN, max(8, round(SEEN * film.shape[2] / film.shape[1] / 8) * 8))


def _inception(weights: Path | None) -> Callable[[Film], NDArray[np.float64]]:
    """The file resizes to 299x299 itself, as the network's first version did; it takes bytes."""
    network = _script(weights, "inception")

    def rows(film: Film) -> NDArray[np.float64]:
        pictures = torch.from_numpy(film).permute(0, 3, 1, 2)  # (T, 3, H, W)
        return _numbers(
            lambda: torch.cat(
                [network(part, return_features=True) for part in pictures.split(BATCH)]
            )
        )

    return rows


def _i3d(weights: Path | None) -> Callable[[Film], NDArray[np.float64]]:
    """The file resizes to 224x224 and rescales bytes to [-1, 1] itself."""
    network = _script(weights, "i3d")

    def rows(film: Film) -> NDArray[np.float64]:
        if len(film) < 10:
            raise InputError(
                f"{len(film)} frames: I3D needs at least 10",
                "longer films, or --features inception",
            )
        clip = torch.from_numpy(film).permute(3, 0, 1, 2)[None].float()  # (1, 3, T, H, W)
        return _numbers(lambda: network(clip, rescale=True, resize=True, return_features=True))

    return rows


def _clip(weights: Path | None) -> Callable[[Film], NDArray[np.float64]]:
    assert weights is not None
    network = clip.pretrained(clip.transformers().CLIPVisionModelWithProjection, weights)
    side = int(network.config.image_size)

    def rows(film: Film) -> NDArray[np.float64]:
        pictures = _as_clip_sees(film, side)
        return _numbers(
            lambda: torch.cat([network(part).image_embeds for part in pictures.split(BATCH)])
        )

    return rows


def _as_clip_sees(film: Film, side: int) -> Tensor:
    """(T, 3, side, side): the shorter side resized (bicubic), the middle cut out, CLIP's mean and
    deviation removed.
    """
    height, width = film.shape[1:3]
    scale = side / min(height, width)
    tall, wide = max(side, round(height * scale)), max(side, round(width * scale))
    top, left = (tall - side) // 2, (wide - side) // 2
    frames = [cv2.resize(frame, (wide, tall), interpolation=cv2.INTER_CUBIC) for frame in film]
    cut = np.stack([frame[top : top + side, left : left + side] for frame in frames])
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    return ((torch.from_numpy(cut).float() / 255 - mean) / deviation).permute(0, 3, 1, 2)


def _script(path: Path | None, name: str) -> Any:
    assert path is not None
    try:
        with warnings.catch_warnings():
            # TorchScript is out of fashion, and what these files are
            warnings.simplefilter("ignore")
            return torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError):
        raise CheckpointError(
            f"{path} is not a TorchScript file", f"{name} takes {FILES[name]}"
        ) from None


@torch.inference_mode()
def _numbers(features: Callable[[], Tensor]) -> NDArray[np.float64]:
    try:
        numbers = features()
    except (RuntimeError, TypeError, AttributeError) as error:
        problem = str(error).strip().splitlines()[-1]
        raise CheckpointError(
            f"the network does not take such films ({problem})", "is it the right file?"
        ) from None
    return numbers.reshape(len(numbers), math.prod(numbers.shape[1:])).double().numpy()


EXTRACTORS: Final[dict[str, Callable[[Path | None], Callable[[Film], NDArray[np.float64]]]]] = {
    "reader": _reader,
    "inception": _inception,
    "i3d": _i3d,
    "clip": _clip,
}
CALLED: Final = {
    "reader": "Fréchet, diorama-reader",
    "inception": "FID",
    "i3d": "FVD",
    "clip": "CLIP-FID",
}
FILES: Final = {
    "reader": "a folder of praxino train diorama-reader",
    "inception": "inception-2015-12-05.pt, the TorchScript file",
    "i3d": "i3d_torchscript.pt",
    "clip": "a folder of a CLIP model as transformers saves it",
}
