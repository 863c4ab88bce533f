"""The API as clients meet it. One worker makes films in this process, on a model of no size."""

import base64
import json
import subprocess
import sys

import pytest

from praxino.provenance.verify import verify
from praxino.service.api import files
from praxino.service.api.errors import ApiError
from praxino.service.queue.jobs import JobResult
from praxino.storage.media.formats import mime_type
from praxino.storage.media.frames import read_video
from support.client import DOT, VIDEO, ended, order, refused
from support.footage import textured, write


def test_it_needs_no_torch():
    code = (
        "import sys, praxino.service.api.app; print(sorted({'torch', 'cv2', 'av'} & "
        "set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
        == "[]\n"
    )


def test_a_film_from_order_to_deletion(running, tmp_path):
    client = running.client
    film = order(client, seconds="1", seed=7, num_inference_steps=3, size="32x32").json()
    assert (film["object"], film["status"], film["seconds"], film["size"]) == (
        "video",
        "queued",
        "1",
        "32x32",
    )
    film = ended(client, film["id"])
    assert (film["status"], film["progress"], film["has_content"], film["num_frames"]) == (
        "completed",
        100,
        True,
        9,
    )
    assert film["created_at"] <= film["completed_at"] < film["expires_at"]
    answer = client.get(f"/v1/videos/{film['id']}/content")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    (tmp_path / "film.mp4").write_bytes(answer.content)
    assert read_video(tmp_path / "film.mp4").frames.shape == (9, 32, 32, 3)
    assert verify(tmp_path / "film.mp4").outcome == "signed"
    for variant in ("thumbnail", "spritesheet"):
        answer = client.get(f"/v1/videos/{film['id']}/content?variant={variant}")
        assert (answer.headers["content-type"], mime_type(answer.content)) == (
            "image/png",
            "image/png",
        )
    other = client.post(
        f"/v1/videos/{film['id']}/remix", json={"prompt": "a dog", "seed": 8}
    ).json()
    assert (other["seed"], other["num_inference_steps"]) == (8, 3)
    remix = client.post(f"/v1/videos/{film['id']}/remix", json={"prompt": "a dog"}).json()
    assert (remix["remixed_from_video_id"], remix["seed"], remix["prompt"]) == (
        film["id"],
        7,
        "a dog",
    )
    assert ended(client, remix["id"])["status"] == "completed"
    assert client.delete(f"/v1/videos/{film['id']}").json() == {
        "id": film["id"],
        "object": "video.deleted",
        "deleted": True,
    }
    for method, path in (
        ("GET", ""),
        ("GET", "/content"),
        ("GET", "/events"),
        ("DELETE", ""),
        ("POST", "/cancel"),
    ):
        refused(client.request(method, f"/v1/videos/{film['id']}{path}"), 404)
    assert not (tmp_path / "films" / film["id"]).exists()


def test_a_form_of_strings_with_a_picture(running, tmp_path):
    values = {
        "prompt": "a cat",
        "seconds": "1",
        "seed": "7",
        "fps": "8",
        "num_inference_steps": "2",
        "guidance_scale": "2.5",
        "extra_params": '{"sampler": "euler"}',
    }
    answer = running.client.post(
        "/v1/videos", data=values, files={"input_reference": ("../../etc/x.png", DOT, "text/html")}
    )
    film = answer.json()
    assert (film["seed"], film["guidance_scale"], film["input_reference"]) == (7, 2.5, True)
    film = ended(running.client, film["id"])
    assert film["status"] == "completed", film["error"]
    assert film["settings"] == {"sampler": "euler"}
    (tmp_path / "film.mp4").write_bytes(
        running.client.get(f"/v1/videos/{film['id']}/content").content
    )
    assert verify(tmp_path / "film.mp4").credentials.ingredients == ("input.png",)
    given = running.client.get(f"/v1/videos/{film['id']}/content?variant=input_reference")
    assert (given.headers["content-type"], given.content) == ("image/png", DOT)
    again = running.client.post(f"/v1/videos/{film['id']}/remix", json={"prompt": "a dog"}).json()
    assert again["input_reference"]
    assert ended(running.client, again["id"])["status"] == "completed"
    inside = {"image_url": "data:image/png;base64," + base64.b64encode(DOT).decode()}
    assert order(running.client, input_reference=inside).json()["input_reference"]


