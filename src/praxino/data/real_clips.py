"""Real clips to learn from: read from a folder, slowed to what detectors see, held in memory."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from praxino.data.pixels import resized
from praxino.errors import InputError, MediaError
from praxino.log import logger
from praxino.storage.media.folders import media_in
from praxino.storage.media.frames import iter_frames, probe, stride

Film = NDArray[np.uint8]
MAX_CLIP_FRAMES: Final = 32
"""Frames that are kept of a clip."""
MAX_NAMES: Final = 8
"""Names of files in a message."""
SHORTER: Final = 360
"""Pixels, at most, of the shorter side."""


def read(folder: Path, frames: int) -> tuple[list[Film], list[str]]:
    """All clips of at least so many frames below a folder, at most 8.5 frames a second, and each
    one's source: the folder in ``folder`` that it lies in. What is left out is named and counted.

    Raises
    ------
    InputError
        If none is left.
    """
    paths = media_in(folder, pictures=False)
    films: list[Film] = []
    sources, short, damaged = list[str](), list[str](), 0
    for path in paths:
        try:
            film = clip(path)
        except MediaError as error:
            logger.warning("left out: %s", error)
            damaged += 1
            continue
        if len(film) < frames:
            short.append(path.name)
            continue
        films.append(film)
        sources.append(path.relative_to(folder).parts[0] if path.parent != folder else "")
    summary = f"{len(films)} of {len(paths)} clips used"
    if short:
        more = ", ..." if len(short) > MAX_NAMES else ""
        names = ", ".join(short[:MAX_NAMES])
        summary += f"; {len(short)} shorter than {frames} frames: {names}{more}"
    if damaged:
        summary += f"; {damaged} unreadable"
    if not films:
        raise InputError(f"{folder}: {summary}", f"clips of {frames} frames or more")
    logger.info("%s: %s", folder, summary)
    return films, sources


def clip(path: Path) -> Film:
    """(T, H, W, 3): a clip's first frames at no more than 8.5 a second."""
    about = probe(path)
    every = stride(about.rate)
    kept: list[Film] = []
    for index, shot in enumerate(iter_frames(path, info=about)):
        if len(kept) == MAX_CLIP_FRAMES:
            break
        if index % every == 0:
            kept.append(_smaller(shot.pixels))
    return np.stack(kept) if kept else np.zeros((0, 0, 0, 3), np.uint8)


def _smaller(frame: Film) -> Film:
    height, width = frame.shape[:2]
    scale = SHORTER / min(height, width)
    return (
        frame
        if scale >= 1
        else resized(frame[None], round(height * scale), round(width * scale))[0]
    )
