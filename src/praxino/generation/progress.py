"""What is said of a film while it is made."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from praxino.storage.media.video import Video


@dataclass(frozen=True)
class Progress:
    """The state after one sampling step.

    Attributes
    ----------
    step, steps : int
    x0 : Tensor
        The model's present estimate of the film's latent.
    video : Video, optional
        The finished film; only after the last step.
    preview : callable
        () -> (frames, height, width, 3) uint8: the present estimate in pixels, marked as the film
        will be.
    finish : callable
        () -> Video: the film as it is now, for a caller that wants no more steps; its record says
        where it stopped.
    chunk : callable, optional
        () -> (frames, height, width, 3) uint8: frames that are finished since the step before,
        marked as the film will be; where a film is made piece by piece.
    """

    step: int
    steps: int
    x0: Tensor
    video: Video | None
    preview: Callable[[], NDArray[np.uint8]]
    finish: Callable[[], Video]
    chunk: Callable[[], NDArray[np.uint8]] | None = None
