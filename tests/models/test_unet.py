"""The U-Net: it denoises what the transformer denoises, called the same way."""

import pytest
import torch

from praxino.diffusion.path import PATHS, grid
from praxino.diffusion.prediction import as_denoiser
from praxino.diffusion.sampling import SAMPLERS
from praxino.errors import ShapeError
from praxino.models.unet import UNet, UNetConfig

SIZES = {"widths": (8, 16, 24), "heads": 2, "text_width": 12, "time_features": 16}


def tiny(**changes) -> UNet:
    model = UNet(UNetConfig(**(SIZES | changes)))
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 8, 8), (5, 16, 24), (6, 32, 16)])
def test_every_size_comes_back_as_it_went_in(frames, height, width):
    x = torch.randn(2, 3, frames, height, width)
    assert tiny()(x, torch.rand(2, 1), torch.randn(2, 4, 12)).shape == x.shape


def test_a_batch_of_two_is_two_of_one():
    model, x, t, text = (
        tiny(),
        torch.randn(2, 3, 5, 16, 16),
        torch.rand(2, 1),
        torch.randn(2, 4, 12),
    )
    with torch.no_grad():
        together = model(x, t, text)
        alone = torch.cat([model(x[i : i + 1], t[i : i + 1], text[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("what", ["time", "text", "first frame"])
def test_everything_that_is_given_matters_everywhere(what):
    model, x, t, text = (
        tiny(),
        torch.randn(1, 3, 5, 16, 16),
        torch.full((1, 1), 0.3),
        torch.randn(1, 4, 12),
    )
    other, later, said = x.clone(), t.clone(), text.clone()
    if what == "time":
        later += 0.4
    elif what == "text":
        said[:, 1] += 1
    else:
        other[:, :, 0] += 1
    with torch.no_grad():
        moved = (model(x, t, text) - model(other, later, said)).abs().amax(dim=(1, 3, 4))
    assert (moved > 1e-6).all()


def test_a_new_one_says_nothing_and_learns():
    model = UNet(UNetConfig(**SIZES))
    x, t, text = torch.randn(1, 3, 5, 8, 8), torch.rand(1, 1), torch.randn(1, 4, 12)
    assert not model(x, t, text).any()
    model(x, t, text).sub(x).square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_samplers_take_it():
    model, path, text = tiny(), PATHS["flow"](), torch.randn(1, 4, 12)
    denoise = as_denoiser(lambda x, t: model(x, t.to(x).expand(len(x), 1), text), path, "velocity")
    with torch.no_grad():
        *_, last = SAMPLERS["unipc"](denoise, torch.randn(1, 3, 5, 8, 8), grid(3), path)
    assert last.x.isfinite().all()


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="12x16: must be multiples of 8"):
        tiny()(torch.randn(1, 3, 2, 16, 12), torch.rand(1, 1), torch.randn(1, 4, 12))
    with pytest.raises(ValueError, match="multiples of 8"):
        UNetConfig(widths=(10, 20))
