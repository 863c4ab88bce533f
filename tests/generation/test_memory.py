"""What is remembered by name: kept small and clean, found again, and gone when it is removed."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from praxino.cli import app as cli
from praxino.errors import InputError, MediaError
from praxino.generation.memory import MAX_PICTURES, Memory, kept_pictures
from praxino.storage.objects import Objects
from support.footage import textured


@pytest.fixture(name="memory")
def _memory(tmp_path):
    return Memory(Objects(str(tmp_path / "store")))


@pytest.fixture(name="paths")
def _paths(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path, frame in zip(paths, textured(6, 48, 40), strict=True):
        Image.fromarray(frame).save(path)
    return paths


@pytest.fixture(name="pictures")
def _pictures(paths):
    return [kept_pictures(path)[0] for path in paths]


def test_what_is_added_is_found_by_any_case(memory, pictures):
    entity = memory.add("Anna", pictures[:2], "animal", "a red dog")
    assert memory.find("anna") == memory.find("ANNA") == entity
    assert [one.name for one in memory.entities()] == ["Anna"]
    more = memory.add("Anna", pictures[1:3])
    with pytest.raises(InputError, match="are one name"):
        memory.add("ANNA", description="a black cat")
    assert len(more.pictures) == 3  # one of them was there
    assert (more.kind, more.description, more.created) == ("animal", "a red dog", entity.created)
    image = memory.image(more.pictures[0].digest)
    assert np.array_equal(image.pixels, textured(6, 48, 40)[0])


def test_owners_do_not_see_one_another(memory, pictures):
    other = Memory(memory.objects, "key_1")
    memory.add("anna", pictures[:1], "animal")
    assert other.entities() == []
    with pytest.raises(InputError, match="nothing is called @anna"):
        other.find("anna")


def test_removing_leaves_nothing(memory, pictures, tmp_path):
    digest = memory.add("anna", pictures[:1], "animal").pictures[0].digest
    memory.remove("ANNA")
    assert memory.entities() == []
    assert memory.image(digest) is None
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    with pytest.raises(InputError, match="nothing is called @anna"):
        memory.remove("anna")


def test_pictures_are_kept_small_and_without_where_they_were_made(memory, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "at home"
    file = io.BytesIO()
    Image.fromarray(textured(1, 900, 1400)[0]).save(file, "JPEG", exif=exif)
    (tmp_path / "large.jpg").write_bytes(file.getvalue())
    digest = memory.add("garden", kept_pictures(tmp_path / "large.jpg"), "place").pictures[0].digest
    image = memory.image(digest)
    assert image.size == (329, 512)
    assert b"at home" not in image.content


def test_pictures_of_a_character_need_consent(memory, pictures):
    with pytest.raises(InputError, match="consent"):
        memory.add("anna", pictures[:1])
    memory.add("anna", pictures[:1], consent=True)
    with pytest.raises(InputError, match="consent"):
        memory.add("anna", pictures[1:2])
    memory.add("bob", description="a man in green")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("1anna", {"description": "a dog"}, "name='1anna'"),
        ("a/../b", {"description": "a dog"}, "name="),
        ("a" * 33, {"description": "a dog"}, "name="),
        ("anna", {}, "neither pictures nor a description"),
        ("anna", {"description": "d" * 201}, "description"),
        ("anna", {"description": "a dog", "kind": "person"}, "kind='person'"),
    ],
)
def test_what_cannot_be_kept(memory, name, settings, message):
    with pytest.raises(InputError, match=message):
        memory.add(name, **settings)
    assert memory.entities() == []


def test_pictures_that_show_nothing(tmp_path):
    Image.new("RGB", (40, 40), (9, 9, 9)).save(tmp_path / "blank.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"blank\.png shows nothing"):
        kept_pictures(tmp_path / "blank.png")
    for name in ("empty.png", "text.png", "absent.png"):
        with pytest.raises(MediaError):
            kept_pictures(tmp_path / name)


def test_too_many_pictures(memory, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(MAX_PICTURES + 1)]
    for path, frame in zip(paths, textured(len(paths), 24, 24), strict=True):
        Image.fromarray(frame).save(path)
    with pytest.raises(InputError, match=f"{MAX_PICTURES + 1} pictures: at most"):
        memory.add("anna", [kept_pictures(path)[0] for path in paths], "animal")


def test_a_model_is_given_those_first_that_were_given(memory, pictures):
    memory.add("anna", pictures[:2], "animal")
    entity = memory.add("anna", pictures[2:6], origin="shot:film/2/8")
    digests = memory.chosen_pictures(entity)
    assert len(digests) == 4
    assert digests[:2] == [one.digest for one in entity.pictures[:2]]
    assert set(digests[2:]) <= {one.digest for one in entity.pictures[2:]}


def test_what_is_damaged_can_be_removed(memory, pictures):
    memory.add("anna", pictures[:1], "animal")
    memory.objects.write("memory/own/anna/entity.json", b"{}")
    with pytest.raises(MediaError, match="praxino memory remove anna"):
        memory.find("anna")
    memory.remove("anna")
    assert memory.entities() == []


def test_the_command_line_remembers(tmp_path, paths, monkeypatch, tiny_model):
    monkeypatch.setenv("PRAXINO_MEMORY", str(tmp_path / "store"))
    run = lambda *words: CliRunner().invoke(cli.app, [str(word) for word in words])  # noqa: E731
    added = run("memory", "add", "anna", *paths[:2], "--kind", "animal", "--description", "a dog")
    assert added.stdout == "@anna: animal, 2 pictures\n"
    assert "@anna  animal  2         a dog" in run("memory", "list").stdout
    listed = json.loads(run("memory", "list", "--json").stdout)
    assert listed[0]["name"] == "anna"
    assert "given" in run("memory", "show", "anna", "-o", tmp_path / "sheet.png").stdout
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (320, 160)
    film = tmp_path / "film.mp4"
    made = run(
        "generate", "@anna runs", "--model", tiny_model, "-o", film, "--reference", "@anna:0.5"
    )
    assert made.exit_code == 0, made.output
    assert "tiny is given no picture of @anna" in made.output
    assert run("memory", "remove", "anna").exit_code == 0
    assert isinstance(run("memory", "show", "anna").exception, InputError)


def test_who_becomes_a_character_needs_consent(memory, pictures):
    memory.add("anna", pictures[:1], "object")
    with pytest.raises(InputError, match="need the consent"):
        memory.add("anna", kind="character")
    assert memory.add("anna", kind="character", consent=True).kind == "character"


def test_what_is_being_written_is_not_there_yet(memory, pictures):
    memory.add("anna", pictures[:1], "animal")
    memory.objects.write("memory/own/bob/" + "0" * 64 + ".png", pictures[1])
    assert [one.name for one in memory.entities()] == ["anna"]
    with pytest.raises(InputError, match="nothing is called @bob"):
        memory.find("bob")
    assert memory.image("sha256:" + "0" * 64) is None
    assert len(memory.add("bob", pictures[1:2], "animal").pictures) == 1


def test_one_picture_is_forgotten(memory, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("PRAXINO_MEMORY", str(tmp_path / "store"))
    first, second = memory.add("anna", pictures[:2], "animal").pictures
    run = lambda *words: CliRunner().invoke(cli.app, ["memory", "remove", *words])  # noqa: E731
    assert run("anna", "--picture", first.digest[:19]).exit_code == 0
    assert [one.digest for one in memory.find("anna").pictures] == [second.digest]
    assert memory.image(first.digest) is None
    assert isinstance(run("anna", "--picture", "0000").exception, InputError)
