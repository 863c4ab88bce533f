"""Films with entities that are called by name, on a tiny model that is given their pictures."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import praxino
from praxino.errors import InputError, MediaError
from praxino.generation import entities
from praxino.generation.entities import spoken
from praxino.generation.images import GivenImage, load_images, whole
from praxino.generation.memory import Memory, kept_pictures
from praxino.layout import parse_layout
from praxino.provenance.policy import Provenance
from praxino.references import Reference
from praxino.storage.objects import Objects
from support import tiny_models
from support.footage import textured

PLAIN = Provenance(watermark=False, credentials=False)
PIXELS = textured(4, 40, 30)
DOG = Reference(name="anna", kind="animal", description="a red dog")
BOB = Reference(name="Bob")
ANNA = {"name": "anna", "kind": "animal", "description": "a red dog"}


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "with-slots"
    tiny_models.with_slots(folder)
    return praxino.load(folder, device="cpu")


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number, frame in enumerate(PIXELS):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return [str(folder / f"{number}.png") for number in range(len(PIXELS))]


def film(pipeline, prompt, *references, **settings):
    return pipeline.generate(prompt, PLAIN, references=references or None, **settings)


def test_pictures_change_the_film_and_their_strength_is_a_dial(pipeline, files):
    said = film(pipeline, "a red dog runs").frames
    strong, weak, none = (
        film(pipeline, "@anna runs", ANNA | {"pictures": files[:2], "strength": strength}).frames
        for strength in (1.0, 1e-6, 0.0)
    )
    assert np.abs(strong.astype(int) - weak).max() > 0
    assert np.array_equal(none, said)


def test_pictures_may_have_a_guidance_of_their_own(pipeline, files):
    anna = ANNA | {"pictures": files[:2]}
    settings = {"guidance": 3.0, "seed": 2}
    together, alike, strong = (
        film(pipeline, "@anna runs", anna, reference_guidance=guidance, **settings).frames
        for guidance in (None, 3.0, 8.0)
    )
    assert np.abs(together.astype(int) - alike).max() <= 1
    assert np.abs(together.astype(int) - strong).max() > 1
    for references in ([ANNA], [anna | {"strength": 0}]):
        with pytest.raises(InputError, match="given no pictures"):
            pipeline.request("@anna runs", references=references, reference_guidance=3.0)
    with pytest.raises(InputError, match="nothing is guided"):
        pipeline.request("@anna", references=[anna], reference_guidance=3.0, guidance=1.0)


def test_a_film_without_references_is_as_before(pipeline):
    assert np.array_equal(film(pipeline, "a cat").frames, film(pipeline, "a cat").frames)
    request = pipeline.request("a cat")
    assert pipeline.conditioning(request, ()).pictures is None


def test_the_negative_sentence_sees_no_picture(pipeline, files):
    request = pipeline.request("@anna runs", references=[ANNA | {"pictures": files[:3]}])
    images = [GivenImage.read(Path(file)) for file in files[:3]]
    conditions = pipeline.conditioning(request, images)
    assert conditions.pictures.there.tolist() == [[True] * 3, [False] * 3]
    assert conditions.pictures.index.tolist()[0] == [0, 1, 2]
    assert conditions.names[0].max() == 1
    assert conditions.names[1].max() == 0


def test_two_entities_have_slots_of_their_own(pipeline, files):
    bob = {"name": "bob", "pictures": files[2:3]}
    request = pipeline.request("@bob sees @anna", references=[ANNA | {"pictures": files[:2]}, bob])
    assert pipeline.sentence(request) == "zzb sees zza a red dog"


def test_references_go_with_edits_and_pictures(pipeline, files):
    whole_film = film(
        pipeline, "@anna runs", ANNA | {"pictures": files[:1]}, image=files[1], height=32, width=32
    )
    assert whole_film.frames.shape == (5, 32, 32, 3)
    loop = film(pipeline, "@anna runs", ANNA | {"pictures": files[:1]}, edit={"task": "loop"})
    assert len(loop.frames) == 8


def test_the_record_names_content_and_the_memory_finds_it(pipeline, files, tmp_path, monkeypatch):
    monkeypatch.setenv("PRAXINO_MEMORY", str(tmp_path))
    memory = Memory(Objects(str(tmp_path)))
    memory.add("anna", [kept_pictures(Path(file))[0] for file in files[:2]], "animal", "a red dog")
    video = film(pipeline, "@Anna runs")
    (reference,) = video.record["references"]
    assert reference["pictures"] == [one.digest for one in memory.find("anna").pictures]
    settings = {"references": video.record["references"], "seed": video.record["seed"]}
    again = film(pipeline, "@Anna runs", *settings.pop("references"), **settings)
    assert np.array_equal(again.frames, video.frames)
    memory.remove("anna")
    with pytest.raises(MediaError, match=r"no picture sha256:.* in the memory"):
        film(pipeline, "@Anna runs", reference)
    given = film(pipeline, "@image1 runs", {"name": "image1", "pictures": files[:1]})
    digest = hashlib.sha256(Path(files[0]).read_bytes()).hexdigest()
    assert given.record["references"][0]["pictures"] == [f"sha256:{digest}"]


def test_an_unknown_name_is_refused(pipeline, tmp_path, monkeypatch):
    monkeypatch.setenv("PRAXINO_MEMORY", str(tmp_path))
    with pytest.raises(InputError, match="nothing is called @anna"):
        pipeline.request("@anna runs")


def test_models_without_slots_say_so(tiny_model, files):
    pipeline = praxino.load(tiny_model, device="cpu")
    _, notes = pipeline.complete("@anna runs", references=[ANNA | {"pictures": files[:1]}])
    assert notes == ["tiny is given no picture of @anna: its description says what it is"]


def test_a_whole_picture_keeps_its_ground():
    picture = np.full((10, 20, 3), 200, np.uint8)
    picture[4:6, 8:12] = 0
    fitted = whole(picture, 20, 20)
    assert fitted.shape == (20, 20, 3)
    assert (fitted[:4] == 200).all()
    assert fitted[10, 10].max() < 60


def test_a_model_with_slots_reads_words_and_descriptions_once():
    words = ["zza", "zzb"]
    assert (
        spoken("@anna runs, @bob follows @anna", (DOG, BOB), words)
        == "zza a red dog runs, zzb follows zza"
    )


def test_other_models_read_descriptions():
    assert spoken("@anna runs, and @Anna jumps", (DOG,)) == "a red dog runs, and the red dog jumps"
    assert spoken("mail a@@b", ()) == "mail a@b"


def test_styles_and_places_need_no_mention():
    style = Reference(name="ink", kind="style", description="a drawing in ink")
    place = Reference(name="home", kind="place", description="in a small garden")
    said = spoken("@anna runs", (DOG, style, place))
    assert said == "a drawing in ink. a red dog runs, in a small garden"


def layout_of(*words):
    """A layout of still things side by side, each of a kind and a colour."""
    things = [
        {
            "kind": kind, "colour": colour, "motion": "still", "heading": 1, "depth": number,
            "boxes": [[(number + 0.5) / len(words), 0.5, 0.3, 0.3]] * 17,
        }
        for number, (colour, kind) in enumerate(word.split() for word in words)
    ]  # fmt: skip
    return parse_layout({"things": things})


@pytest.fixture(scope="module", name="caster")
def _caster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "with-portraits"
    tiny_models.with_portraits(folder)
    return praxino.load(folder, device="cpu")


@pytest.mark.parametrize(
    ("prompt", "description", "name"),
    [
        ("@anna the dog chases a cat", "", [None, "anna", None]),
        ("@anna the dog chases a cat", "a red dog", [None, None, "anna"]),
        ("a cat sleeps beside the dog @anna.", "", [None, "anna", None]),
        ("@Anna runs", "a red cat", ["anna", None, None]),
        ("@anna and a cat", "", [None, None, None]),
        ("@anna chases a cat", "a red dog", [None, None, "anna"]),
        ("@anna runs", "somebody", [None, None, None]),
    ],
)
def test_a_layout_says_which_thing_an_entity_is(caster, files, prompt, description, name):
    anna = ANNA | {"description": description, "pictures": files[:1]}
    layout = layout_of("blue cat", "black dog", "red dog")
    request = caster.request(prompt, references=[anna], layout=layout)
    found = entities.named(layout, request, caster.card)
    assert [thing.name for thing in found.things] == name


def test_names_that_a_layout_has_stay_and_the_last_thing_is_the_last_entity(caster, files):
    pair = [{"name": name, "pictures": files[:1]} for name in ("anna", "bob")]
    request = caster.request("@bob and @anna, who is a cat", references=pair)
    first = entities.named(layout_of("red cat", "red dog"), request, caster.card)
    assert [thing.name for thing in first.things] == ["anna", "bob"]
    turned = [
        thing.model_copy(update={"name": name})
        for thing, name in zip(first.things, ("bob", None), strict=True)
    ]
    given = first.model_copy(update={"things": tuple(turned)})
    assert entities.named(given, request, caster.card) == given


def test_portraits_stand_in_the_boxes_of_their_things(caster, files):
    anna = ANNA | {"pictures": files[:2], "description": ""}
    settings = {"layout": layout_of("blue dog", "red dog"), "seed": 3}
    request = caster.laid_out(caster.request("@anna the dog", references=[anna], **settings))
    assert [thing.name for thing in request.layout.things] == ["anna", None]
    pictures = caster.conditioning(request, load_images(request.pictures)).pictures
    drawn = caster.layout(request, pictures)
    told = caster.model.layout.config.channels
    assert drawn.shape[1] == told + 16
    assert drawn[:, told:, :, :, :2].any()
    assert not drawn[:, told:, :, :, 2:].any()
    blue = len(caster.model.layout.config.kinds) + caster.model.layout.config.colours.index("blue")
    assert caster.layout(request)[:, blue].any()
    assert not drawn[:, blue].any()
    frames = [
        film(caster, "@anna the dog", anna, **settings | {"layout": layout}).frames
        for layout in (request.layout, renamed(request.layout, None, "anna"))
    ]
    assert not np.array_equal(*frames)


def renamed(layout, *names):
    """A layout whose things have these names."""
    things = [
        thing.model_copy(update={"name": name})
        for thing, name in zip(layout.things, names, strict=True)
    ]
    return layout.model_copy(update={"things": tuple(things)})


def test_films_of_windows_have_portraits_and_say_so(caster, files):
    anna = ANNA | {"pictures": files[:1]}
    whole = film(caster, "@anna the dog runs", anna, frames=33)
    assert len(whole.frames) == 33
    names = {thing["name"] for thing in whole.record["layout"]["things"]}
    assert names in ({"anna"}, {"anna", None}, {None}, set())
    strange = film(caster, "@anna the dog runs", ANNA | {"pictures": files[1:2]}, frames=33)
    assert not np.array_equal(whole.frames, strange.frames)


def test_names_of_a_layout_are_names_and_each_is_one_thing():
    tree = layout_of("red dog", "red cat").model_dump(mode="json")
    for names in (("", None), ("@anna", None), ("anna", "Anna")):
        for thing, name in zip(tree["things"], names, strict=True):
            thing["name"] = name
        with pytest.raises(InputError, match="layout"):
            parse_layout(tree)


def test_a_layout_that_calls_a_thing_what_nobody_is_called_is_refused(caster, files):
    anna = ANNA | {"pictures": files[:1]}
    layout = renamed(layout_of("red dog"), "ana")
    with pytest.raises(InputError, match="calls a thing @ana, whom the sentence"):
        caster.request("@anna runs", references=[anna], layout=layout)
