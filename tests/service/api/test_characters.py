"""Characters of a caller, films that show them, and pictures at the ends of films."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from praxino.generation.growth import Candidate, Verifier
from support.client import DOT, WORKER, ended, order, refused
from support.footage import textured, write

PATH = "/v1/videos/characters"


def png(number=0, size=(40, 48)):
    file = io.BytesIO()
    Image.fromarray(textured(number + 1, *size)[number]).save(file, "PNG")
    return file.getvalue()


def url(content):
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def parts(*contents):
    return [("pictures", (f"{number}.png", one)) for number, one in enumerate(contents)]


@pytest.fixture(name="rex")
def _rex(running):
    body = {"name": "Rex", "kind": "animal", "description": "a brown dog"}
    answer = running.client.post(PATH, data=body, files=parts(png(0), png(1)))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_character_from_its_pictures_to_its_end(running, rex):
    client = running.client
    assert (rex["name"], rex["kind"], len(rex["pictures"])) == ("Rex", "animal", 2)
    assert client.get(f"{PATH}/rex").json() == rex
    assert client.get(PATH).json()["data"] == [rex]
    picture = client.get(rex["pictures"][0]["url"])
    assert picture.headers["content-type"] == "image/png"
    assert np.array_equal(
        np.asarray(Image.open(io.BytesIO(picture.content))), textured(1, 40, 48)[0]
    )
    more = {"name": "Rex", "pictures": [{"image_url": url(png(2))}]}
    assert len(client.post(PATH, json=more).json()["pictures"]) == 3
    assert client.delete(f"{PATH}/REX").json()["deleted"]
    for method, path in (
        ("GET", f"{PATH}/rex"),
        ("DELETE", f"{PATH}/rex"),
        ("GET", rex["pictures"][0]["url"]),
    ):
        refused(client.request(method, path), 404, "not_found")
    assert client.get(PATH).json()["data"] == []


def test_a_film_of_a_character_gives_four_pictures(client, tmp_path):
    content = write(tmp_path / "a.mp4", textured(9, 32, 32), 8).read_bytes()
    form = {"name": "rex", "kind": "animal"}
    answer = client.post(PATH, data=form, files={"video": ("a.mp4", content)})
    assert len(answer.json()["pictures"]) == 4


def test_a_film_shows_characters_by_name(running, rex):
    client = running.client
    film = order(client, prompt="@rex runs", num_inference_steps=2).json()
    assert film["references"] == ["Rex"]
    film = ended(client, film["id"])
    assert film["status"] == "completed", film
    assert "tiny is given no picture of @Rex" in " ".join(film["notes"])
    weak = order(client, prompt="@rex runs", references=[{"name": "rex", "strength": 0.5}]).json()
    assert weak["references"] == ["Rex"]
    remix = client.post(f"/v1/videos/{film['id']}/remix", json={"prompt": "@rex sleeps"}).json()
    assert ended(client, remix["id"])["references"] == ["Rex"]


def test_a_form_may_mention_them(running, rex):
    form = {"prompt": "@rex runs", "references": '[{"name": "rex", "strength": 2}]'}
    film = running.client.post(
        "/v1/videos", files={name: (None, text) for name, text in form.items()}
    )
    assert film.json()["references"] == ["Rex"], film.text


def test_a_picture_of_the_body_is_an_entity_too(running):
    references = [
        {"image_url": url(png(0))},
        {"image_url": url(png(1)), "name": "bob", "role": "character", "description": "a man"},
    ]
    film = order(running.client, prompt="@image1 and @bob", references=references).json()
    assert film["references"] == ["image1", "bob"]
    assert ended(running.client, film["id"])["status"] == "completed"


def test_films_begin_and_end_with_keyframes(running):
    client = running.client
    frames = [{"seconds": 0, "image_url": url(png(0))}, {"seconds": 0.5, "image_url": url(png(1))}]
    film = order(client, keyframes=frames, seconds="0.5", size="32x32").json()
    assert film["input_reference"]
    assert ended(client, film["id"])["status"] == "completed"
    ends = [{"role": "first", "image_url": url(png(0))}, {"role": "last", "image_url": url(png(1))}]
    assert order(client, references=ends).json()["input_reference"]
    middle = [frames[0], {"seconds": 0.25, "image_url": url(png(1))}]
    refused(
        order(client, keyframes=middle, seconds="0.5"), 400, said="at 0 and at 0.5",
        param="keyframes.1.seconds",
    )  # fmt: skip
    refused(order(client, keyframes=[frames[0], frames[0]]), 400, said="two pictures")
    refused(order(client, keyframes=frames[1:], seconds="0.5"), 400, param="last")


def test_an_image_that_was_made_here_is_a_picture(running):
    client = running.client
    body = {"prompt": "a dog", "size": "32x32", "response_format": "url"}
    made = client.post("/v1/images/generations", json=body).json()
    image = made["data"][0]["url"].rpartition("/")[2]
    references = [{"role": "first", "file_id": image}, {"name": "bob", "file_id": image}]
    film = order(client, prompt="@bob", references=references, size="32x32").json()
    assert (film["input_reference"], film["references"]) == (True, ["bob"])
    assert ended(client, film["id"])["status"] == "completed"
    twice = [{"file_id": image, "image_url": url(png(0))}]
    refused(order(client, references=twice), 400, said="not both", param="references.0")
    refused(order(client, keyframes=[{"seconds": 0}]), 400, said="a picture is needed")
    client.delete(f"/v1/images/{image}")
    refused(order(client, references=references[:1]), 404, said="no image of that id")


def test_a_forgotten_character_fails_its_film_and_no_other(studio_of, tiny_model):
    studio = studio_of(tiny_model)
    studio.store.announce("w", WORKER)  # seen, and not at work yet
    studio.client.post(PATH, data={"name": "rex", "kind": "animal"}, files=parts(png()))
    film = order(studio.client, prompt="@rex runs", size="32x32", num_frames=5).json()
    studio.client.delete(f"{PATH}/rex")
    other = order(studio.client, size="32x32", num_frames=5).json()
    with studio.at_work():
        film, other = (ended(studio.client, one["id"]) for one in (film, other))
    assert film["status"] == "failed"
    assert "forgotten" in film["error"]["message"]
    assert other["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "1a"}, "name"),
        ({"name": "rex"}, "neither pictures nor a description"),
        ({"name": "rex", "kind": "person", "description": "a"}, "kind"),
        ({"name": "rex", "description": "d" * 201}, "description"),
        ({"name": "rex", "pictures": [{"image_url": url(DOT)}]}, "consent"),
        ({"name": "rex", "pictures": [{"image_url": "http://a/b.png"}]}, "another form"),
        ({"name": "rex", "pictures": [{"image_url": url(b"text")}]}, "neither"),
        ({"name": "rex", "colour": "red"}, "colour"),
    ],
)
def test_what_is_no_character(client, body, message):
    answer = client.post(PATH, json=body)
    assert answer.status_code in (400, 415), answer.text
    assert message in answer.text


def test_pictures_that_show_nothing_or_are_broken(client):
    blank = io.BytesIO()
    Image.new("RGB", (30, 30)).save(blank, "PNG")
    form = {"name": "rex", "kind": "animal"}
    answer = client.post(PATH, data=form, files=parts(blank.getvalue()))
    refused(answer, 400, said="shows nothing", param="pictures")
    refused(client.post(PATH, data=form, files=parts(png()[:60])), 400, param="pictures")
    refused(client.post(PATH, data=form, files=parts(*[png()] * 9)), 400, "invalid_form")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"prompt": "@nobody runs"}, "nothing is called @nobody"),
        ({"prompt": "a", "references": [{"name": "nobody"}]}, "nothing is called @nobody"),
        ({"prompt": "a", "references": [{}]}, "a name, or a picture"),
        ({"prompt": "a", "references": [{"role": "first"}]}, "a picture is needed"),
        ({"prompt": "a", "references": [{"name": "a1", "strength": 3}]}, "strength"),
        (
            {
                "prompt": "a",
                "references": [{"name": f"n{i}", "description": "a"} for i in range(5)],
            },
            "5 entities",
        ),
    ],
)
def test_names_that_cannot_be(idle, body, message):
    assert message in refused(order(idle.client, **body), 400)["message"]


def test_callers_have_characters_of_their_own(studio_of):
    from praxino.service import api_keys
    from praxino.service.queue.quotas import Quota

    studio = studio_of()
    keys = [api_keys.add_key(studio.store.database, name, Quota(per_minute=0))[1] for name in "ab"]
    mine, other = ({"Authorization": f"Bearer {key}"} for key in keys)
    body = {"name": "rex", "description": "a brown dog", "kind": "animal"}
    assert studio.client.post(PATH, json=body, headers=mine).status_code == 200
    assert studio.client.get(PATH, headers=other).json()["data"] == []
    refused(studio.client.get(f"{PATH}/rex", headers=other), 404)
    refused(studio.client.get(PATH), 401)


def test_what_films_show_of_a_character_is_asked_for(running, rex, monkeypatch):
    client, views = running.client, textured(2, 48, 48, seed=9)
    found = iter([[Candidate(views[0], 2, 0.8)], [Candidate(views[1], 3, 0.7)]])
    monkeypatch.setattr(Verifier, "candidates", lambda *_: next(found))
    for _ in range(2):
        film = order(client, prompt="@rex runs", num_inference_steps=1).json()
        assert ended(client, film["id"])["status"] == "completed"
    character = client.get(f"{PATH}/rex").json()
    before = len(character["pictures"])
    first, second = character["proposals"]
    assert (first["likeness"], first["origin"][:6]) == (0.8, "video_")
    assert client.get(first["url"]).headers["content-type"] == "image/png"
    address = f"{PATH}/rex/proposals/"
    kept = client.post(address + first["digest"]).json()
    assert (len(kept["pictures"]), len(kept["proposals"])) == (before + 1, 1)
    assert client.delete(address + second["digest"]).json()["proposals"] == []
    refused(client.get(second["url"]), 404, "not_found")
    refused(client.post(address + second["digest"]), 404, "not_found")
    refused(client.delete(f"{PATH}/nobody/proposals/{'0' * 64}"), 404, "not_found")


def test_one_picture_is_forgotten(running, rex):
    first, second = rex["pictures"]
    answer = running.client.delete(first["url"])
    assert [one["digest"] for one in answer.json()["pictures"]] == [second["digest"]]
    refused(running.client.get(first["url"]), 404, "not_found")
    other = {"name": "tom", "kind": "animal", "description": "a cat"}
    assert running.client.post(PATH, json=other).status_code == 200
    moved = second["url"].replace("/Rex/", "/tom/")
    refused(running.client.get(moved), 404, "not_found")
    refused(running.client.delete(moved), 404, "not_found")


def test_a_sentence_is_made_longer_before_a_film_is_made(running, rex):
    answer = running.client.post("/v1/captions", json={"prompt": "@rex runs", "seed": 3}).json()
    assert answer["prompt_used"].startswith("@rex runs")
    assert len(answer["prompt_used"]) > 20
    again = running.client.post("/v1/captions", json={"prompt": "@rex runs", "seed": 3}).json()
    assert again == answer
    body = {"prompt": "@rex runs", "recaption": "llm"}
    assert "PRAXINO_LLM_URL" in running.client.post("/v1/captions", json=body).json()["notes"][0]
    refused(running.client.post("/v1/captions", json={"prompt": "@nobody runs"}), 400)
    refused(running.client.post("/v1/captions", json={"prompt": " "}), 400)


def test_pictures_without_a_name_are_counted_in_their_order(running):
    body = {"prompt": "@image1 chases @image2", "image_reference": [{"image_url": url(png(0))}]}
    body["references"] = [{"name": "bob", "description": "a cat"}, {"image_url": url(png(1))}]
    made = order(running.client, **body).json()
    assert made["status"] == "queued"
    form = {"prompt": "@image2 runs", "model": made["model"]}
    files = [("image_reference", (f"{n}.png", png(n))) for n in range(2)]
    answer = running.client.post("/v1/videos", data=form, files=files)
    assert answer.status_code == 200, answer.text
    refused(running.client.post("/v1/videos", data=form, files=[files[0]]), 400)
    several = [("image_reference", (f"{n}.png", png(n))) for n in range(5)]
    refused(running.client.post("/v1/videos", data=form, files=several), 400)


def test_proportions_say_a_size(running):
    wide = order(running.client, prompt="a cat", aspect_ratio="2:1", short_edge=32).json()
    assert wide["size"] == "64x32"
    assert order(running.client, aspect_ratio="1:1").json()["size"] == "32x32"
    for more in ({"size": "32x32", "aspect_ratio": "1:1"}, {"short_edge": 32}):
        refused(running.client.post("/v1/videos", json={"prompt": "a cat"} | more), 400)
    more = {"prompt": "a cat", "enable_frame_interpolation": True}
    answer = running.client.post("/v1/videos", json=more)
    refused(answer, 400)
    assert "no refiner" in answer.text
