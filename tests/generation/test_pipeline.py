"""The pipeline on a tiny model: progress, previews, equal films for equal requests, checked
settings.
"""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import praxino
from praxino.data.diorama import sample
from praxino.diffusion.sampling import SAMPLERS
from praxino.errors import CheckpointError, InputError, ShapeError, UnknownNameError
from praxino.generation.denoiser import ConditionedDenoiser
from praxino.generation.noising import contact_sheet, noise_strip
from praxino.generation.pipeline import Pipeline
from praxino.models.dit import DiT, DiTConfig
from praxino.models.text import merge_padding
from praxino.storage.media.video import Video
from praxino.storage.weights.lazy import LoadedModule


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(tiny_model):
    return praxino.load(tiny_model, device="cpu")


@pytest.fixture(name="asked")
def _asked(monkeypatch):
    """The times at which networks were asked, and whether it was the second expert."""
    times = []
    plain = ConditionedDenoiser._evaluate

    def watched(self, x, t, rows):
        times.append((float(t), self.is_low(t)))
        return plain(self, x, t, rows)

    monkeypatch.setattr(ConditionedDenoiser, "_evaluate", watched)
    return times


def psnr(made, exact):
    return float(10 * np.log10(255**2 / ((made.astype(float) - exact) ** 2).mean()))


def test_a_sentence_becomes_a_film(pipeline):
    video = pipeline.generate("a red ball bounces")
    assert video.frames.shape == (5, 32, 32, 3)
    assert video.frames.dtype == np.uint8
    assert video.fps == 8.0
    assert video.record["prompt"] == "a red ball bounces"
    assert video.record["digest"] == pipeline.model.digest


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_equal_requests_make_equal_films(pipeline, sampler):
    first, second = (pipeline.generate("a cat", sampler=sampler, seed=4).frames for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, pipeline.generate("a cat", sampler=sampler, seed=5).frames)


def test_the_record_remakes_the_film(pipeline):
    video = pipeline.generate(
        "a cat", negative="a dog", seed=9, steps=2, guidance=2.5, frames=9, width=48
    )
    names = pipeline.request("a").model_dump().keys()
    again = pipeline.generate(**{name: video.record[name] for name in names})
    assert np.array_equal(video.frames, again.frames)


def test_a_cached_film_asks_less_and_is_nearly_the_exact_one(asked):
    bundled = praxino.load(device="cpu")
    exact = bundled.generate("a red ball bounces on the grass", steps=30)
    assert len(asked) == 30
    asked.clear()
    made = bundled.generate("a red ball bounces on the grass", steps=30, cache=0.1)
    assert len(asked) < 20
    assert made.record["cache"] == 0.1
    assert psnr(made.frames, exact.frames) > 40
    with pytest.raises(InputError, match="cache"):
        bundled.generate("a cat", cache=-0.1)


def test_forecasts_are_not_carried_from_one_expert_to_the_other(asked):
    bundled = praxino.load(device="cpu")
    model = bundled.model
    twice = replace(
        model,
        config=model.config.model_copy(update={"boundary": 0.5}),
        low=LoadedModule(lambda: model.dit.load(torch.float32)),
    )
    two = Pipeline(twice, bundled.device, "float32")
    two.generate("a cat", steps=30, cache=0.2)
    assert len(asked) < 25
    assert next(t for t, low in asked if low) == pytest.approx(14 / 30)


@pytest.mark.parametrize(
    ("lengths", "kept"), [((5, 20), 22), ((0, 1), 3), ((0, 0), 2), ((30, 31), 32), ((32, 7), 32)]
)
def test_zeros_after_the_sentences_are_two_tokens(lengths, kept):
    text = torch.randn(2, 32, 16)
    for row, length in zip(text, lengths, strict=True):
        row[length:] = 0
    torch.manual_seed(1)
    dit = DiT(
        DiTConfig(width=24, heads=2, layers=2, ffn=32, text_width=16, time_features=8)
    ).requires_grad_(False)
    torch.nn.init.normal_(dit.head.weight)
    short, counts = merge_padding(text)
    assert short.shape[1] == kept
    assert (counts is None) == (kept == 32)
    assert counts is None or (len(counts) == kept and float(counts.sum()) == 32)
    x, t = torch.randn(2, 16, 2, 4, 4), torch.full((2, 1), 0.5)
    torch.testing.assert_close(dit(x, t, dit.context(short, None, counts)), dit(x, t, text))


COMPILED = """
import numpy as np, praxino
plain, compiled = (
    praxino.load(device="cpu", compiled=way).generate("a cat", steps=2).frames
    for way in (False, True)
)
assert np.abs(plain.astype(float) - compiled).max() <= 1
"""


@pytest.mark.slow
def test_compiled_is_eager():
    """In a process of its own: the checks of types that these tests switch on cannot be
    compiled.
    """
    subprocess.run([sys.executable, "-c", COMPILED], check=True)


