"""The same model outputs through our samplers and through the schedulers of diffusers: the same
samples.
"""

import pytest
import torch

from praxino.diffusion.ddpm import Chain, cosine_betas, linear_betas
from praxino.diffusion.path import Flow, shift
from praxino.diffusion.prediction import as_denoiser
from praxino.diffusion.sampling import ddim, ddpm, dpmpp_2m, dpmpp_2m_sde, euler, unipc

diffusers = pytest.importorskip("diffusers")
# inside diffusers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHAPE = (2, 4, 3, 5)


def network(x, t):
    """Any smooth function will do."""
    return torch.tanh(0.7 * x + 0.3) - 0.2 * x * float(t)


def ours(sampler, times, path, kind, **extra):
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    *_, state = sampler(as_denoiser(network, path, kind), x, times, path, **extra)
    return state.x


def theirs(scheduler, timesteps, scale, **extra):
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    for t in timesteps:
        x = scheduler.step(network(x, float(t) / scale), t, x, return_dict=False, **extra)[0]
    return x


def chain_times(timesteps, final=0.0):
    """Their step numbers count from 0, ours from 1."""
    return torch.tensor([(float(t) + 1) / 1000 for t in timesteps] + [final], dtype=torch.float64)


def run_chain(sampler, scheduler, betas, kind, **extra):
    path = Chain(betas).path()
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    model = as_denoiser(lambda x, t: network(x, float(t) - 0.001), path, kind)
    *_, state = sampler(model, x, chain_times(scheduler.timesteps), path, **extra)
    return state.x


BETAS = [("linear", linear_betas), ("squaredcos_cap_v2", cosine_betas)]


@pytest.mark.parametrize(("name", "betas"), BETAS)
@pytest.mark.parametrize(("prediction", "kind"), [("epsilon", "noise"), ("v_prediction", "v")])
def test_ddim(name, betas, prediction, kind):
    scheduler = diffusers.DDIMScheduler(
        beta_schedule=name,
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type=prediction,
        clip_sample=False,
        set_alpha_to_one=True,
    )
    scheduler.set_timesteps(25)
    made = run_chain(ddim, scheduler, betas(), kind)
    torch.testing.assert_close(
        made, theirs(scheduler, scheduler.timesteps, 1000), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_ddim_with_noise(eta):
    scheduler = diffusers.DDIMScheduler(
        beta_schedule="linear", beta_start=1e-4, beta_end=0.02, clip_sample=False
    )
    scheduler.set_timesteps(25)
    made = run_chain(
        ddim,
        scheduler,
        linear_betas(),
        "noise",
        generator=torch.Generator().manual_seed(7),
        eta=eta,
    )
    expected = theirs(
        scheduler, scheduler.timesteps, 1000, eta=eta, generator=torch.Generator().manual_seed(7)
    )
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)


def test_ddpm():
    scheduler = diffusers.DDPMScheduler(
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        clip_sample=False,
        variance_type="fixed_small",
    )
    scheduler.set_timesteps(1000)
    made = run_chain(
        ddpm, scheduler, linear_betas(), "noise", generator=torch.Generator().manual_seed(7)
    )
    expected = theirs(
        scheduler, scheduler.timesteps, 1000, generator=torch.Generator().manual_seed(7)
    )
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shift_by", [1.0, 3.0])
def test_flow_euler(shift_by):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift_by)
    scheduler.set_timesteps(20)
    made = ours(euler, scheduler.sigmas.double(), Flow(), "velocity")
    torch.testing.assert_close(
        made, theirs(scheduler, scheduler.timesteps, 1000), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("algorithm", "sampler"), [("dpmsolver++", dpmpp_2m), ("sde-dpmsolver++", dpmpp_2m_sde)]
)
def test_dpmpp(algorithm, sampler):
    scheduler = diffusers.DPMSolverMultistepScheduler(
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        algorithm_type=algorithm,
        solver_order=2,
        solver_type="midpoint",
        final_sigmas_type="zero",
        timestep_spacing="linspace",
    )
    scheduler.set_timesteps(20)
    extra = {"generator": torch.Generator().manual_seed(7)} if "sde" in algorithm else {}
    made = run_chain(sampler, scheduler, linear_betas(), "noise", **extra)
    extra = {"generator": torch.Generator().manual_seed(7)} if "sde" in algorithm else {}
    torch.testing.assert_close(
        made, theirs(scheduler, scheduler.timesteps, 1000, **extra), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("flow_shift", [1.0, 5.0])
@pytest.mark.parametrize(
    ("name", "sampler"),
    [("UniPCMultistepScheduler", unipc), ("DPMSolverMultistepScheduler", dpmpp_2m)],
)
def test_flow_sigmas(name, sampler, flow_shift):
    scheduler = getattr(diffusers, name)(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=flow_shift,
        solver_order=2,
    )
    scheduler.set_timesteps(20)
    times = scheduler.sigmas.double()
    path = Flow()
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    stamps = iter([float(t) / 1000 for t in scheduler.timesteps])
    # they round times to whole steps
    model = as_denoiser(lambda x, t: network(x, next(stamps)), path, "velocity")
    *_, state = sampler(model, x, times, path)
    torch.testing.assert_close(
        state.x, theirs(scheduler, scheduler.timesteps, 1000), atol=1e-4, rtol=1e-4
    )


def test_the_shifted_grid_is_theirs():
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(10)
    unshifted = diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    unshifted.set_timesteps(10)
    torch.testing.assert_close(shift(unshifted.sigmas[0], 3.0), scheduler.sigmas[0])
