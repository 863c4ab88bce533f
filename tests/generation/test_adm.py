"""Pictures by the networks of 2021: what guides them, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from praxino.diffusion.ddpm import Chain, cosine_betas, linear_betas
from praxino.diffusion.gradient_guidance import classifier_gradient
from praxino.diffusion.respacing import kept_indices
from praxino.errors import CheckpointError, GenerationError, InputError
from praxino.generation.adm import ADMPipeline
from praxino.generation.respaced import respaced_model
from praxino.models.adm import ADM, ADMClassifier, ADMConfig
from praxino.storage.weights import adm, clip
from support.tiny_adm import published
from support.tiny_clip import tiny_clip


@pytest.fixture(name="files")
def _files(monkeypatch, tmp_path):
    return published(monkeypatch, tmp_path)


@pytest.fixture(scope="module", name="words")
def _words(tmp_path_factory):
    pytest.importorskip("transformers")
    return clip.read(tiny_clip(tmp_path_factory.mktemp("clip") / "model"))


def drawn(pipeline, **settings):
    *before, last = pipeline.run(pipeline.request(**{"seed": 3, "steps": 5} | settings), None)
    return [*before, last], last.video.frames


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "unipc", "dpm++2m-sde", "heun"])
def test_a_picture_is_drawn_by_every_sampler(files, sampler):
    pipeline = ADMPipeline(files["plain"])
    states, frames = drawn(pipeline, sampler=sampler)
    assert frames.shape == (1, 16, 16, 3)
    assert [state.step for state in states] == [1, 2, 3, 4, 5]
    assert states[2].preview().shape == (1, 16, 16, 3)
    assert states[2].finish().record["stopped"] == 3
    assert np.array_equal(drawn(pipeline, sampler=sampler)[1], frames)
    assert not np.array_equal(drawn(pipeline, sampler=sampler, seed=4)[1], frames)
    assert states[-1].video.record["model"] == "plain"


def test_steps_are_told_as_the_whole_chain_counts_them(files):
    network = adm.read(files["plain"])[1].load(torch.float32)
    model = respaced_model(network, "linear", 25, "ddim")
    x = torch.zeros(2, 3, 16, 16)
    assert model.indices.tolist() == kept_indices("ddim25", 1000)
    assert model.index(x, torch.tensor([25, 1])).tolist() == [960, 0]
    assert model.index(x, torch.tensor(1.0, dtype=torch.float64)).tolist() == [960, 960]
    abar = Chain().abar[[960, 0]]
    assert torch.allclose(model.sigma(torch.tensor([25, 1])).flatten(), (1 - abar).sqrt())
    assert respaced_model(network, "linear", 150, "ddim").indices[-1] == 999
    assert respaced_model(network, "linear", 25, "ddpm").indices[-1] == 999


@pytest.mark.parametrize(("betas", "mean"), [(linear_betas, 0.953224), (cosine_betas, 0.913548)])
def test_guided_steps_are_those_of_the_published_code(betas, mean):
    """Golden: guided-diffusion's DDIM in ten steps, a classifier of another seed, scale 3."""
    sizes = {"size": 16, "width": 32, "multipliers": (1, 2), "blocks": 1, "head_width": 32,
             "attention": (8,)}  # fmt: skip
    network, classifier = (
        ADM(ADMConfig(**sizes, classes=10)),
        ADMClassifier(ADMConfig(**sizes, outputs=10)),
    )
    for part, seed in ((network, 0), (classifier, 1)):
        generator, state = torch.Generator().manual_seed(seed), {}
        for name, tensor in sorted(part.state_dict().items()):
            noise = torch.randn(tensor.shape, generator=generator)
            gain = tensor.dim() == 1 and name.endswith("weight")
            state[name] = 0.05 * noise if tensor.dim() > 1 else 0.1 * noise + gain
        part.load_state_dict(state)
        part.eval()
    classes = torch.tensor([2, 7])
    schedule = "linear" if betas is linear_betas else "cosine"
    model = respaced_model(network, schedule, 10, "ddim", classes=classes)
    guide = lambda model, traced: classifier_gradient(  # noqa: E731
        lambda x, at: classifier(x, model.index(x, at)), classes, 3.0
    )
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        *_, last = model.sample(x, "ddim", torch.Generator(), guide)
    assert last.x.abs().mean().item() == pytest.approx(mean, abs=2e-4)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_a_classifier_wants_its_class(files, sampler):
    pipeline = ADMPipeline(files["plain"], classifier=files["classifier"])
    network = adm.read(files["classifier"])[1].load(torch.float32)

    def wanted(**settings):
        frames = drawn(pipeline, label=4, sampler=sampler, steps=10, **settings)[1]
        x = torch.from_numpy(frames).permute(0, 3, 1, 2) / 127.5 - 1
        return network(x, torch.zeros(1)).log_softmax(1)[0, 4].item()

    assert wanted(guidance=50.0) > wanted(guidance=0.0)
    assert pipeline.request(label=4).guidance == 1.0


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize(("gradient", "scale"), [("network", 300.0), ("estimate", 300.0)])
def test_a_sentence_is_followed_by_the_gradient_of_clip(files, words, sampler, gradient, scale):
    pipeline = ADMPipeline(files["plain"], clip=words)
    target = words.embed_text(["a red ball"])

    def fit(**settings):
        frames = drawn(pipeline, prompt="a red ball", sampler=sampler, gradient=gradient,
                       steps=12, cuts=4, bounds=0.0, smoothness=0.0, **settings)[1]  # fmt: skip
        seen = torch.from_numpy(frames).permute(0, 3, 1, 2) / 255
        seen = torch.nn.functional.interpolate(seen, (32, 32), mode="bilinear")
        return (words.embed_images(seen) @ target.T).item()

    assert fit(guidance=scale) > fit(guidance=0.0) + 0.02


