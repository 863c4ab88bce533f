"""Guidance by a gradient, on data whose answer is known: of N(0, 1), what is wanted as exp(a x0)
is N(a, 1).
"""

import pytest
import torch

from praxino.diffusion.ddpm import Chain
from praxino.diffusion.gradient_guidance import classifier_gradient, moved
from praxino.diffusion.path import PATHS, grid
from praxino.diffusion.respacing import kept_indices, respaced
from praxino.diffusion.sampling import SAMPLERS

WANTED = 0.7
COUNT = 20_000


def exact(path):
    """The denoiser of N(0, 1) on a path, and the gradient of log E[exp(a x0) | x_t]."""

    def share(t):
        alpha, sigma = path.alpha(t), path.sigma(t)
        return alpha / (alpha**2 + sigma**2)

    return (
        lambda x, t: share(t).to(x.dtype) * x,
        lambda x, t: torch.full_like(x, WANTED * float(share(t))),
    )


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("sampler", ["ddim", "unipc", "heun", "ddpm"])
def test_every_sampler_on_every_path_finds_what_is_wanted(name, sampler):
    path = PATHS[name]()
    denoiser, gradient = exact(path)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(COUNT, 1, generator=generator)
    extra = {"generator": generator} if sampler == "ddpm" else {}
    *_, last = SAMPLERS[sampler](moved(denoiser, gradient, path), x, grid(100), path, **extra)
    assert last.x.mean().item() == pytest.approx(WANTED, abs=0.06)
    assert last.x.std().item() == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("steps", ["250"])
def test_the_ancestral_rule_of_the_paper_finds_it_too(steps):
    kept = kept_indices(steps, 1000)
    chain = respaced(Chain(), kept)

    def model(x, at):
        sigma = (1 - chain.abar[at - 1]).sqrt().to(x.dtype)[:, None]
        return sigma * x, torch.zeros_like(x)

    def gradient(x, at):
        return WANTED * chain.abar[at - 1].sqrt().to(x.dtype)[:, None].expand_as(x)

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(COUNT, 1, generator=generator)
    *_, last = chain.sample(model, x, generator, gradient=gradient)
    assert last.x.mean().item() == pytest.approx(WANTED, abs=0.06)
    *_, plain = chain.sample(model, x, generator, clamp=True)
    assert plain.x0.abs().max() <= 1


def test_a_classifier_moves_to_its_class():
    weight = torch.tensor([[1.0, -1.0], [0.0, 2.0]])
    classes = torch.tensor([1, 0])
    gradient = classifier_gradient(lambda x, t: x @ weight.T, classes, scale=3.0)
    x = torch.tensor([[0.2, 0.1], [0.3, -0.4]])
    with torch.no_grad():
        found = gradient(x, torch.tensor(0.5))
    shares = (x @ weight.T).softmax(1)
    wanted = 3.0 * (weight[classes] - shares @ weight)
    assert torch.allclose(found, wanted, atol=1e-6)
