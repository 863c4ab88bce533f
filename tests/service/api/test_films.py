"""Films of many shots over the API: scripts, takes, what is thought of them, the whole film."""

import time

import pytest

from praxino.provenance.verify import verify
from praxino.service.queue.films import Films
from praxino.storage.media.frames import read_video
from support.client import refused

PATH = "/v1/films"
SCRIPT = {
    "title": "A walk",
    "size": "32x32",
    "steps": 2,
    "cast": {"rex": {"kind": "animal", "description": "a brown dog"}},
    "shots": [
        {"id": "One-1", "prompt": "@rex runs", "frames": 5},
        {"id": "two", "prompt": "@rex jumps", "cut": False, "frames": 5},
    ],
}


def changed(number, **more):
    shots = [dict(shot) for shot in SCRIPT["shots"]]
    shots[number] |= more
    return SCRIPT | {"shots": shots}


def sent(client, script=SCRIPT):
    answer = client.post(PATH, json={"script": script})
    assert answer.status_code == 200, answer.text
    return answer.json()


def made(client, film, **body):
    answer = client.post(f"{PATH}/{film['id']}/takes", json=body)
    assert answer.status_code == 200, answer.text
    until = time.monotonic() + 60
    while (film := client.get(f"{PATH}/{film['id']}").json())["status"] in (
        "queued",
        "in_progress",
    ):
        assert time.monotonic() < until
        time.sleep(0.05)
    return film


def takes(film):
    return {(shot["id"], take["number"]): take for shot in film["shots"] for take in shot["takes"]}


def test_a_film_from_its_script_to_its_end(running, tmp_path):
    client = running.client
    film = sent(client)
    assert (film["status"], film["has_content"], film["title"]) == ("idle", False, "A walk")
    assert film["script"]["shots"][1]["cut"] is False
    refused(client.get(f"{PATH}/{film['id']}/content"), 409, "not_ready")
    film = made(client, film)
    assert film["status"] == "completed", film
    assert list(takes(film)) == [("One-1", 1), ("two", 1)]
    assert all(take["current"] for take in takes(film).values())
    content = client.get(f"{PATH}/{film['id']}/content")
    assert content.headers["content-type"] == "video/mp4"
    (tmp_path / "film.mp4").write_bytes(content.content)
    assert len(read_video(tmp_path / "film.mp4").frames) == 9
    said = verify(tmp_path / "film.mp4")
    assert said.credentials.ingredients == ("One-1-001.mp4", "two-001.mp4")
    (tmp_path / "take.mp4").write_bytes(client.get(takes(film)["two", 1]["url"]).content)
    assert len(read_video(tmp_path / "take.mp4").frames) == 4
    assert [one["id"] for one in client.get(PATH).json()["data"]] == [film["id"]]
    assert client.delete(f"{PATH}/{film['id']}").json()["object"] == "film.deleted"
    for path in ("", "/content", "/takes/two/1"):
        refused(client.get(f"{PATH}/{film['id']}{path}"), 404)
    assert not [path for path in (tmp_path / "films" / "films").rglob("*") if path.is_file()]


def test_takes_are_judged_and_made_again(running):
    client = running.client
    film = made(client, sent(client))
    path = f"{PATH}/{film['id']}/takes"
    film = client.patch(f"{path}/two/1", json={"state": "rejected"}).json()
    assert takes(film)["two", 1]["state"] == "rejected"
    film = made(client, film)
    assert set(takes(film)) == {("One-1", 1), ("two", 1), ("two", 2)}
    assert takes(film)["two", 2]["current"]
    film = client.patch(f"{path}/two/1", json={"state": "kept"}).json()
    film = made(client, film)
    assert takes(film)["two", 1]["current"]
    refused(client.patch(f"{path}/two/9", json={"state": "kept"}), 404, "not_found")
    refused(client.patch(f"{path}/two/1", json={"state": "good"}), 400)


def test_a_changed_shot_alone_is_made_again(running):
    client = running.client
    film = made(client, sent(client))
    answer = client.put(f"{PATH}/{film['id']}", json={"script": changed(1, prompt="a cat")})
    assert answer.status_code == 200, answer.text
    film = made(client, film)
    assert set(takes(film)) == {("One-1", 1), ("two", 1), ("two", 2)}
    seeds = {which: take["seed"] for which, take in takes(film).items()}
    assert seeds["two", 1] == seeds["two", 2] != seeds["One-1", 1]  # other words, the same noise


def test_single_shots_are_made(running):
    client = running.client
    film = made(client, sent(client), only=["One-1"])
    assert set(takes(film)) == {("One-1", 1)}
    assert not film["has_content"]
    refused(client.post(f"{PATH}/{film['id']}/takes", json={"only": ["zwei"]}), 400, said="no shot")


def test_one_job_at_a_time(idle):
    client = idle.client
    film = sent(client)
    client.post(f"{PATH}/{film['id']}/takes", json={})
    for answer in (
        client.post(f"{PATH}/{film['id']}/takes", json={}),
        client.put(f"{PATH}/{film['id']}", json={"script": SCRIPT}),
        client.patch(f"{PATH}/{film['id']}/takes/two/1", json={"state": "kept"}),
    ):
        refused(answer, 409, "conflict")
    film = client.post(f"{PATH}/{film['id']}/cancel").json()
    assert film["status"] == "cancelled"
    assert client.put(f"{PATH}/{film['id']}", json={"script": SCRIPT}).status_code == 200


def test_a_shot_that_cannot_be_made_is_named(running):
    film = made(running.client, sent(running.client, changed(0, frames=None, seconds=1.3)))
    assert film["status"] == "failed"
    assert "shot One-1" in film["error"]["message"]


def test_characters_play_in_films(running):
    body = {"name": "bob", "description": "a blue cat", "kind": "animal"}
    running.client.post("/v1/videos/characters", json=body)
    film = made(running.client, sent(running.client, changed(0, prompt="@bob runs")))
    assert film["status"] == "completed", film


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({}, "shots"),
        (changed(0, image="/etc/passwd"), "no files here"),
        (changed(0, layout="layout.json"), "no files here"),
        (changed(0, task={"task": "restyle", "video": "a.mp4"}), "no files here"),
        (SCRIPT | {"cast": {"rex": {"pictures": ["a.png"]}}}, "no files here"),
        (changed(0, prompt="@nobody runs"), "nothing is called @nobody"),
        (changed(1, id="One-1"), "there twice"),
        (changed(0, image="shot:two"), "need one another"),
        (changed(0, colour="red"), "colour"),
    ],
)
def test_what_is_no_script(client, script, message):
    error = refused(client.post(PATH, json={"script": script}), 400)
    assert message in error["message"]


def test_films_are_their_owners(running, tmp_path):
    film = sent(running.client)
    assert Films(running.objects, "").find(film["id"]) is not None
    assert Films(running.objects, "key_1").find(film["id"]) is None
    refused(running.client.get(f"{PATH}/film_{'0' * 32}"), 404, "not_found")


def test_shots_have_no_more_pixels_than_films(idle):
    client = idle.client
    for change in (
        {"size": "4096x4096"},
        {"shots": [{"id": "a", "prompt": "a cat", "frames": 99997}]},
    ):
        script = {"shots": [{"id": "a", "prompt": "a cat"}], **change}
        film = client.post(PATH, json={"script": script}).json()
        answer = client.post(f"{PATH}/{film['id']}/takes", json={})
        refused(answer, 400, said="too much for here")