def test_pictures_are_answered_when_they_are_made(running):
    answer = running.client.post(
        "/v1/images/generations", json={"prompt": "a sun", "n": 2, "seed": 1, "quality": "auto"}
    ).json()
    assert [mime_type(base64.b64decode(each["b64_json"])) for each in answer["data"]] == [
        "image/png"
    ] * 2
    assert answer["data"][0] != answer["data"][1]
    url = running.client.post(
        "/v1/images/generations", json={"prompt": "a sun", "response_format": "url"}
    ).json()["data"][0]
    picture = running.client.get(url["url"])
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert running.client.delete(url["url"]).json()["deleted"]
    refused(running.client.get(url["url"]), 404)
    assert running.client.get("/v1/videos").json()["data"] == []
    assert running.store.counts() == {}  # what was answered is not kept


def test_events_until_the_end(running):
    film = order(running.client, num_inference_steps=30).json()
    with running.client.stream("GET", f"/v1/videos/{film['id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    told = [block.split("\n") for block in text.strip().split("\n\n")]
    names = [lines[0].removeprefix("event: ") for lines in told]
    assert (names[0], names[-1]) == ("progress", "done")
    progress = [
        json.loads(lines[1].removeprefix("data: "))
        for lines in told
        if lines[0] == "event: progress"
    ]
    assert [each["progress"] for each in progress] == sorted(each["progress"] for each in progress)
    assert json.loads(told[-1][1].removeprefix("data: "))["status"] == "completed"


@pytest.mark.slow
def test_files_are_looked_at_and_the_evidence_runs_nothing(running):
    client = running.client
    film = ended(client, order(client, seconds="1").json()["id"])
    content = client.get(f"/v1/videos/{film['id']}/content").content
    said = client.post("/v1/verify?wait=60", files={"file": ("a/b\\c<script>.mp4", content)}).json()
    assert (said["status"], said["report"]["outcome"], said["file"]) == (
        "completed",
        "signed",
        "c<script>.mp4",
    )
    found = client.post("/v1/detect?wait=60", files={"file": ("<b>.mp4", content)}).json()
    assert found["report"]["verdict"] == "inconclusive"
    page = client.get(found["page"])
    assert "<b>.mp4" not in page.text
    assert "&lt;b&gt;.mp4" in page.text
    assert "sandbox" in page.headers["content-security-policy"]
    assert "script-src" not in page.headers["content-security-policy"]
    assert client.get(f"/v1/detect/{found['id']}").json() == found
    assert client.delete(f"/v1/detect/{found['id']}").json()["deleted"]
    refused(client.get(found["page"]), 404)
    refused(client.get(f"/v1/verify/{found['id']}"), 404)


def test_films_in_a_cloud(in_a_cloud, tmp_path):
    client = in_a_cloud.client
    answer = client.post(
        "/v1/videos", data={"prompt": "a cat"}, files={"input_reference": ("a.png", DOT)}
    )
    film = ended(client, answer.json()["id"])
    again = client.post(f"/v1/videos/{film['id']}/remix", json={"prompt": "a dog"})
    assert ended(client, again.json()["id"])["input_reference"]
    whole = client.get(f"/v1/videos/{film['id']}/content").content
    (tmp_path / "film.mp4").write_bytes(whole)
    assert verify(tmp_path / "film.mp4").outcome == "signed"
    part = client.get(f"/v1/videos/{film['id']}/content", headers={"Range": "bytes=5-24"})
    assert (part.status_code, part.content) == (206, whole[5:25])
    assert client.delete(f"/v1/videos/{film['id']}").json()["deleted"]
    assert in_a_cloud.objects.folders() == [again.json()["id"]]


def test_words_that_the_model_does_not_know_are_named(running):
    film = ended(
        running.client,
        order(running.client, prompt="a zanzibar over the sea", num_inference_steps=1).json()["id"],
    )
    assert film["notes"] == ["the model does not know 'zanzibar'"]


def test_stopping_twice_and_what_has_ended(idle):
    film = order(idle.client).json()
    for _ in range(2):
        assert idle.client.post(f"/v1/videos/{film['id']}/cancel").json()["status"] == "cancelled"
    refused(idle.client.get(f"/v1/videos/{film['id']}/content"), 404, "no_content")
    order(idle.client)
    job = idle.store.claim("w", ["tiny"], ["video"])
    idle.store.end(job, "completed", result=JobResult())
    refused(idle.client.post(f"/v1/videos/{job.id}/cancel"), 409, "conflict", "is completed")


def test_what_is_not_ready_is_no_file(client):
    film = order(client).json()
    assert film["queue_position"] == 0
    assert order(client).json()["queue_position"] == 1
    refused(client.get(f"/v1/videos/{film['id']}/content"), 409, "not_ready", "is queued")


def test_pages(client):
    made = [order(client, prompt=f"cat {number}").json()["id"] for number in range(5)]
    first = client.get("/v1/videos?limit=2").json()
    assert ([each["id"] for each in first["data"]], first["has_more"]) == (made[:2:-1], True)
    assert (first["first_id"], first["last_id"]) == (made[4], made[3])
    rest = client.get(f"/v1/videos?limit=9&after={first['last_id']}").json()
    assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (made[2::-1], False)
    up = client.get("/v1/videos?order=asc&limit=1").json()
    assert up["data"][0]["id"] == made[0]
    refused(client.get(f"/v1/videos?after={VIDEO}"), 404)
    for bad in ("limit=0", "limit=101", "limit=x", "order=up"):
        refused(client.get(f"/v1/videos?{bad}"), 400, "invalid_value")


def test_before_any_worker_has_come_up(studio_of):
    studio = studio_of()
    refused(order(studio.client), 503, "no_worker")
    assert studio.client.get("/readyz").status_code == 503
    assert studio.client.get("/v1/models").json()["data"] == []


def test_models_health_and_metrics(client):
    [model] = client.get("/v1/models").json()["data"]
    assert (model["id"], model["object"], model["ready"], model["defaults"]["frames"]) == (
        "tiny",
        "model",
        True,
        17,
    )
    assert client.get("/v1/models/tiny").json() == model
    refused(client.get("/v1/models/none/such"), 404)
    order(client)
    client.get("/nothing-but-a-guess")
    text = client.get("/metrics").text
    assert 'praxino_jobs{kind="video",status="queued"} 1.0' in text
    assert 'praxino_requests_total{method="POST",route="/v1/videos",status="200"} 1.0' in text
    assert "praxino_workers 1.0" in text
    assert "guess" not in text


def test_the_document_has_examples_and_no_routes_that_are_not_there(client):
    document = client.get("/openapi.json").json()
    assert document["components"]["schemas"]["VideoCreate"]["examples"]
    content = document["paths"]["/v1/videos"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data"}
    assert "422" not in json.dumps(document["paths"])


@pytest.mark.parametrize(
    ("asked", "size", "found"),
    [
        (None, 10, None),
        ("bytes=0-", 10, (0, 10)),
        ("bytes=2-4", 10, (2, 5)),
        ("bytes=2-99", 10, (2, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-99", 10, (0, 10)),
        ("bytes=1-2,4-5", 10, None),
        ("chars=1-2", 10, None),
        ("bytes=-", 10, None),
        ("bytes=5-4", 10, None),
        ("bytes=10-", 10, 416),
        ("bytes=0-0", 0, 416),
        ("bytes=-0", 10, 416),
    ],
)
def test_parts_of_files(asked, size, found):
    if found == 416:
        with pytest.raises(ApiError) as error:
            files.parse_range(asked, size)
        assert (error.value.status, error.value.headers["Content-Range"]) == (
            416,
            f"bytes */{size}",
        )
    else:
        assert files.parse_range(asked, size) == found


def test_parts_of_a_film(running):
    film = ended(running.client, order(running.client).json()["id"])
    address = f"/v1/videos/{film['id']}/content"
    whole = running.client.get(address).content
    part = running.client.get(address, headers={"Range": "bytes=5-24"})
    assert (part.status_code, part.content) == (206, whole[5:25])
    assert part.headers["content-range"] == f"bytes 5-24/{len(whole)}"
    refused(running.client.get(address, headers={"Range": f"bytes={len(whole)}-"}), 416)
    tag = part.headers["etag"]
    for known in (tag, f'"x", W/{tag}', "*"):
        answer = running.client.get(address, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert running.client.get(address, headers={"If-None-Match": '"x"'}).status_code == 200
    other = running.client.get(f"{address}?variant=thumbnail").headers["etag"]
    for held, status in ((tag, 206), (other, 200), ("Sun, 22 Nov 2026 00:00:00 GMT", 200)):
        assert (
            running.client.get(
                address, headers={"Range": "bytes=5-24", "If-Range": held}
            ).status_code
            == status
        )
    length = running.client.head(address)
    assert (length.status_code, length.content, length.headers["content-length"]) == (
        200,
        b"",
        str(len(whole)),
    )


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/v1/videos", "/v1/models/tiny", "/v1/videos/{id}/events"]
)
def test_head_is_as_get_without_a_body(idle, path):
    address = path.format(id=order(idle.client).json()["id"])
    assert idle.client.head(address).status_code == 200
    assert idle.client.head("/v1/videos/video_0").status_code == 404
    assert "HEAD" in idle.client.put("/v1/videos").headers["allow"]


def test_a_film_of_another_program_is_stamped(running, tmp_path):
    client = running.client
    source = write(tmp_path / "a.mkv", textured(16, 96, 128), 8)
    stamped = client.post(
        "/v1/stamp?wait=60",
        files={"file": ("b/holiday.mkv", source.read_bytes())},
        data={"model": "Veo 3", "by": "Acme", "edited": "true"},
    ).json()
    assert (stamped["status"], stamped["file"]) == ("completed", "holiday.mkv"), stamped
    assert stamped["report"]["outcome"] == "stamped"
    (tmp_path / "out.webm").write_bytes(client.get(stamped["content"]).content)
    (tmp_path / "out.c2pa").write_bytes(client.get(stamped["credentials"]).content)
    verdict = verify(tmp_path / "out.webm")
    assert verdict.outcome == "signed"
    assert verdict.agree
    assert verdict.credentials.declared_by == "Acme"
    assert verdict.credentials.source == "compositeWithTrainedAlgorithmicMedia"
    again = client.post(
        "/v1/stamp?wait=60", files={"file": ("a.webm", (tmp_path / "out.webm").read_bytes())}
    ).json()
    assert again["report"]["outcome"] == "marked before"
    assert again["content"] is None
    refused(client.get(f"/v1/stamp/{again['id']}/content"), 404)
    assert client.get(f"/v1/stamp/{stamped['id']}").json() == stamped
    assert client.delete(f"/v1/stamp/{stamped['id']}").json()["deleted"]
    refused(client.get(stamped["content"]), 404)
    broken = client.post(
        "/v1/stamp?wait=60", files={"file": ("a.mkv", source.read_bytes()[:400])}
    ).json()
    assert broken["status"] == "failed", broken
    refused(client.post("/v1/stamp", files={"model": (None, "x")}), 400)
