"""Of several films the one is kept that shows its layout best; previews by a tiny decoder."""

import shutil

import numpy as np
import pytest
import torch

import praxino
from praxino.errors import CheckpointError, InputError
from praxino.models.latent_reader import LatentReader, LatentReaderConfig
from praxino.models.tiny_decoder import TinyDecoder, TinyDecoderConfig
from praxino.storage.weights import bundle, checkpoint

SETTINGS = {"steps": 2, "seed": 7}


@pytest.fixture(scope="module", name="folder")
def _folder(layout_model, tmp_path_factory):
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("best") / "model"
    shutil.copytree(layout_model, folder)
    config = bundle.read_layout(folder).config
    reader = LatentReader(
        LatentReaderConfig(covers=len(config.kinds) + len(config.colours), width=8, blocks=1)
    )
    torch.nn.init.normal_(reader.head.weight)
    tiny = TinyDecoder(TinyDecoderConfig(widths=(8, 8, 8)))
    checkpoint.save(folder / "latent_reader", reader.config, reader.state_dict())
    checkpoint.save(folder / "tiny_decoder", tiny.config, tiny.state_dict())
    return folder


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(folder):
    return praxino.load(folder, device="cpu")


def test_the_best_film_is_one_of_its_seeds(pipeline):
    best = pipeline.generate("a red ball", best_of=3, **SETTINGS)
    assert best.record["chosen_from"] == 3
    assert best.record["best_of"] == 1
    alone = pipeline.generate("a red ball", steps=2, seed=best.record["seed"])
    assert np.array_equal(best.frames, alone.frames)
    assert 7 <= best.record["seed"] <= 9


def test_it_is_the_one_that_the_latent_reader_likes_best(pipeline, monkeypatch):
    scores = iter([-3.0, -1.0, -2.0])
    monkeypatch.setattr(LatentReader, "agreement", lambda *_: torch.tensor([next(scores)]))
    assert pipeline.generate("a red ball", best_of=3, **SETTINGS).record["seed"] == 8


def test_progress_counts_the_steps_of_all_films_and_shows_the_tiny_decoder(pipeline):
    states = list(pipeline.stream("a red ball", best_of=2, **SETTINGS))
    assert [(state.step, state.steps) for state in states] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [state.video is None for state in states] == [True, True, True, False]
    assert states[0].preview().shape == states[-1].video.frames.shape
    assert not np.array_equal(states[0].preview(), states[0].finish().frames)


def test_a_model_without_a_latent_reader_cannot_choose(layout_model):
    with pytest.raises(
        InputError, match=r"best_of=4: laid-out has no latent reader.*several films"
    ):
        praxino.load(layout_model, device="cpu").generate("a red ball", best_of=4)


def test_parts_of_other_latents_are_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    tiny = TinyDecoder(TinyDecoderConfig(channels=8, widths=(8, 8, 8)))
    shutil.rmtree(tmp_path / "model" / "tiny_decoder")
    checkpoint.save(tmp_path / "model" / "tiny_decoder", tiny.config, tiny.state_dict())
    with pytest.raises(CheckpointError, match="tiny_decoder is of latents of 8 channels, not 16"):
        praxino.load(tmp_path / "model")
