"""How times become vectors."""

import torch

from praxino.generation.loading import find_model
from praxino.models.dit import DiT
from praxino.models.embeddings import sinusoid
from praxino.storage.weights import bundle
from praxino.training.warm_start import adapt_denoiser


def test_features_of_a_time_are_cosines_then_sines():
    features = sinusoid(torch.tensor([0.0, torch.pi]), 8)
    torch.testing.assert_close(features[0], torch.tensor([1.0] * 4 + [0.0] * 4))
    torch.testing.assert_close(features[1, [0, 4]], torch.tensor([-1.0, 0.0]), rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_trained_network_goes_on_with_slower_times_nearly_where_it_is():
    fast = bundle.read(find_model("diorama")).dit
    slow = DiT(fast.config.model_copy(update={"time_scale": 5.0}))
    generator = torch.Generator().manual_seed(0)
    x, text = (torch.randn(*size, generator=generator) for size in ((4, 16, 5, 8, 8), (4, 8, 192)))
    t = torch.tensor([0.02, 0.3, 0.7, 0.98])[:, None]
    expected = fast(x, t, text)
    slow.load_state_dict(fast.state_dict())
    untouched = slow(x, t, text) - expected
    slow.load_state_dict(adapt_denoiser(slow, fast.state_dict(), fast.config))
    fitted = slow(x, t, text) - expected
    assert (
        fitted.square().mean() < 0.01 * expected.square().mean() < 0.1 * untouched.square().mean()
    )
