"""Films made larger and faster by a model's refiner, axis by axis: enlarged, encoded, refined,
decoded.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from praxino.data.pixels import Axis, enlarged, to_tensor
from praxino.diffusion.refinement import STARTS, Window, refine
from praxino.diffusion.sampling import State
from praxino.generation.denoiser import Conditioning, context_of, require_finite
from praxino.generation.finish import Frames, UnfinishedFilm
from praxino.generation.images import GivenImage
from praxino.generation.offload import exact_and_fast
from praxino.request import Request
from praxino.shapes import VideoShape

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline


def enlarge(pipeline: "Pipeline", film: UnfinishedFilm) -> Iterator[tuple[int, Frames]]:
    """Enlarge a film as its request says: after each step its number, from 1, and the frames as
    they are then, (T, H, W, 3) uint8.

    The last ones are of the shape ``request.result``, for a film of as many frames as the request
    has.
    """
    request, frames, step = film.request, film.frames, 0
    plain = {"image": "", "last": "", "edit": None, "layout": None}
    pictures = [one for one in film.inputs if isinstance(one, GivenImage)]
    conditions = pipeline.conditioning(request.model_copy(update=plain), pictures)
    generator = torch.Generator().manual_seed(request.seed)
    for axis in cast("tuple[Axis, ...]", request.enhanced_axes):
        around = np.concatenate([frames, frames[:1]]) if film.cyclic and axis == "time" else frames
        large = enlarged(around, axis)
        last = len(large) - (len(around) - len(frames))
        for state in _refined(pipeline, _encoded(pipeline, large), axis, conditions, generator):
            require_finite(state)
            step += 1
            if state.step == state.steps:
                frames = pipeline.decode(state.x)[:last]
            yield step, frames


def enlarged_frames(
    pipeline: "Pipeline",
    request: Request,
    frames: Frames,
    images: Sequence[GivenImage],
    on_step: Callable[[], None],
) -> Frames:
    """`enlarge` at once; ``on_step`` is called after each step, and ends it by what it raises."""
    film = UnfinishedFilm(request, torch.empty(0), frames, tuple(images), 0)
    for _, latest in enlarge(pipeline, film):
        frames = latest
        on_step()
    return frames


def _refined(
    pipeline: "Pipeline",
    latents: Tensor,
    axis: Axis,
    conditions: Conditioning,
    generator: torch.Generator,
) -> Iterator[State]:
    part = pipeline.model.refiner
    assert part is not None
    with pipeline.offloader.resident(part, pipeline.dtype) as dit:
        context = context_of(dit, conditions, pipeline.device).rows(slice(0, 1))

        def network(x: Tensor, t: Tensor) -> Tensor:
            with torch.inference_mode(), exact_and_fast(x.device):
                times = t.to(x).expand(len(x), 1)
                return dit(x, times, context.repeated(len(x))).float()

        yield from refine(network, latents, STARTS[axis], _window(pipeline), generator)


def _window(pipeline: "Pipeline") -> Window:
    """Latents of the films that the model makes by default: what its refiner has seen."""
    config, vae = pipeline.model.config, pipeline.model.vae.config
    usual = VideoShape(config.frames, config.height, config.width)
    shape = usual.latent(vae.compression, vae.latent_channels)
    return shape.frames, shape.height, shape.width


@torch.inference_mode()
def _encoded(pipeline: "Pipeline", film: Frames) -> Tensor:
    """Latents of a film; its last frame is held until it has 4k + 1, or what the autoencoder
    takes.
    """
    step = pipeline.model.vae.config.compression.time
    held = np.concatenate([film, np.repeat(film[-1:], -(len(film) - 1) % step, axis=0)])
    with (
        pipeline.offloader.resident(pipeline.model.vae, torch.float32) as vae,
        exact_and_fast(pipeline.device),
    ):
        return vae.encode(to_tensor(held[None]).to(pipeline.device), chunk=1)
