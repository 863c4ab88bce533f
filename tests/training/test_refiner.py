"""The refiner's stage: it begins as the model's denoiser, and learns from pairs."""

import pytest
import torch

from praxino.errors import InputError
from praxino.recipes import recipe
from praxino.storage.weights import bundle
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build

SIZES = ["width=24", "heads=2", "layers=1", "ffn=32", "text_width=16", "time_features=16",
         "time_scale=1000.0"]  # fmt: skip
SETTINGS = [
    *(f"stage.dit.{one}" for one in SIZES),
    "stage.size=32",
    "stage.frames=9",
    "stage.space_clips=8",
    "stage.time_clips=4",
    "stage.window=[2,4,4]",
    "stage.batch=8",
    "stage.references.share=0.5",
]


@pytest.fixture(scope="module", name="pairs")
def _pairs(tmp_path_factory):
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module", name="stage")
def _stage(refining_model, pairs):
    sources = Sources(init=refining_model, vae=refining_model)
    return build(recipe("diorama-refiner", SETTINGS).stage, sources, Workplace(cache=pairs))


def test_it_begins_as_the_denoiser(stage):
    batch = next(b for n in range(20) if (b := stage.batch(n)).pictures is None)
    t = torch.full((len(batch.latents), 1), 0.4)
    text, counts = stage.text.encode_merged(batch.sentences)
    contexts = (net.context(text, counts=counts) for net in (stage.base, stage.module))
    base, refiner = (
        net(x, t, context)
        for net, x, context in zip(
            (stage.base, stage.module),
            (batch.latents, torch.cat([batch.latents, batch.condition], 1)),
            contexts,
            strict=True,
        )
    )
    torch.testing.assert_close(refiner, base)


def test_a_batch_is_a_function_of_its_number_and_pairs_windows_of_one_place(stage):
    for number in range(6):
        one, other = stage.batch(number), stage.batch(number)
        assert torch.equal(one.latents, other.latents)
        assert torch.equal(one.condition, other.condition)
        assert one.sentences == other.sentences
        assert one.latents.shape == one.condition.shape == (8, 16, 2, 4, 4)
    assert {stage.batch(n).pictures is None for n in range(20)} == {True, False}


def test_its_pairs_are_kept(stage, refining_model, pairs):
    files = {path: path.stat().st_mtime_ns for path in pairs.rglob("*.safetensors")}
    again = build(
        stage.config, Sources(init=refining_model, vae=refining_model), Workplace(cache=pairs)
    )
    assert {path: path.stat().st_mtime_ns for path in pairs.rglob("*.safetensors")} == files
    for one, other in zip(stage.sources, again.sources, strict=True):
        assert torch.equal(one.pairs, other.pairs)
        assert one.pairs.shape[1] == 2


def test_a_network_that_fits_no_model_is_refused(refining_model, tmp_path):
    sources = Sources(init=refining_model, vae=refining_model)
    for wrong in ("stage.dit.channels=16", "stage.dit.text_width=32"):
        config = recipe("diorama-refiner", [*SETTINGS, wrong]).stage
        with pytest.raises(InputError, match=r"dit\."):
            build(config, sources, Workplace(cache=tmp_path))


def test_it_learns_and_is_a_part_of_a_model(stage, tmp_path):
    rule, losses = torch.optim.Adam(stage.module.parameters(), 1e-2), []
    for _ in range(12):
        loss, _ = stage.loss(stage.batch(1), torch.Generator().manual_seed(0))
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]
    assert stage.samples().shape[2] == 3
    stage.save(tmp_path / "out")
    vae = stage.encoder.vae.config
    refiner = bundle.find_network(tmp_path / "out/refiner", vae, 16, extra=vae.latent_channels)()
    for key, tensor in stage.module.state_dict().items():
        assert torch.equal(refiner.state_dict()[key], tensor)
