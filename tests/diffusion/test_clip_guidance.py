"""Guidance by sentences: the losses of the notebooks of 2021, and where their gradient is taken."""

import math

import pytest
import torch

from praxino.diffusion.clip_guidance import (
    PromptLoss,
    Traced,
    at_x0,
    at_x_t,
    cutouts,
    great_circle,
    limited,
    out_of_range,
    parse_prompts,
    through,
    total_variation,
)
from praxino.errors import InputError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, math.pi])
def test_a_great_circle_is_half_the_squared_angle(angle):
    x = torch.tensor([[2.0, 0.0]])
    y = torch.tensor([[3 * math.cos(angle), 3 * math.sin(angle)]])
    assert great_circle(x, y).item() == pytest.approx(angle**2 / 2, abs=1e-5)


def test_what_is_smooth_and_in_range_costs_nothing():
    flat = torch.full((2, 3, 8, 8), 0.5)
    assert not total_variation(flat).any()
    assert not out_of_range(flat).any()
    steep = torch.arange(4.0).expand(1, 3, 4, 4)
    assert total_variation(steep).item() == pytest.approx(12 / 16)  # 0 beyond the last column
    assert out_of_range(2 * flat + 1).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("size", "side"), [((48, 64), 24), ((16, 20), 24)])
def test_cutouts_are_squares_of_the_picture(size, side):
    rows = torch.linspace(0, 1, size[0])[:, None].expand(size)
    columns = torch.linspace(0, 1, size[1])[None].expand(size)
    x = torch.stack([rows, columns])[None]
    cuts = cutouts(x, side, 20, 1.0, generator())
    assert cuts.shape == (20, 2, side, side)
    high = (cuts[:, 0, -1, 0] - cuts[:, 0, 0, 0]) * size[0]
    wide = (cuts[:, 1, 0, -1] - cuts[:, 1, 0, 0]) * size[1]
    assert torch.allclose(high, wide, rtol=0.1)
    assert torch.equal(cuts, cutouts(x, side, 20, 1.0, generator()))
    if min(size) > side:
        assert high.std() > 1
        small = cutouts(x, side, 20, 8.0, generator())
        assert (small[:, 0, -1, 0] - small[:, 0, 0, 0]).mean() * size[0] < high.mean()


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a red ball", [("a red ball", 1.0)]),
        ("a red ball:2 | a dog | blur:-0.5", [("a red ball", 2.0), ("a dog", 1.0), ("blur", -0.5)]),
        ("a sign: open", [("a sign: open", 1.0)]),
    ],
)
def test_sentences_have_weights(text, prompts):
    assert parse_prompts(text) == prompts


@pytest.mark.parametrize("text", ["", "a |", ":2", "a:1 | b:-1", "a:nan", "a:inf | b"])
def test_sentences_that_are_none_are_refused(text):
    with pytest.raises(InputError):
        parse_prompts(text)


def brightness(x: torch.Tensor) -> torch.Tensor:
    """Embeddings that turn with a picture's brightness."""
    mean = x.mean(dim=(1, 2, 3)) * math.pi / 2
    return torch.stack([mean.cos(), mean.sin()], dim=1)


def loss_of(target: float, **more) -> PromptLoss:
    angle = torch.tensor(target * math.pi / 2)
    targets = torch.stack([angle.cos(), angle.sin()])[None]
    return PromptLoss(brightness, 8, targets, (1.0,), generator(), **more)


def test_the_loss_is_least_where_the_sentence_is():
    pictures = torch.stack([torch.full((3, 16, 16), value) for value in (-1.0, 0.2, 0.9)])
    loss = loss_of(0.6, smoothness=0.0, bounds=0.0)
    found = loss(pictures, pictures)
    assert found.argmin() == 1
    assert found[1].item() == pytest.approx(0, abs=1e-3)
    assert found[0].item() == pytest.approx(1000 * (0.6 * math.pi / 2) ** 2 / 2, rel=1e-3)
    assert loss_of(0.6)(pictures, 2 * pictures)[0] > found[0]


def sigma(at: torch.Tensor) -> torch.Tensor:
    return at


def test_through_the_network_the_gradient_is_that_of_what_is_seen():
    calls = []

    def evaluate(x, at):
        calls.append(at)
        return 3 * x, x

    network = Traced(evaluate, lambda x, at, outputs: outputs[0] + at)
    x, at = torch.randn(2, 3, 8, 8, generator=generator()), torch.tensor(0.25)
    with torch.no_grad():
        assert torch.equal(network(x, at)[0], 3 * x)
        weight = torch.randn(3, 8, 8, generator=generator(1))
        linear = lambda seen, x0: (seen * weight).sum(dim=(1, 2, 3))  # noqa: E731
        found = through(network, linear, sigma)(x, at)
        assert torch.allclose(found, -(0.25 * 3 + 0.75) * weight.expand_as(x))
        assert torch.allclose(at_x0(network, linear)(x, at), -weight.expand_as(x))
    assert len(calls) == 1


def test_a_loss_that_knows_noise_needs_no_network():
    x = torch.randn(2, 3, 8, 8, generator=generator())
    with torch.no_grad():
        found = at_x_t(lambda x, t: t * x.square().sum(dim=(1, 2, 3)))(x, torch.tensor(0.5))
    assert torch.allclose(found, -x)


def test_gradients_are_limited_picture_by_picture():
    large = torch.stack([torch.full((3, 4, 4), 2.0), torch.full((3, 4, 4), 0.01)])
    found = limited(lambda x, t: large, 0.05)(large, torch.tensor(0.5))
    assert torch.allclose(found[0], torch.tensor(0.05))
    assert torch.allclose(found[1], torch.tensor(0.01))


def test_guided_noise_becomes_as_bright_as_the_sentence_says():
    """Of pictures of one grey, N(0, 1/4), those are wanted that a sentence describes."""
    from praxino.diffusion.gradient_guidance import moved
    from praxino.diffusion.path import PATHS, grid
    from praxino.diffusion.sampling import SAMPLERS

    path = PATHS["vp-linear"]()

    def denoiser(x, t):
        alpha, noise = path.alpha(t).to(x.dtype), path.sigma(t).to(x.dtype)
        grey = x.mean(dim=(1, 2, 3), keepdim=True)
        spread = 0.25 * alpha / (alpha**2 * 0.25 + noise**2 / (3 * 64))
        return (spread * grey).expand_as(x)

    network = Traced(denoiser, lambda x, t, x0: x0)
    loss = loss_of(0.8, scale=100.0, smoothness=0.0, bounds=0.0)
    gradient = through(network, loss, lambda t: path.sigma(t))
    x = torch.randn(8, 3, 8, 8, generator=generator())
    *_, plain = SAMPLERS["ddim"](denoiser, x, grid(50), path)
    *_, guided = SAMPLERS["ddim"](moved(network, gradient, path), x, grid(50), path)
    wanted = 2 * 0.8 - 1
    near = (guided.x.mean(dim=(1, 2, 3)) - wanted).abs().mean()
    assert near < 0.4 * (plain.x.mean(dim=(1, 2, 3)) - wanted).abs().mean()
