"""From a film back to the noise that a model would make it of, to see whose noise that was."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from praxino.data.pixels import to_tensor
from praxino.diffusion.path import PATHS
from praxino.diffusion.sampling import invert
from praxino.generation.denoiser import Conditioning, denoiser
from praxino.generation.offload import exact_and_fast
from praxino.provenance import keys
from praxino.provenance.watermark.noise import match_probability
from praxino.storage.media.video import Video

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline

START = 1e-3
"""The time that a film is taken to be at: at 0 nothing can be said about its noise."""


@torch.inference_mode()
def inverted(
    pipeline: "Pipeline", video: Video, steps: int = 10
) -> Float[Tensor, "1 channels frames height width"]:
    """The noise of a film, by DDIM inversion without its sentence (arXiv 2105.05233, appendix F).

    Raises
    ------
    ShapeError
        If the model makes no films of this size or length: it did not make this one as it is.
    """
    frames, height, width = video.frames.shape[:3]
    request = pipeline.request(
        "a cat", frames=frames, height=height, width=width, steps=steps, guidance=1.0
    )
    with (
        pipeline.offloader.resident(pipeline.model.vae, torch.float32) as vae,
        exact_and_fast(pipeline.device),
    ):
        latent = vae.encode(to_tensor(video.frames[None]).to(pipeline.device), chunk=1)
    conditions = Conditioning(pipeline.text(["", ""]))
    times = torch.linspace(START, 1, steps + 1, dtype=torch.float64)
    with denoiser(pipeline.model, pipeline.offloader, pipeline.dtype, conditions, request) as model:
        *_, last = invert(model, latent, times, PATHS[pipeline.model.config.path]())
    return last.x


def noise_mark(pipeline: "Pipeline", video: Video) -> tuple[float, float]:
    """Whether a film was made of noise that this installation marked:
    `provenance.watermark.noise.match_probability` of its noise.
    """
    return match_probability(
        inverted(pipeline, video).float(), keys.installation().derived("noise")
    )
