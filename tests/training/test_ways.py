"""Six ways to make pictures: each learns, draws, and comes back from its file."""

import numpy as np
import pytest
import torch

from praxino import recipes
from praxino.models.adm import ADMConfig
from praxino.models.dit import DiTConfig
from praxino.models.unet import UNetConfig
from praxino.training.sources import NOTHING, Workplace
from praxino.training.ways.gan import GANConfig
from praxino.training.ways.latents import LatentsConfig
from praxino.training.ways.pictures import PicturesConfig, PictureStage, plain, read
from praxino.training.ways.pixels import PixelsConfig
from praxino.training.ways.recipes import WAYS
from praxino.training.ways.stills import Stills, at_frame
from praxino.training.ways.tokens import FSQ, TokensConfig
from praxino.training.ways.vae import PictureVAEConfig

SIZE = 32
TINY = {
    "gan": GANConfig(widths=(32, 32, 16), noise=8, group=8),
    "gan-2018": GANConfig(way="gan-2018", widths=(32, 32, 16), noise=8),
    "vae": PictureVAEConfig(widths=(16, 16, 32, 32), code=16),
    "tokens": TokensConfig(
        size=SIZE, levels=(3, 4), widths=(8, 16, 16, 24), width=32, layers=2, heads=2, switch=30
    ),
    "pixels": PixelsConfig(
        adm=ADMConfig(
            size=SIZE, width=32, multipliers=(1, 1), blocks=1, attention=(16,), head_width=32
        ),
        steps=2,
    ),
    "latent-unet": LatentsConfig(
        way="latent-unet", size=4, steps=3,
        unet=UNetConfig(channels=16, patch=1, widths=(16, 32), heads=2, time_features=16),
    ),
    "latent-transformer": LatentsConfig(
        size=4, steps=3,
        dit=DiTConfig(channels=16, patch=(1, 1, 1), width=32, heads=2, layers=1, ffn=64,
                      time_features=16),
    ),
}  # fmt: skip


def config_of(name: str) -> PicturesConfig:
    whole = plain(TINY[name], batch=8)
    text = whole.text.model_copy(update={"width": 24, "layers": 1, "heads": 2})
    return whole.model_copy(update={"text": text, "size": SIZE, "count": 16})


@pytest.fixture(scope="module", name="cache")
def _cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def stage_of(name: str, cache) -> PictureStage:
    return PictureStage(config_of(name), NOTHING, Workplace(cache=cache))


@pytest.mark.parametrize("name", TINY)
def test_a_way_learns_draws_and_comes_back(name, cache, tmp_path):
    stage = stage_of(name, cache)
    rule = torch.optim.Adam(stage.module.parameters(), 2e-3, betas=(0.0, 0.99))
    losses = []
    for number in range(16):
        loss, metrics = stage.loss(stage.batch(number), torch.Generator().manual_seed(number))
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(loss.item())
        assert all(np.isfinite(value) for value in metrics.values())
    assert np.isfinite(losses).all()
    if "gan" not in name:
        assert np.mean(losses[-4:]) < np.mean(losses[:4])
    assert stage.samples().shape == (4 * SIZE, 4 * SIZE, 3)
    stage.save(tmp_path)
    again, words = read(tmp_path), ["a red ball on the grass", ""]
    first = stage.module.eval().draw(words, 3)
    assert first.shape == (2, SIZE, SIZE, 3)
    assert np.array_equal(again.draw(words, 3), first)
    assert not np.array_equal(again.draw(words, 4), first)


@pytest.mark.parametrize("name", ["gan", "gan-2018"])
def test_each_side_of_a_gan_follows_its_own_loss(name, cache):
    """What the generator wants moves no weight of the discriminator, and the other way round."""
    stage = stage_of(name, cache)
    way = stage.module.way
    loss, _ = stage.loss(stage.batch(0), torch.Generator().manual_seed(0))
    loss.backward()
    both = [p.grad.clone() for p in way.discriminator.parameters() if p.grad is not None]
    assert both
    stage.module.zero_grad()
    way.generator.requires_grad_(False)
    loss, _ = stage.loss(stage.batch(0), torch.Generator().manual_seed(0))
    loss.backward()
    alone = [p.grad for p in way.discriminator.parameters() if p.grad is not None]
    if name == "gan":  # the older one has statistics that move
        for one, other in zip(both, alone, strict=True):
            assert torch.allclose(one, other, atol=1e-6)


