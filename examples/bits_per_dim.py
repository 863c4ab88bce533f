"""The variational bound of the discrete chain, in bits per dimension, for data that a Gaussian
model knows.
"""

import torch

from praxino.diffusion.ddpm import Chain, cosine_betas

chain = Chain(cosine_betas(200))
STD = 0.25


def model(x: torch.Tensor, steps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The exact noise estimate for data N(0, STD^2), and a variance half-way between its bounds."""
    abar = chain.abar[steps - 1].view(-1, 1)
    noise = (1 - abar).sqrt() * x / (abar * STD**2 + 1 - abar)
    return noise, torch.full_like(x, 0.5)


generator = torch.Generator().manual_seed(0)
x0 = (STD * torch.randn(64, 32, generator=generator, dtype=torch.float64)).clamp(-1, 1)
x0 = (x0 * 127.5).round() / 127.5
print(f"{chain.bits_per_dim(model, x0, generator).mean():.2f} bits per dimension")
