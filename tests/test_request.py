"""A request is completed in one place; whoever takes one knows every field of it."""

import re
from pathlib import Path
from typing import get_type_hints

import pytest

from praxino.cards import FLOW_MAP, ModelCard
from praxino.cli.generate import generate
from praxino.diffusion.sampling import EVALUATIONS, SAMPLERS
from praxino.durations import frames_of
from praxino.errors import InputError
from praxino.layout import Layout
from praxino.request import GenerationSettings, Request, complete, merge
from praxino.service.api.bodies import PARAMETERS, Extra, VideoCreate, parameter_of
from support.client import CARD

ROOT = Path(__file__).parents[1]
FLAGS = {
    "prompt": "sentence",
    "height": "size",
    "width": "size",
    "guidance_low": "guidance-2",
    "last": "last-image",
    "loras": "lora",
    "references": "reference",
}
"""What the command line calls fields of other names."""
NOT_IN_THE_API = {"loras", "best_of"}
"""Files of the server's machine, and what costs as much as several jobs."""
NOT_ON_THE_PAGE = NOT_IN_THE_API | {
    "layout",
    "recaption",
    "reference_guidance",
    "prompt_used",
    "last",
    "references",
    "edit",
    "rescale",
    "interval",
    "cache",
    "guidance_low",
    "shift",
    "fps",
    "noise_mark",
}


def test_the_library_knows_every_field():
    assert set(get_type_hints(GenerationSettings)) == set(Request.model_fields) - {"prompt"}


def test_the_command_line_knows_every_field():
    hints = get_type_hints(generate, include_extras=True)
    options = {
        name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")
    }
    for name, field in Request.model_fields.items():
        flag = FLAGS.get(name, name.replace("_", "-"))
        names = {
            key: {f"--{key}", option.default, *(option.param_decls or ())}
            for key, option in options.items()
        }
        spelled = [
            options[key]
            for key, decls in names.items()
            if key == flag.replace("-", "_") or f"--{flag}" in decls
        ]
        assert spelled, name
        if name not in ("height", "width", "interval", "cache"):  # spelled in another way there
            assert spelled[0].help == field.description, name


def test_the_api_knows_every_field():
    with_files = {"last", "references", "edit"}  # other routes, and bodies of their own
    fields = set(PARAMETERS) | set(Extra.model_fields) | with_files
    assert fields == set(Request.model_fields) - NOT_IN_THE_API
    assert set(PARAMETERS.values()) <= set(VideoCreate.model_fields)
    schema = VideoCreate.model_json_schema()["properties"]
    assert schema["num_inference_steps"]["anyOf"][0] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
    }
    assert schema["flow_shift"]["anyOf"][0] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "minimum": 0.01,
        "maximum": 100,
    }


def test_the_page_and_the_docs_know_every_field():
    web = ROOT / "src/praxino/service/web"
    named = set(re.findall(r'name="(\w+)"', (web / "index.html").read_text()))
    named |= set(re.findall(r'append\("(\w+)"', (web / "make.js").read_text()))
    for name in set(Request.model_fields) - NOT_ON_THE_PAGE:
        parameter = "seconds" if name == "frames" else str(parameter_of(name)).rpartition(".")[2]
        assert parameter in named, name
    readme = (ROOT / "README.md").read_text()
    for name in set(Request.model_fields) - {"prompt"}:
        flag = FLAGS.get(name, name.replace("_", "-"))
        assert f"--{flag}" in readme, flag


def test_the_samplers_are_listed():
    assert Request.model_fields["sampler"].description == " ".join((*SAMPLERS, FLOW_MAP))
    assert set(EVALUATIONS) <= set(SAMPLERS)


def test_seconds_fit_models_of_several_latent_frames_a_token():
    card = CARD.model_copy(update={"patch": (2, 2, 2)})
    assert frames_of(0.5, 8.0, card) == 5
    with pytest.raises(InputError, match=r"must be 8k\+4.*hint: 0.5 or 1.5"):
        frames_of(1, 8.0, card)


def test_defaults_are_the_models():
    request, notes = complete(CARD, {"prompt": "a cat", "seed": None})
    assert (request.seed, request.steps, request.sampler, request.shape.frames) == (
        0,
        20,
        "unipc",
        17,
    )
    assert notes == []


