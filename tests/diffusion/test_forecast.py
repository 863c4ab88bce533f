"""Forecast outputs: exact where outputs move along a line, never far off elsewhere, the network
asked when in doubt.
"""

import pytest
import torch

from praxino.diffusion.path import Flow, grid
from praxino.diffusion.prediction import as_denoiser
from praxino.diffusion.sampling import SAMPLERS, STOCHASTIC
from praxino.diffusion.step_cache import forecast


class Counted:
    """A network of one function of time, and how often it was asked."""

    def __init__(self, function):
        self.function, self.asked = function, 0

    def __call__(self, x, t):
        self.asked += 1
        return self.function(x, t)


def test_what_moves_along_a_line_is_hardly_asked():
    slope, network = torch.randn(3, 4), Counted(lambda x, t: 1 + slope * float(t))
    told = forecast(network, 0.01)
    for t in grid(60):
        torch.testing.assert_close(told(slope, t), 1 + slope * float(t))
    assert network.asked <= 8


def test_what_jumps_is_asked_each_time():
    generator = torch.Generator().manual_seed(0)
    network = Counted(lambda x, t: torch.randn(3, 4, generator=generator))
    told = forecast(network, 0.1)
    for t in grid(20):
        told(torch.zeros(3, 4), t)
    assert network.asked == 21


def test_a_smaller_tolerance_is_nearer_and_asks_more():
    errors, asked = [], []
    for tolerance in (0.3, 0.03, 0.003):
        network = Counted(lambda x, t: torch.stack([t * 5, t * 2]).cos() + 2)
        told = forecast(network, tolerance)
        found = torch.stack([told(torch.zeros(2), t) for t in grid(100)])
        true = torch.stack([network.function(None, t) for t in grid(100)])
        errors.append(float((found - true).norm() / true.norm()))
        asked.append(network.asked)
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 0.03
    assert asked[0] < asked[1] < asked[2] < 60


def test_after_a_gap_it_begins_anew():
    """Outside an interval of guidance a network is asked, inside it another one."""
    network = Counted(lambda x, t: torch.stack([t * 5, t * 2]).cos() + 2)
    told = forecast(network, 0.3)
    times = [t for t in grid(60, 3.0) if not 0.3 < t < 0.7]
    errors = {
        float(t): float((told(torch.zeros(2), t) - network.function(None, t)).norm()) for t in times
    }
    assert max(errors.values()) < 0.6  # of 2.8
    assert errors[max(t for t in errors if t <= 0.3)] == 0  # asked at once


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_runs_on_forecasts(name):
    mean = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))

    def velocity(x, t):  # of data N(mean, 0.1^2)
        t = t.to(x.dtype)
        x0 = mean + 0.01 * (1 - t) / (0.01 * (1 - t) ** 2 + t**2) * (x - (1 - t) * mean)
        return (x - x0) / t

    ends = []
    for network in (velocity, forecast(velocity, 0.05)):
        model = as_denoiser(network, Flow(), "velocity")
        generator = torch.Generator().manual_seed(0)
        extra = {"generator": generator} if name in STOCHASTIC else {}
        noise = torch.randn(2, 3, generator=torch.Generator().manual_seed(2))
        *_, last = SAMPLERS[name](model, noise, grid(50, last=0.001), Flow(), **extra)
        assert torch.isfinite(last.x).all()
        ends.append(last.x)
    assert (ends[0] - ends[1]).abs().max() < 0.1
