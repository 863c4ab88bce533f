"""The discrete chain: one step at a time equals all at once; posterior, learned variance, bound."""

import json
import math
from pathlib import Path

import pytest
import torch

from praxino.diffusion.ddpm import (
    Chain,
    cosine_betas,
    discretised_log_likelihood,
    linear_betas,
    normal_kl,
)


@pytest.fixture(params=[linear_betas, cosine_betas], ids=["linear", "cosine"], name="chain")
def _chain(request):
    return Chain(request.param())


@pytest.mark.parametrize(("name", "betas"), [("linear", linear_betas), ("cosine", cosine_betas)])
def test_schedules_are_the_papers(name, betas):
    """Golden: computed in decimal arithmetic by tests/golden/make_schedules.py."""
    golden = json.loads((Path(__file__).parent.parent / "golden" / "schedules.json").read_text())[
        name
    ]
    abar = Chain(betas()).abar
    assert len(golden) == 10
    for step, value in golden.items():
        assert abar[int(step) - 1].item() == pytest.approx(float(value), rel=1e-10), step


def steps_of(n: int, count: int = 1) -> torch.Tensor:
    return torch.full((count,), n)


def test_a_thousand_single_steps_equal_the_closed_form(chain):
    """In mean and variance, at several places along the way."""
    x0 = torch.tensor([-0.8, 0.3]).double().repeat_interleave(5_000)[None]
    x = x0
    for n in range(1, 1001):
        x = chain.step(x, steps_of(n), torch.randn_like(x))
        if n in (1, 100, 500, 1000):
            at_once = chain.noised(x0, steps_of(n), torch.randn_like(x))
            for half in (slice(0, 5_000), slice(5_000, None)):
                assert x[0, half].mean().item() == pytest.approx(
                    at_once[0, half].mean().item(), abs=0.05
                )
                assert x[0, half].var().item() == pytest.approx(
                    at_once[0, half].var().item(), rel=0.08, abs=1e-6
                )


def test_single_steps_compose_exactly(chain):
    """Mean factor and variance of the composition, without sampling."""
    factor, variance = 1.0, 0.0
    for n, (beta, abar) in enumerate(zip(chain.betas.tolist(), chain.abar.tolist(), strict=True)):
        factor, variance = math.sqrt(1 - beta) * factor, (1 - beta) * variance + beta
        assert factor**2 == pytest.approx(abar, rel=1e-9), n
        assert variance == pytest.approx(1 - abar, rel=1e-9), n


def test_posterior_is_bayes(chain):
    """q(x_{t-1} | x_t, x0) from the product of two Gaussians, against eq. 6-7."""
    x0, x = torch.randn(1, 8).double(), torch.randn(1, 8).double()
    for n in (2, 10, 500, 999):
        abar, beta = chain.abar[n - 2], chain.betas[n - 1]
        precision = 1 / (1 - abar) + (1 - beta) / beta
        mean = (abar.sqrt() * x0 / (1 - abar) + (1 - beta).sqrt() * x / beta) / precision
        torch.testing.assert_close(chain.posterior_mean(x0, x, steps_of(n)), mean)
        torch.testing.assert_close(chain.posterior_variance[n - 1], 1 / precision)


def test_learned_variance_lies_between_its_bounds(chain):
    n = steps_of(400)
    low, middle, high = (
        chain.log_variance(torch.full((1, 1), part).double(), n).item() for part in (0.0, 0.5, 1.0)
    )
    assert low == pytest.approx(chain.posterior_variance[399].log().item())
    assert high == pytest.approx(chain.betas[399].log().item())
    assert middle == pytest.approx((low + high) / 2)


def test_kl_of_equal_gaussians_is_0_and_else_right():
    zero = torch.zeros(3)
    assert (normal_kl(zero, zero, zero, zero) == 0).all()
    ours = normal_kl(torch.tensor(0.5), torch.tensor(0.2), torch.tensor(-0.1), torch.tensor(0.9))
    p, q = (torch.distributions.Normal(m, math.exp(v / 2)) for m, v in ((0.5, 0.2), (-0.1, 0.9)))
    torch.testing.assert_close(ours, torch.distributions.kl_divergence(p, q))


def test_bins_share_out_all_probability():
    values = torch.linspace(-1, 1, 256).double()
    mass = discretised_log_likelihood(
        values, torch.tensor(0.3).double(), torch.tensor(-1.5).double()
    ).exp()
    assert mass.sum().item() == pytest.approx(1.0, abs=1e-6)


def exact_model(chain, x0):
    """Knows the data: the best any model can do."""

    def model(x, steps):
        abar = chain.abar[steps - 1].view(-1, 1)
        return (x - abar.sqrt() * x0) / (1 - abar).sqrt(), torch.zeros_like(x)

    return model


def test_bound_of_a_model_that_knows_the_data_is_its_last_bin(chain):
    x0 = (torch.randint(0, 256, (2, 16)).double() / 127.5) - 1
    model = exact_model(chain, x0)
    for n in (2, 300, 1000):
        assert chain.bound(model, x0, steps_of(n, 2), torch.randn_like(x0)).abs().max() < 1e-9
    last_bin = chain.bound(model, x0, steps_of(1, 2), torch.randn_like(x0))
    total = chain.bits_per_dim(model, x0, torch.Generator().manual_seed(0))
    # and next to nothing is left of x0 at T
    torch.testing.assert_close(total, last_bin, atol=1e-3, rtol=0)


def test_bits_per_dim_of_an_ignorant_model_is_worse(chain):
    x0 = (torch.randint(0, 256, (2, 16)).double() / 127.5) - 1
    ignorant = lambda x, steps: (torch.zeros_like(x), torch.full_like(x, 0.5))  # noqa: E731
    assert (chain.bits_per_dim(ignorant, x0, torch.Generator().manual_seed(0)) > 3).all()


def test_hybrid_loss_teaches_the_mean_by_the_simple_term_only(chain):
    x0, eps = torch.randn(2, 8).double(), torch.randn(2, 8).double()
    noise = torch.zeros(2, 8, dtype=torch.float64, requires_grad=True)
    fraction = torch.full((2, 8), 0.5, dtype=torch.float64, requires_grad=True)
    chain.hybrid_loss(
        lambda x, steps: (noise, fraction), x0, torch.tensor([100, 900]), eps
    ).sum().backward()
    torch.testing.assert_close(noise.grad, 2 * (noise - eps).detach() / 8)
    assert fraction.grad is not None
    assert (fraction.grad != 0).all()


@pytest.mark.parametrize("variance", ["small", "large", "learned"])
def test_ancestral_sampling_ends_at_the_data(variance):
    chain, x0 = Chain(linear_betas(50, 1e-3, 0.3)), torch.linspace(-1, 1, 6).double()[None]
    *_, state = chain.sample(
        exact_model(chain, x0),
        torch.randn(1, 6).double(),
        torch.Generator().manual_seed(0),
        variance,
    )
    assert state.step == state.steps == 50
    torch.testing.assert_close(state.x, x0, atol=1e-6, rtol=0)