def test_pictures_without_a_sentence_or_with_their_own_are_no_fakes(cache):
    way = stage_of("gan", cache).module.way
    x = torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    width = 24
    for sentence in (torch.zeros(3, width), torch.ones(3, width)):
        losses = []
        for weight in (0.0, 5.0):
            way.config = way.config.model_copy(update={"mismatch": weight})
            drawn = torch.Generator().manual_seed(1)
            losses.append(way.loss(x, sentence[:, None], sentence, 0, drawn)[0].item())
        assert losses[0] == losses[1]


def test_a_tokenizer_learns_first_and_then_stands_still(cache):
    stage = stage_of("tokens", cache)
    way = stage.module.way
    for number, trained, still in ((0, way.tokenizer, way.layers), (30, way.layers, way.tokenizer)):
        stage.module.zero_grad()
        loss, _ = stage.loss(stage.batch(number), torch.Generator().manual_seed(0))
        loss.backward()
        assert any(p.grad is not None and p.grad.any() for p in trained.parameters())
        assert all(p.grad is None or not p.grad.any() for p in still.parameters())


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (3, 4), (2, 2)])
def test_letters_of_the_alphabet_are_values_and_back(levels):
    fsq = FSQ(levels)
    every = torch.arange(fsq.alphabet)
    values = fsq.values(every)
    assert torch.equal(fsq.indices(values), every)
    assert values.min() == -1
    assert values.max() == 1
    z = (3 * torch.randn(500, len(levels))).requires_grad_()
    rounded = fsq(z)
    assert torch.allclose(fsq.values(fsq.indices(rounded)), rounded, atol=1e-6)
    rounded.sum().backward()
    assert (z.grad > 0).any()


def test_what_is_written_one_by_one_is_what_is_read_at_once(cache):
    """The prior's kept keys and values change nothing."""
    stage = stage_of("tokens", cache)
    way = stage.module.eval().way
    way.config = way.config.model_copy(update={"guidance": 1.0, "temperature": 1e-3})
    tokens, sentence = stage.module.read(["a red ball on the grass", "a dog"])
    drawn = {}
    way.tokenizer.decode = lambda values: drawn.setdefault("values", values)
    way.sample(tokens, sentence, torch.Generator().manual_seed(0))
    indices = way.tokenizer.fsq.indices(drawn["values"].movedim(1, -1)).flatten(1)
    logits = way._read(tokens, indices[:, :-1])
    assert torch.equal(logits.argmax(-1), indices)


def test_stills_are_the_middle_of_films():
    from praxino.data.diorama import compose, render

    for number in range(6):
        scene = compose(0, number, 17)
        whole = render(scene, 32, 32)[8]
        still = render(at_frame(scene, 8), 32, 32)[0]
        calm = scene.weather == "clear" and scene.place not in ("sea",)
        legs = any(thing.motion in ("walk", "run", "fly", "roll") for thing in scene.things)
        if calm and not legs:
            assert np.abs(whole.astype(int) - still).mean() < 1
    assert torch.equal(Stills(0, 32).pixels(2, 4)[1], Stills(0, 32).pixels(3, 4)[0])


@pytest.mark.parametrize("name", WAYS)
def test_every_way_is_a_recipe(name):
    train = recipes.recipe(f"ways-{name}", ["stage.batch=4", "optimizer.lr=1e-4"])
    assert train.stage.batch == 4
    assert train.stage.model.way == name
    assert PicturesConfig.model_validate_json(train.stage.model_dump_json()) == train.stage
