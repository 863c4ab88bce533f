"""The student's stage: it begins as its teacher, is taught the identity of split steps, and gets
nearer to the teacher's films.
"""

import pytest
import torch
from pydantic import ValidationError

from praxino.diffusion.path import Flow, grid
from praxino.diffusion.sampling import euler, flow_map
from praxino.recipes import recipe
from praxino.training.distill import DistillConfig, Velocities, draw_spans
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build

SIZES = ["width=24", "heads=2", "layers=1", "ffn=32", "text_width=16", "time_features=16",
         "time_scale=1000.0"]  # fmt: skip
SETTINGS = [
    *(f"stage.data.dit.{one}" for one in SIZES),
    "stage.data.text.width=16",
    "stage.data.text.layers=1",
    "stage.data.text.heads=2",
    "stage.data.bundle.frames=5",
    "stage.data.bundle.height=32",
    "stage.data.bundle.width=32",
    "stage.data.clips=16",
    "stage.data.batch=8",
    "stage.data.windows.share=0",
]


@pytest.fixture(scope="module", name="stage")
def _stage(refining_model, tmp_path_factory):
    sources = Sources(init=refining_model, vae=refining_model)
    place = Workplace(cache=tmp_path_factory.mktemp("latents"))
    return build(recipe("diorama-student", SETTINGS).stage, sources, place)


def test_a_field_of_constant_direction_needs_one_step():
    noise = torch.randn(1, 2, 3, generator=torch.Generator().manual_seed(0))
    data = torch.ones_like(noise)

    def mean(x, t, s):
        return x - t * (noise - data)

    for steps in (1, 3, 7):
        *_, last = flow_map(mean, noise, grid(steps), Flow())
        torch.testing.assert_close(last.x, data)
        assert last.step == last.steps == steps


def test_spans_fall_and_parts_are_as_asked_for():
    config = recipe("diorama-student").stage
    spans = draw_spans(config, 64, torch.Generator().manual_seed(0))
    assert (spans.pointwise, spans.anchored) == (32, 16)
    assert (spans.t >= spans.s).all()
    assert (spans.s >= spans.r).all()
    assert torch.equal(spans.t[:32], spans.r[:32])
    assert (spans.t[32:] > spans.r[32:]).all()
    assert (spans.r[32:] == 0).any()
    assert (spans.t == 1).any()
    assert spans.guidance.min() >= 1
    assert spans.guidance.max() <= 5
    few = draw_spans(config, 1, torch.Generator().manual_seed(0))
    assert (few.pointwise, few.anchored) == (1, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pointwise": 0.8, "anchored": 0.4}, "at most 1 together"),
        ({"guidance": (0.5, 3.0)}, "from 1 on"),
        ({"guidance": (4.0, 3.0)}, "the smaller one first"),
    ],
)
def test_settings_that_make_no_sense(change, message):
    values = recipe("diorama-student").stage.model_dump()
    with pytest.raises(ValidationError, match=message):
        DistillConfig.model_validate(values | change)


def test_a_student_that_is_told_nothing_is_refused():
    values = recipe("diorama-student").stage.model_dump()
    values["data"]["dit"]["guided"] = False
    with pytest.raises(ValidationError, match="spans and guided"):
        DistillConfig.model_validate(values)


@torch.no_grad()
def test_it_begins_as_its_teacher(stage):
    batch = stage.batch(1)
    x, rows = torch.randn_like(batch.latents), slice(0, len(batch.latents))
    t = torch.linspace(0.1, 1, len(x))
    teacher = Velocities(
        stage.data, stage.teacher, batch, stage._context(stage.teacher, batch),
        stage._context(stage.teacher, batch, silent=True),
    )  # fmt: skip
    student = Velocities(stage.data, stage.student, batch, stage._context(stage.student, batch))
    one = torch.ones(len(x))
    torch.testing.assert_close(
        student.mean(x, t, t, one, rows), teacher.guided(x, t, one, rows), rtol=1e-4, atol=1e-5
    )


@torch.no_grad()
def test_targets_are_the_teachers_velocity_or_that_of_two_parts(stage):
    batch = stage.batch(1)
    spans = draw_spans(stage.config, len(batch.latents), torch.Generator().manual_seed(1))
    x = torch.randn_like(batch.latents)
    targets = stage._targets(batch, spans, x)
    teacher = Velocities(
        stage.data, stage.teacher, batch, stage._context(stage.teacher, batch),
        stage._context(stage.teacher, batch, silent=True),
    )  # fmt: skip
    first = slice(0, spans.pointwise)
    at_once = teacher.guided(x[first], spans.t[first], spans.guidance[first], first)
    torch.testing.assert_close(targets[first], at_once)
    average = Velocities(stage.data, stage.followed, batch, stage._context(stage.followed, batch))
    last = slice(len(x) - 1, len(x))
    t, r, s, g = (part[last] for part in (spans.t, spans.r, spans.s, spans.guidance))
    begun = average.mean(x[last], t, s, g, last)
    kept = batch.task.clean[last]
    between = torch.where(kept, x[last], x[last] - (t - s).view(-1, 1, 1, 1, 1) * begun)
    ended = average.mean(between, s, r, g, last)
    whole = ((t - s) * begun + (s - r) * ended) / (t - r)
    torch.testing.assert_close(targets[last], whole, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_few_steps_come_nearer_to_the_teachers_film(stage):
    """A short run: the mean distance of one-step films to the teacher's falls."""

    def distance():
        with torch.no_grad():
            far = []
            for seed in range(4):
                *_, made = stage.sampled("a red ball", seed, 1)
                *_, true = stage.taught("a red ball", seed, 40)
                far.append(float((made.x - true.x).square().mean()))
        return sum(far) / len(far)

    before = distance()
    rule = torch.optim.AdamW(stage.student.parameters(), 3e-3)
    for step in range(80):
        loss, metrics = stage.loss(stage.batch(step), torch.Generator().manual_seed(step))
        rule.zero_grad()
        loss.backward()
        rule.step()
    assert set(metrics) == {"points", "spans"}
    assert all(parameter.grad is None for parameter in stage.teacher.parameters())
    assert all(parameter.grad is None for parameter in stage.followed.parameters())
    assert distance() < 0.8 * before


def test_its_network_is_saved_beside_the_model(stage, tmp_path):
    stage.save(tmp_path)
    assert sorted(path.name for path in (tmp_path / "student").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_euler_is_the_map_of_a_network_that_ignores_where_steps_end():
    noise = torch.randn(1, 4, generator=torch.Generator().manual_seed(0))
    *_, one = euler(lambda x, t: 0.3 * x, noise, grid(5), Flow())
    *_, other = flow_map(lambda x, t, s: 0.3 * x, noise, grid(5), Flow())
    torch.testing.assert_close(one.x, other.x)
