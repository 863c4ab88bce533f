"""Any function can be sampled: here the exact denoiser of two points, by every sampler."""

import torch

from praxino.diffusion.path import Flow, grid
from praxino.diffusion.sampling import SAMPLERS, STOCHASTIC

POINTS = torch.tensor([-1.0, 2.0])
path = Flow()


def denoiser(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """E[x0 | x_t] when the data are -1 and 2, equally often."""
    alpha, sigma = path.alpha(t).float(), path.sigma(t).float()
    nearness = -((x[:, None] - alpha * POINTS) ** 2) / (2 * sigma**2)
    return (nearness.softmax(dim=1) * POINTS).sum(dim=1)


noise = torch.randn(1000, generator=torch.Generator().manual_seed(0))
for name, sampler in SAMPLERS.items():
    extra = {"generator": torch.Generator().manual_seed(1)} if name in STOCHASTIC else {}
    *_, state = sampler(denoiser, noise, grid(20), path, **extra)
    print(f"{name:<12} {(state.x < 0.5).float().mean():.2f} went to -1")
