"""Films in few steps: the student makes them, the record says so, and what it was not taught is
refused or said.
"""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import praxino
from praxino.cards import FLOW_MAP
from praxino.errors import CheckpointError, InputError, UnknownNameError
from praxino.generation.films import GivenVideo
from praxino.generation.images import GivenImage
from praxino.provenance.policy import Provenance
from praxino.request import merge
from support import tiny_models

PLAIN = Provenance(watermark=False, credentials=False)


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "with-student"
    tiny_models.with_student(folder)
    return folder


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(folder):
    return praxino.load(folder)


def test_few_steps_are_the_students(pipeline):
    assert pipeline.request("a red ball", steps=4).sampler == FLOW_MAP
    assert pipeline.request("a red ball", steps=5).sampler == "unipc"
    assert pipeline.request("a red ball").sampler == "unipc"
    assert pipeline.request("a red ball", steps=2, sampler="euler").sampler == "euler"
    assert pipeline.request("a red ball", steps=12, sampler=FLOW_MAP).sampler == FLOW_MAP


def test_the_record_says_which_and_it_is_made_again(pipeline):
    film = pipeline.generate("a red ball", PLAIN, seed=3, steps=2)
    assert film.record["sampler"] == FLOW_MAP
    settings = {name: film.record[name] for name in ("prompt", "seed", "steps", "sampler")}
    again = pipeline.generate(**settings, provenance=PLAIN)
    assert np.array_equal(film.frames, again.frames)


def test_another_number_of_steps_asks_anew_who_makes_it():
    before = {"prompt": "a", "steps": 2, "sampler": FLOW_MAP}
    assert "sampler" not in merge(before, {"steps": 20})
    assert merge(before, {"seed": 4})["sampler"] == FLOW_MAP
    assert merge(before | {"sampler": "euler"}, {"steps": 20})["sampler"] == "euler"


def test_one_that_was_only_begun_is_the_unguided_teacher(pipeline):
    few = pipeline.generate("a red ball", PLAIN, seed=3, steps=4, guidance=1.0)
    same = pipeline.generate("a red ball", PLAIN, seed=3, steps=4, guidance=1.0, sampler="euler")
    assert np.abs(few.frames.astype(int) - same.frames).max() <= 1


def test_it_is_told_the_guidance(folder, tmp_path):
    for path in folder.rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(folder)).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "student" / "model.safetensors")
    weights["guidance_embedding.down.weight"].normal_(std=0.5)
    save_file(weights, tmp_path / "student" / "model.safetensors")
    taught = praxino.load(tmp_path)
    films = [
        taught.generate("a red ball", PLAIN, seed=3, steps=2, guidance=scale).frames
        for scale in (2.0, 4.0)
    ]
    assert not np.array_equal(*films)


@pytest.mark.parametrize(
    ("settings", "setting", "message"),
    [
        ({"guidance": 7.0, "steps": 2}, "guidance", "takes 1 to 5"),
        ({"guidance": 0.5, "steps": 2}, "guidance", "takes 1 to 5"),
        ({"sampler": FLOW_MAP, "negative": "a dog"}, "negative", "knows nothing of it"),
        ({"sampler": FLOW_MAP, "cache": 0.1}, "cache", "knows nothing of it"),
        ({"sampler": FLOW_MAP, "rescale": 0.5}, "rescale", "knows nothing of it"),
        ({"sampler": FLOW_MAP, "interval": (0.2, 0.8)}, "interval", "knows nothing of it"),
    ],
)
def test_what_it_was_not_taught_is_refused(pipeline, settings, setting, message):
    with pytest.raises(InputError, match=message) as refused:
        pipeline.request("a red ball", **settings)
    assert refused.value.setting == setting
    assert "5 steps or more" in str(refused.value)


def test_where_it_cannot_the_teacher_does_and_it_is_said(pipeline):
    request, notes = pipeline.complete("a red ball", steps=2, negative="a dog")
    assert request.sampler == "unipc"
    assert notes == ["2 steps without the student, which knows nothing of negative"]


def test_a_model_without_one_knows_no_such_sampler(tiny_model):
    pipeline = praxino.load(tiny_model)
    assert pipeline.request("a red ball", steps=2).sampler == "unipc"
    with pytest.raises(UnknownNameError, match="flow-map"):
        pipeline.request("a red ball", sampler=FLOW_MAP)


def test_pictures_edits_and_loops_go_by_it_too(pipeline):
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    image = GivenImage("a.png", picture)
    request, _ = pipeline.complete("a red ball", images=[image], image="a.png", steps=2)
    assert request.sampler == FLOW_MAP
    *_, last = pipeline.run(request, PLAIN, images=[image])
    assert np.array_equal(last.video.frames[0], picture)
    film = GivenVideo("a.mp4", np.repeat(picture[None], 9, axis=0), 8.0)
    edit = {"task": "extend", "video": "a.mp4"}
    request, _ = pipeline.complete("a red ball", videos=[film], edit=edit, steps=2)
    *_, last = pipeline.run(request, PLAIN, videos=[film])
    assert len(last.video.frames) > 9
    loop = pipeline.generate("a red ball", PLAIN, steps=2, edit={"task": "loop"})
    assert len(loop.frames) >= 4


def test_restyling_is_left_to_the_teacher(pipeline):
    frames = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
    film = GivenVideo("a.mp4", frames, 8.0)
    edit = {"task": "restyle", "video": "a.mp4"}
    request, notes = pipeline.complete("a blue ball", videos=[film], edit=edit, steps=2)
    assert request.sampler == "unipc"
    assert "edit" in notes[0]


def test_a_plan_counts_one_evaluation_a_step(pipeline):
    settings = {"steps": 4, "guidance": 3.0}
    plans = [
        pipeline.plan(pipeline.request("a red ball", **settings, **more), speed=False)
        for more in ({}, {"sampler": "euler"})
    ]
    few, many = (
        next(stage.flops for stage in plan.stages if stage.name == "denoise") for plan in plans
    )
    assert few < 0.7 * many


def test_a_student_that_is_told_nothing_is_no_student(folder, tmp_path):
    tiny_models.with_student(tmp_path)
    config = (tmp_path / "student" / "config.json").read_text()
    (tmp_path / "student" / "config.json").write_text(
        config.replace('"guided":true', '"guided":false').replace(
            '"guided": true', '"guided": false'
        )
    )
    weights = load_file(tmp_path / "student" / "model.safetensors")
    kept = {name: one for name, one in weights.items() if not name.startswith("guidance")}
    save_file({name: torch.clone(one) for name, one in kept.items()},
              tmp_path / "student" / "model.safetensors")  # fmt: skip
    with pytest.raises(CheckpointError, match="not told spans and a guidance"):
        praxino.load(tmp_path)
