"""A student by regression: it learns how its teacher's films end, and is a file for ``--lora``."""

import pytest
import torch

import praxino
from praxino.errors import CheckpointError, InputError
from praxino.recipes import recipe
from praxino.storage.weights import few_steps
from praxino.training.ode_regression import FILE
from praxino.training.sources import Sources
from praxino.training.stages import build

SETTINGS = [
    "stage.frames=5",
    "stage.height=32",
    "stage.width=32",
    "stage.films=2",
    "stage.batch=2",
    "stage.finer=3",
    'stage.sentences=["a cat","a dog"]',
]


@pytest.fixture(scope="module", name="teacher")
def _teacher(wan_folder):
    return wan_folder("t2v")


@pytest.fixture(scope="module", name="stage")
def _stage(teacher):
    return build(recipe("wan-student", SETTINGS).stage, Sources(init=teacher))


def test_moments_are_of_the_teachers_films(stage, teacher):
    batch = stage.batch(0)
    assert batch.states.shape == batch.ends.shape
    assert set(batch.times.tolist()) <= set(stage.times[:-1].float().tolist())
    film = stage.film(0)
    assert film.shape[0] == 5
    again = build(stage.config, Sources(init=teacher))
    assert torch.equal(again.film(0), film)
    *_, last = stage.taught(0, stage._noise(0))
    torch.testing.assert_close(film[-1:], last.x)


def test_it_learns_how_films_end(stage, tmp_path, teacher):
    optimizer = torch.optim.Adam(stage.module.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for step in range(60):
        loss, metrics = stage.loss(stage.batch(step), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(metrics["ends"])
    assert sum(losses[-8:]) < 0.5 * sum(losses[:8])
    distances = []
    student = stage.module
    for net in (stage.teacher, student):
        stage.module = net
        with torch.no_grad():
            *_, last = stage.sampled(0, stage._noise(0))
        distances.append(float((last.x - stage.film(0)[-1:]).norm()))
    assert distances[1] < distances[0]
    stage.save(tmp_path)
    assert few_steps.find(tmp_path / FILE).settings == "4 steps, guidance 1, shift 5, euler"
    pipeline = praxino.load(teacher)
    request = pipeline.request(
        "a cat", loras=(str(tmp_path / FILE),), frames=5, height=32, width=32, seed=0
    )
    assert (request.steps, request.guidance, request.sampler) == (4, 1.0, "euler")
    changed = pipeline.adapted(request.loras).dit.load(torch.float32)
    for name, tensor in stage.module.state_dict().items():
        torch.testing.assert_close(changed.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)


def test_its_pictures_are_of_both(stage):
    rows = stage.samples()
    assert rows.shape[0] == 4 * 32


@pytest.mark.parametrize("kind", ["t2v-a14b", "i2v"])
def test_what_cannot_be_copied_is_said(wan_folder, kind):
    with pytest.raises(InputError, match="one network that makes films of sentences"):
        build(recipe("wan-student", SETTINGS).stage, Sources(init=wan_folder(kind)))


def test_a_teacher_is_needed():
    with pytest.raises(InputError, match="no teacher"):
        build(recipe("wan-student").stage)


def test_a_file_that_lies_about_itself_is_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "a.safetensors"
    save_file({"blocks.0.diff": torch.zeros(1)}, path, {few_steps.OWN: '{"steps": 0}'})
    with pytest.raises(CheckpointError, match="says of itself what cannot be read"):
        few_steps.find(path)