def test_rows_are_computed_again_with_the_same_gradient(files, words, monkeypatch):
    pipeline = ADMPipeline(files["plain"], clip=words)
    plain = drawn(pipeline, prompt="a dog", cuts=2)[1]
    monkeypatch.setattr("praxino.generation.adm.RECOMPUTE_FROM", 1)
    assert np.array_equal(drawn(pipeline, prompt="a dog", cuts=2)[1], plain)


def test_classes_and_an_upsampler(files):
    pipeline = ADMPipeline(files["classes"], upsampler=files["upsampler"])
    states, frames = drawn(pipeline, label=7)
    assert frames.shape == (1, 32, 32, 3)
    assert [state.step for state in states] == list(range(1, 11))
    assert states[3].preview().shape == (1, 16, 16, 3)
    assert not np.array_equal(drawn(pipeline, label=8)[1], frames)


def test_a_picture_is_begun_with(files, tmp_path):
    from praxino.storage.media.video import Video

    picture = np.full((1, 16, 16, 3), 200, np.uint8)
    Video(picture, 1.0).save(tmp_path / "begin.png")
    pipeline = ADMPipeline(files["plain"])
    given = {"image": str(tmp_path / "begin.png"), "steps": 250, "skip": 240}
    states, frames = drawn(pipeline, **given)
    assert len(states) == 10
    far = np.abs(drawn(pipeline, steps=10)[1].astype(int) - 200).mean()
    assert np.abs(frames.astype(int) - 200).mean() < far


@pytest.mark.parametrize(
    ("model", "settings", "problem"),
    [
        ("plain", {"prompt": "a dog"}, "plain knows no words"),
        ("plain", {"label": 3}, "label 3: it knows no classes"),
        ("classes", {}, "draws one of 10 classes"),
        ("classes", {"label": 10}, "classes are 0 to 9"),
        ("plain", {"width": 17}, "multiples of 2"),
        ("plain", {"skip": 3}, "where a picture is given"),
        ("plain", {"image": "a.png", "skip": 300}, "skip 300 of 250 steps"),
        ("plain", {"steps": 1001}, "steps"),
        ("plain", {"steps": 1}, "steps=1"),
        ("plain", {"cuts": 8}, "cuts: nothing reads a sentence"),
        ("plain", {"guidance": 3.0}, "nothing guides the model"),
        ("plain", {"sampler": "ddmp"}, "sampler=ddmp"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(files, model, settings, problem):
    with pytest.raises(InputError, match=problem) as error:
        ADMPipeline(files[model]).request(**settings)
    assert "\n" not in str(error.value)


def test_an_upsampler_that_is_told_classes_wants_one_before_anything_is_drawn(files):
    plain = ADMPipeline(files["plain"], upsampler=files["upsampler"])
    assert plain.request().label is None
    told = adm.PUBLISHED
    classes = next(one for one in told.values() if one.name == "upsampler")
    config = classes.config.model_copy(update={"classes": 10})
    plain._upsampler = (replace(classes, config=config), plain._upsampler[1])
    with pytest.raises(InputError, match="draws one of 10 classes"):
        plain.request()
    assert plain.request(label=3).label == 3


def test_a_picture_that_is_no_number_is_an_error(files, words, monkeypatch):
    pipeline = ADMPipeline(files["plain"], clip=words)
    with pytest.raises(GenerationError, match="is no number any more"):
        drawn(pipeline, prompt="a dog", cuts=2, guidance=1e38)


def test_records_name_all_that_drew(files, words, tmp_path):
    moved = files["plain"].rename(tmp_path / "elsewhere.pt")
    record = drawn(ADMPipeline(moved, clip=words), prompt="a dog", cuts=2)[0][-1].video.record
    assert set(record["parts"]) == {"model", "clip"}
    assert record["digest"] == record["parts"]["model"]
    assert len(record["digest"]) == 12


def test_files_of_another_role_are_refused(files):
    with pytest.raises(CheckpointError, match="is classifier, a classifier"):
        ADMPipeline(files["classifier"])
    with pytest.raises(CheckpointError, match="is plain, a model"):
        ADMPipeline(files["plain"], classifier=files["plain"])
    with pytest.raises(InputError, match="sees 16 pixels a side, the model draws 32"):
        ADMPipeline(files["large"], classifier=files["classifier"])
    with pytest.raises(InputError, match="enlarges pictures of 16 pixels, the model draws 32"):
        ADMPipeline(files["large"], upsampler=files["upsampler"])
    guided = ADMPipeline(files["plain"], classifier=files["classifier"])
    with pytest.raises(InputError, match="sees one size alone"):
        guided.request(label=1, width=32)