def test_without_a_compiler_it_is_said_first(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"needs a compiler"):
        praxino.load(device="cpu", compiled=True)


def test_progress_comes_with_previews(pipeline):
    states = list(pipeline.stream("a cat", steps=4))
    assert [(state.step, state.steps) for state in states] == [(n, 4) for n in range(1, 5)]
    assert all(state.video is None for state in states[:-1])
    assert states[1].preview().shape == (5, 32, 32, 3)
    assert np.array_equal(states[-1].preview(), states[-1].video.frames)


def test_gradients_stay_on_for_the_caller(pipeline):
    for _ in pipeline.stream("a cat"):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


def test_sentence_guidance_and_negative_matter(pipeline):
    base = pipeline.generate("a cat", guidance=3.0).frames
    for other in (
        pipeline.generate("a dog", guidance=3.0),
        pipeline.generate("a cat", guidance=1.0),
        pipeline.generate("a cat", guidance=3.0, negative="a tree"),
    ):
        assert not np.array_equal(base, other.frames)


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 32, 32), (5, 16, 64), (13, 48, 32)])
def test_any_shape_that_fits(pipeline, frames, height, width):
    made = pipeline.generate("a cat", steps=1, frames=frames, height=height, width=width)
    assert made.frames.shape == (frames, height, width, 3)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"frames": 50}, ShapeError, r"frames=50: must be 4k\+1. hint: 49 or 53"),
        ({"height": 50}, ShapeError, r"height=50: must be a multiple of 16. hint: 48 or 64"),
        ({"width": 8}, ShapeError, "width=8: must be a multiple of 16"),
        ({"steps": 0}, InputError, "steps=0"),
        ({"steps": 2.5}, InputError, "steps=2.5"),
        ({"guidance": -1.0}, InputError, "guidance=-1.0"),
        ({"guidance": float("nan")}, InputError, "guidance=nan"),
        ({"seed": -1}, InputError, "seed=-1"),
        ({"fps": 0.0}, InputError, r"fps=0\.0"),
        ({"sampler": "eular"}, UnknownNameError, "did you mean euler"),
        ({"stepz": 3}, UnknownNameError, "did you mean steps"),
        ({"prompt": ""}, InputError, "empty"),
        ({"prompt": " \n"}, InputError, "empty"),
        ({"prompt": "cat " * 2500}, InputError, "10000 characters"),
        ({"prompt": "caf\udce9"}, InputError, "UTF-8"),
    ],
)
def test_settings_that_cannot_be_used(pipeline, settings, error, message):
    with pytest.raises(error, match=message):
        pipeline.generate(**{"prompt": "a cat", **settings})


def test_unknown_models_devices_and_dtypes(tiny_model, tmp_path):
    with pytest.raises(CheckpointError, match="no model 'diarama'"):
        praxino.load("diarama")
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        praxino.load(tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean cuda"):
        praxino.load(tiny_model, device="cude")
    with pytest.raises(UnknownNameError, match="did you mean float32"):
        praxino.load(tiny_model, dtype="float31")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="praxino doctor"):
            praxino.load(tiny_model, device="cuda")


def test_bfloat16_is_close(tiny_model):
    full, half = (
        praxino.load(tiny_model, "cpu", dtype).generate("a cat").frames
        for dtype in ("float32", "bfloat16")
    )
    assert 0 < np.abs(full.astype(int) - half).mean() < 10


def test_the_forward_process_in_a_strip():
    clip = sample(0, 0).clip
    strip = noise_strip(Video(clip, 8.0), seed=3)
    assert strip.frames.shape == (17, 64, 256, 3)
    panels = np.split(strip.frames, 4, axis=2)
    assert np.array_equal(panels[0], clip)
    far = [np.corrcoef(panel.ravel(), clip.ravel())[0, 1] for panel in panels]
    assert far[0] == pytest.approx(1.0)
    assert far[0] > far[1] > far[2] > far[3]
    assert abs(far[3]) < 0.05
    assert contact_sheet(strip, rows=3).frames.shape == (1, 192, 256, 3)
    with pytest.raises(InputError, match="step 1001"):
        noise_strip(Video(clip, 8.0), (0, 1001))
    with pytest.raises(UnknownNameError, match="did you mean linear"):
        noise_strip(Video(clip, 8.0), schedule="linar")


def test_a_model_of_one_size_keeps_it_whatever_the_picture(pipeline, tmp_path):
    Image.fromarray(np.zeros((96, 32, 3), np.uint8)).save(tmp_path / "tall.png")
    request = pipeline.request("a cat", image=str(tmp_path / "tall.png"))
    assert (request.height, request.width) == (
        pipeline.model.config.height,
        pipeline.model.config.width,
    )