def test_a_film_follows_its_picture_unless_a_size_is_given():
    request, notes = complete(CARD, {"prompt": "a cat", "image": "tall.png"}, picture=(400, 200))
    assert (request.width, request.height) == (48, 96)
    assert notes == ["a film of 48x96, after the picture"]
    request, notes = complete(
        CARD, {"prompt": "a cat", "image": "tall.png", "width": 64}, picture=(400, 200)
    )
    assert (request.width, request.height, notes) == (64, 64, [])


TEXT_ONLY = CARD.model_copy(update={"pictures": False, "last_picture": "none"})
BEGINS = CARD.model_copy(update={"needs_picture": True, "last_picture": "none"})
BOTH_ENDS = CARD.model_copy(update={"needs_picture": True, "last_picture": "required"})
PAINTS = CARD.model_copy(update={"layout_edition": 2})


@pytest.mark.parametrize(
    ("card", "settings", "setting", "message"),
    [
        (
            CARD,
            {"steps": 0},
            "steps",
            "greater than or equal to 1. hint: the model's own choice is 20",
        ),
        (CARD, {"frames": 6}, "frames", "frames=6: must be 4k+1. hint: 5 or 9"),
        (CARD, {"width": 60}, "width", "multiple of 16. hint: 48 or 64"),
        (CARD, {"sampler": "eular"}, "sampler", "did you mean euler"),
        (CARD, {"prompt": " "}, "prompt", "the sentence is empty"),
        (CARD, {"negative": "x" * 2001}, "negative", "2001 characters"),
        (CARD, {"prompt": "\ud800"}, "prompt", "not valid UTF-8"),
        (CARD, {"colour": "red"}, "setting", "unknown setting 'colour'"),
        (CARD, {"guidance_low": 2.0}, "guidance_low", "tiny has no second expert"),
        (CARD, {"interval": (0.9, 0.1)}, "interval", "two times from 0 to 1"),
        (CARD, {"last": "b.png"}, "last", "without a first one"),
        (CARD, {"image": "a.png", "frames": 1}, "frames", "an image cannot continue an image"),
        (TEXT_ONLY, {"image": "a.png"}, "image", "makes films from text only"),
        (BEGINS, {}, "image", "begins with a picture"),
        (BEGINS, {"image": "a.png", "last": "b.png"}, "last", "takes no last frame"),
        (BOTH_ENDS, {"image": "a.png"}, "last", "from a first to a last frame"),
        (CARD, {"best_of": 4}, "best_of", "no latent reader"),
        (CARD, {"layout": {}}, "layout", "takes no layout"),
        (PAINTS, {"layout": {"edition": 1}}, "layout", "edition 1 of the world, the model of 2"),
        (PAINTS, {"layout": {"frames": 5}}, "layout", "a layout of 5 frames for 17"),
        (PAINTS, {"layout": {"aspect": 2.0}}, "layout", "2 times as wide as high"),
    ],
)
def test_what_cannot_be_used_is_named(card, settings, setting, message):
    with pytest.raises(InputError) as error:
        complete(card, {"prompt": "a cat", **settings})
    assert message in str(error.value)
    assert error.value.setting == setting


def test_a_narrow_picture_is_refused_by_its_name():
    with pytest.raises(InputError, match=r"thin\.png is 2x400: too narrow"):
        complete(CARD, {"prompt": "a cat", "image": "thin.png"}, picture=(400, 2))


def test_seconds_are_frames_or_refused_with_the_nearest_that_are():
    assert [frames_of(seconds, 8.0, CARD) for seconds in (0.5, 1, 2)] == [5, 9, 17]
    with pytest.raises(
        InputError,
        match=r"seconds=0.3: 2.4 frames.*multiple of 4. hint: 0.5, or a number of frames",
    ):
        frames_of(0.3, 8.0, CARD)


def test_a_layout_goes_with_the_prompt_seed_and_shape_that_it_was_drawn_for():
    before = complete(PAINTS, {"prompt": "a cat", "layout": Layout()})[0].model_dump()
    assert merge(before, {"steps": 5, "seed": None})["layout"] == before["layout"]
    assert "layout" not in merge(before, {"prompt": "a dog"})
    assert "layout" not in merge(before, {"seed": 1})


def test_a_card_survives_the_database():
    assert ModelCard.model_validate_json(CARD.model_dump_json()) == CARD


def test_completing_twice_changes_nothing():
    request, _ = complete(CARD, {"prompt": "a cat", "seed": 3, "guidance": 1.5})
    assert complete(CARD, request.model_dump())[0] == request
