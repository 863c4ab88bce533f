"""The stages of the small networks beside a model: they learn from its latents and are written as
its parts.
"""

import pytest
import torch

from praxino.errors import InputError
from praxino.models.latent_reader import LatentReaderConfig
from praxino.models.tiny_decoder import TinyDecoderConfig
from praxino.recipes import recipe
from praxino.storage.weights import checkpoint
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build

RECIPES = {
    "diorama-latent-reader": (
        ["stage.reader.width=16", "stage.reader.blocks=1", "stage.layout.frames=5"],
        "latent_reader",
        LatentReaderConfig,
    ),
    "diorama-tiny-decoder": (
        ["stage.decoder.widths=[16,8,8]", "stage.frames=5"],
        "tiny_decoder",
        TinyDecoderConfig,
    ),
}
COMMON = ["stage.size=32", "stage.clips=8", "stage.batch=8"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_stage_learns_and_its_network_is_a_part_of_a_model(name, tiny_model, tmp_path):
    settings, part, config = RECIPES[name]
    stage = build(
        recipe(name, [*COMMON, *settings]).stage, Sources(vae=tiny_model), Workplace(cache=tmp_path)
    )
    rule = torch.optim.Adam(stage.module.parameters(), 1e-2)
    losses = []
    for _ in range(12):
        loss, _ = stage.loss(stage.batch(0), torch.Generator().manual_seed(0))
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]
    samples = stage.samples()
    assert samples.ndim == 3
    assert samples.shape[2] == 3
    stage.save(tmp_path / "out")
    assert checkpoint.read_config(tmp_path / "out" / part, config).channels == 16
    again = build(
        recipe(name, [*COMMON, *settings, "stage.seed=5"]).stage,
        Sources(vae=tiny_model, init=tmp_path / "out"),
        Workplace(cache=tmp_path),
    )
    for key, tensor in stage.module.state_dict().items():
        assert torch.equal(again.module.state_dict()[key], tensor)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("diorama-latent-reader", "stage.reader.channels=8"),
        ("diorama-tiny-decoder", "stage.decoder.channels=8"),
    ],
)
def test_latents_of_another_autoencoder_are_refused(name, setting, tiny_model, tmp_path):
    with pytest.raises(InputError, match="16"):
        build(
            recipe(name, [*COMMON, setting]).stage,
            Sources(vae=tiny_model),
            Workplace(cache=tmp_path),
        )
