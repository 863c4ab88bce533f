"""The API as clients meet it: orders, answers, refusals. One worker makes films in this process, on a model of no size."""

import base64
import json
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from praxino.provenance.verify import verify
from praxino.service import limits, streams
from praxino.service.answers import ApiError
from praxino.service.limits import Limits
from praxino.service.uploads import shown, sniffed
from praxino.storage.video import read

CARD = {
    "id": "tiny", "digest": "0" * 12, "compression": [4, 8, 8], "patch": [1, 2, 2], "pictures": True,
    "needs_picture": False, "experts": 1, "samplers": ["euler", "unipc"],
    "defaults": {"frames": 17, "height": 64, "width": 64, "fps": 8.0, "steps": 20, "guidance": 3.0, "sampler": "unipc",
                 "shift": 1.0, "negative": "", "licence": "Apache-2.0"},
}  # fmt: skip
VIDEO = "video_" + "0" * 32
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP8z4APMOGVHbHSAEEsAROxCnMTAAAAAElFTkSuQmCC"
)


@pytest.fixture(name="idle")
def _idle(studio_of):
    """A studio whose worker was seen, and does nothing: what is ordered waits."""
    studio = studio_of()
    studio.store.announce("w", {"models": [CARD]})
    return studio


@pytest.fixture(name="client")
def _client(idle):
    return idle.client


def order(client, **body):
    return client.post("/v1/videos", json={"prompt": "a cat", **body})


def refused(answer, status, code=None, said="", param=None):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert said in error["message"], error
    if code:
        assert error["code"] == code
    if param:
        assert error["param"] == param
    return error


def ended(client, id_, seconds=60):
    until = time.monotonic() + seconds
    while (film := client.get(f"/v1/videos/{id_}").json())["status"] in ("queued", "in_progress"):
        assert time.monotonic() < until
        time.sleep(0.05)
    return film


def test_it_needs_no_torch():
    code = "import sys, praxino.service.app; print(sorted({'torch', 'cv2', 'av'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_film_from_order_to_deletion(running, tmp_path):
    client = running.client
    film = order(client, seconds="1", seed=7, num_inference_steps=3, size="32x32").json()
    assert (film["object"], film["status"], film["seconds"], film["size"]) == ("video", "queued", "1", "32x32")
    film = ended(client, film["id"])
    assert (film["status"], film["progress"], film["has_content"], film["num_frames"]) == ("completed", 100, True, 9)
    assert film["created_at"] <= film["completed_at"] < film["expires_at"]
    answer = client.get(f"/v1/videos/{film['id']}/content")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    (tmp_path / "film.mp4").write_bytes(answer.content)
    assert read(tmp_path / "film.mp4").frames.shape == (9, 32, 32, 3)
    assert verify(tmp_path / "film.mp4").outcome == "signed"
    for variant in ("thumbnail", "spritesheet"):
        answer = client.get(f"/v1/videos/{film['id']}/content?variant={variant}")
        assert (answer.headers["content-type"], sniffed(answer.content)) == ("image/png", "png")
    remix = client.post(f"/v1/videos/{film['id']}/remix", json={"prompt": "a dog"}).json()
    assert (remix["remixed_from_video_id"], remix["seed"], remix["prompt"]) == (film["id"], 7, "a dog")
    assert ended(client, remix["id"])["status"] == "completed"
    assert client.delete(f"/v1/videos/{film['id']}").json() == {
        "id": film["id"], "object": "video.deleted", "deleted": True,
    }  # fmt: skip
    for method, path in (("GET", ""), ("GET", "/content"), ("GET", "/events"), ("DELETE", ""), ("POST", "/cancel")):
        refused(client.request(method, f"/v1/videos/{film['id']}{path}"), 404)
    assert not (tmp_path / "films" / film["id"]).exists()


def test_a_form_of_strings_with_a_picture(running, tmp_path):
    values = {"prompt": "a cat", "seconds": "1", "seed": "7", "fps": "8", "num_inference_steps": "2",
              "guidance_scale": "2.5", "extra_params": '{"sampler": "euler"}'}  # fmt: skip
    answer = running.client.post(
        "/v1/videos", data=values, files={"input_reference": ("../../etc/x.png", DOT, "text/html")}
    )
    film = answer.json()
    assert (film["seed"], film["guidance_scale"], film["input_reference"]) == (7, 2.5, True)
    film = ended(running.client, film["id"])
    assert film["status"] == "completed", film["error"]
    assert film["settings"] == {"sampler": "euler"}
    (tmp_path / "film.mp4").write_bytes(running.client.get(f"/v1/videos/{film['id']}/content").content)
    assert verify(tmp_path / "film.mp4").credentials.ingredients == ("input.png",)
    again = running.client.post(f"/v1/videos/{film['id']}/remix", json={"prompt": "a dog"}).json()
    assert again["input_reference"]
    assert ended(running.client, again["id"])["status"] == "completed"
    inside = {"image_url": "data:image/png;base64," + base64.b64encode(DOT).decode()}
    assert order(running.client, input_reference=inside).json()["input_reference"]


def test_pictures_are_answered_when_they_are_made(running):
    answer = running.client.post("/v1/images/generations", json={"prompt": "a sun", "n": 2, "seed": 1}).json()
    assert [sniffed(base64.b64decode(each["b64_json"])) for each in answer["data"]] == ["png", "png"]
    assert answer["data"][0] != answer["data"][1]
    url = running.client.post("/v1/images/generations", json={"prompt": "a sun", "response_format": "url"}).json()[
        "data"
    ][0]
    picture = running.client.get(url["url"])
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert running.client.get("/v1/videos").json()["data"] == []


def test_events_until_the_end(running):
    film = order(running.client, num_inference_steps=30).json()
    with running.client.stream("GET", f"/v1/videos/{film['id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    told = [block.split("\n") for block in text.strip().split("\n\n")]
    names = [lines[0].removeprefix("event: ") for lines in told]
    assert (names[0], names[-1]) == ("progress", "done")
    progress = [json.loads(lines[1].removeprefix("data: ")) for lines in told if lines[0] == "event: progress"]
    assert [each["progress"] for each in progress] == sorted(each["progress"] for each in progress)
    assert json.loads(told[-1][1].removeprefix("data: "))["status"] == "completed"


def test_files_are_looked_at_and_the_evidence_runs_nothing(running):
    client = running.client
    film = ended(client, order(client, seconds="1").json()["id"])
    content = client.get(f"/v1/videos/{film['id']}/content").content
    said = client.post("/v1/verify?wait=60", files={"file": ("a/b\\c<script>.mp4", content)}).json()
    assert (said["status"], said["report"]["outcome"], said["file"]) == ("completed", "signed", "c<script>.mp4")
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


def test_stopping_twice_and_what_has_ended(idle):
    film = order(idle.client).json()
    for _ in range(2):
        assert idle.client.post(f"/v1/videos/{film['id']}/cancel").json()["status"] == "cancelled"
    refused(idle.client.get(f"/v1/videos/{film['id']}/content"), 404, "no_content")
    order(idle.client)
    job = idle.store.claim("w", ["tiny"], ["video"])
    idle.store.end(job, "completed", result={"files": {}})
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


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"prompt": ""}, "prompt", "at least 1"), ({"prompt": "  "}, "prompt", "match"), ({"prompt": 3}, "prompt", "string"),
        ({"prompt": "x" * 2001}, "prompt", "at most 2000"), ({"prompt": "a\x00b"}, "prompt", "match"),
        ({"prompt": "\ud800"}, "prompt", "unicode"), ({"promt": "a cat"}, "promt", "not permitted"),
        ({"seconds": "1.3"}, "seconds", "multiple of 4. hint: 1 or 1.5"), ({"seconds": "-1"}, "seconds", "match"),
        ({"seconds": "2", "num_frames": 9}, "num_frames", "17 frames"), ({"seconds": 2}, "seconds", "string"),
        ({"num_frames": 6}, "num_frames", "4k+1"), ({"num_frames": 0}, "num_frames", "greater"),
        ({"size": "63x64"}, "size", "hint: 48 or 64"), ({"size": "64 x 64"}, "size", "match"), ({"size": "64x64", "width": 64}, "width", "size says"),
        ({"size": "9984x9984"}, "size", "too much"), ({"seconds": "900"}, "size", "too much for here"),
        ({"model": "sora-2"}, "model", "unknown model 'sora-2'"), ({"model": "../../etc/passwd"}, "model", "unknown model"),
        ({"seed": -1}, "seed", "greater"), ({"seed": 2**60}, "seed", "less"), ({"seed": "7"}, "seed", "integer"), ({"seed": True}, "seed", "integer"),
        ({"num_inference_steps": 1001}, "num_inference_steps", "less"), ({"guidance_scale": 101}, "guidance_scale", "less"),
        ({"guidance_scale_2": 3}, "guidance_scale_2", "second expert"), ({"fps": 0}, "fps", "greater"),
        ({"extra_params": {"sampler": "eular"}}, "extra_params.sampler", "did you mean euler"), ({"extra_params": {"x": 1}}, "extra_params.x", "not permitted"),
        ({"extra_params": {"interval": [0.9, 0.1]}}, "extra_params.interval", "lower first"), ({"lora": "/etc/passwd"}, "lora", "not permitted"),
        ({"input_reference": {"image_url": "http://127.0.0.1/x.png"}}, "input_reference.image_url", "match"), ({"priority": "now"}, "priority", "'low'"),
        ({"input_reference": {"image_url": "data:image/png;base64,AAA"}}, "input_reference.image_url", "padding"),
    ],
)  # fmt: skip
def test_orders_that_cannot_be(client, body, param, said):
    text = json.dumps({"prompt": "a cat", **body})
    answer = client.post("/v1/videos", content=text, headers={"Content-Type": "application/json"})
    refused(answer, 400, said=said, param=param)
    assert client.get("/v1/videos").json()["data"] == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"prompt": NaN}', "[" * 100_000, '"a cat"', b"\xff\xfe{", '{"a": 1e999}']
)
def test_bodies_that_are_none(client, text):
    refused(client.post("/v1/videos", content=text, headers={"Content-Type": "application/json"}), 400)


def test_forms_that_are_none(client):
    def send(content, media="multipart/form-data; boundary=x"):
        return client.post("/v1/videos", content=content, headers={"Content-Type": media})

    refused(send(b"nothing", "multipart/form-data"), 400, "invalid_form")
    refused(send(b"--x\r\nnothing"), 400)
    refused(send(b"{}", "text/plain"), 415, "unsupported_media_type")
    refused(send(b"prompt=a", "application/x-www-form-urlencoded"), 415)
    twice = [("prompt", (None, "a cat")), ("prompt", (None, "a dog"))]
    refused(client.post("/v1/videos", files=twice), 400, "invalid_form", "twice")
    refused(client.post("/v1/videos", files=[("prompt", ("x.png", DOT))]), 400, "invalid_form", "must not be a file")
    refused(
        client.post("/v1/videos", files=[("prompt", (None, "x")), ("input_reference", (None, "x"))]),
        400,
        said="must be a file",
    )
    refused(
        client.post("/v1/videos", files=[("prompt", (None, "x")), ("extra_params", (None, "{"))]), 400, "invalid_json"
    )
    refused(client.post("/v1/videos", files=[("prompt", (None, "x")), ("seed", (None, "seven"))]), 400, param="seed")
    refused(client.post("/v1/detect", data={"priority": "low"}, files={"other": ("a", b"b")}), 400, "invalid_form")
    refused(client.post("/v1/detect", files={"priority": (None, "low")}), 400, "missing_file")


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"MZ" + bytes(90), 415), (b"<svg xmlns='x'/>", 415), (b"%PDF-1.7", 415), (b"#EXTM3U\n", 415)],
)
def test_uploads_are_what_is_in_them(client, content, status):
    for path in ("/v1/detect", "/v1/verify"):
        refused(client.post(path, files={"file": ("film.mp4", content, "video/mp4")}), status)
    picture = {"input_reference": ("a.png", content, "image/png")}
    refused(client.post("/v1/videos", data={"prompt": "a cat"}, files=picture), status)
    gif = {"input_reference": ("a.png", b"GIF89a" + bytes(90), "image/png")}
    refused(client.post("/v1/videos", data={"prompt": "a cat"}, files=gif), 415, said="PNG, JPEG or WebP")


def test_what_is_too_large(studio_of):
    studio = studio_of(upload=2000)
    studio.store.announce("w", {"models": [CARD]})
    big = {"file": ("a.mp4", DOT + bytes(3000))}
    refused(studio.client.post("/v1/verify", files=big), 413, "too_large")
    pieces = (b"x" * 500 for _ in range(9))  # without a length said beforehand
    refused(
        studio.client.post("/v1/videos", content=pieces, headers={"Content-Type": "application/json"}), 413, "too_large"
    )
    assert order(studio.client).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../jobs.sqlite", "/%2e%2e/jobs.sqlite", "/..%2fjobs.sqlite", "/studio.py", "/v1/videos/..%2f..%2fjobs.sqlite/content",
        "/v1/videos/%2e%2e/content", "/v1/images/..%2f..%2fetc%2fpasswd", "/v1/detect/detect_/page", "/v1/videos/video_%00/content", "/%00", "//etc/passwd",
    ],
)  # fmt: skip
def test_no_path_of_a_request_reaches_the_file_system(client, path):
    refused(client.get(path), 404)


def test_ids_of_other_kinds_are_unknown(client, idle):
    film = order(client).json()["id"]
    for path in ("/v1/detect/", "/v1/verify/", "/v1/images/"):
        refused(client.get(path + film), 404)
    refused(client.get(f"/v1/videos/{VIDEO}"), 404)
    refused(client.post(f"/v1/videos/{VIDEO}/remix", json={"prompt": "a cat"}), 404)


def test_keys(studio_of):
    studio = studio_of()
    studio.store.announce("w", {"models": [CARD]})
    may = Limits(per_minute=2, priority=0)
    (_, anna), (_, bert) = (limits.new_key(studio.store.database, name, may) for name in ("anna", "bert"))
    studio.studio._keys = (0.0, True)
    client = studio.client
    for headers in ({}, {"Authorization": "Bearer px-wrong"}, {"Authorization": anna}, {"Authorization": f"Basic {anna}"},
                    {"Authorization": "Bearer "}, {"Cookie": "praxino_key=px-wrong"}):  # fmt: skip
        error = refused(client.get("/v1/videos", headers=headers), 401, "invalid_api_key")
        assert anna not in error["message"]
        assert client.get("/v1/videos", headers=headers).headers["www-authenticate"] == "Bearer"
    refused(client.get("/metrics"), 401)
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    as_anna, as_bert = ({"Authorization": f"Bearer {key}"} for key in (anna, bert))
    film = client.post("/v1/videos", json={"prompt": "a cat"}, headers=as_anna).json()["id"]
    assert client.get(f"/v1/videos/{film}", headers=as_anna).status_code == 200
    assert client.get("/v1/videos", headers=as_bert).json()["data"] == []
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/events")):
        refused(client.request(method, f"/v1/videos/{film}{path}", headers=as_bert), 404)
    high = {"prompt": "a cat", "priority": "high"}
    refused(client.post("/v1/videos", json=high, headers=as_bert), 403, "not_allowed", param="priority")
    client.post("/v1/videos", json={"prompt": "a cat"}, headers=as_anna)
    answer = client.post("/v1/videos", json={"prompt": "a cat"}, headers=as_anna)
    refused(answer, 429, "rate_limit_exceeded", "2 jobs a minute")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_a_key_for_the_page_is_a_cookie_that_scripts_cannot_read(studio_of):
    studio = studio_of()
    _, key = limits.new_key(studio.store.database, "anna", Limits())
    studio.studio._keys = (0.0, True)
    refused(studio.client.post("/v1/session", json={"key": "px-wrong"}), 401)
    answer = studio.client.post("/v1/session", json={"key": key})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert studio.client.get("/v1/videos").status_code == 200
    studio.client.delete("/v1/session")
    refused(studio.client.get("/v1/videos"), 401)


def test_a_revoked_key_is_none_soon(studio_of, monkeypatch):
    studio = studio_of()
    made, key = limits.new_key(studio.store.database, "anna", Limits())
    limits.new_key(studio.store.database, "bert", Limits())
    studio.studio._keys = (0.0, True)
    headers = {"Authorization": f"Bearer {key}"}
    assert studio.client.get("/v1/videos", headers=headers).status_code == 200
    limits.revoke_key(studio.store.database, made.id)
    monkeypatch.setattr("praxino.service.access.REMEMBERED", 0.0)
    refused(studio.client.get("/v1/videos", headers=headers), 401)


def test_without_keys_pages_of_others_and_other_names_are_refused(client):
    for host in ("evil.example", "evil.example:8400", "", "127.0.0.1.evil.example", "[::1", "0.0.0.0"):
        refused(client.get("/v1/videos", headers={"Host": host}), 403, "wrong_host")
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"},
                    {"Sec-Fetch-Site": "cross-site"}):  # fmt: skip
        refused(client.post("/v1/videos", json={"prompt": "a cat"}, headers=headers), 403, "wrong_origin")
    for headers in ({}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}):
        assert client.post("/v1/videos", json={"prompt": "a cat"}, headers=headers).status_code == 200
    assert (
        "access-control-allow-origin" not in client.get("/v1/videos", headers={"Origin": "http://evil.example"}).headers
    )


def test_other_sites_can_be_let_in(studio_of):
    studio = studio_of(origins=("https://maker.example",))
    answer = studio.client.get("/v1/videos", headers={"Origin": "https://maker.example"})
    assert answer.headers["access-control-allow-origin"] == "https://maker.example"
    asked = {
        "Origin": "https://maker.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    before = studio.client.options("/v1/videos", headers=asked)
    assert before.status_code == 200
    assert "authorization" in before.headers["access-control-allow-headers"].lower()
    other = studio.client.options("/v1/videos", headers=asked | {"Origin": "https://evil.example"})
    assert (other.status_code, other.headers.get("access-control-allow-origin")) == (400, None)


def test_every_answer_is_dressed(client):
    for path in ("/", "/studio.js", "/v1/videos", "/nothing", "/healthz", "/metrics", "/openapi.json"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_what_goes_wrong_inside_says_nothing_of_it(idle, monkeypatch):
    def broken(*_):
        raise RuntimeError("/secret/path in memory")

    monkeypatch.setattr(idle.store, "page", broken)
    error = refused(idle.client.get("/v1/videos"), 500, "internal_error")
    assert "/secret" not in json.dumps(error)


def test_a_full_disk_refuses_and_loses_nothing(idle, room_for, monkeypatch, tmp_path):
    kept = order(idle.client).json()["id"]
    write = idle.objects.write

    def full(name, content):
        with room_for(10):
            write(name, content)

    monkeypatch.setattr(idle.objects, "write", full)
    answer = idle.client.post("/v1/videos", data={"prompt": "a cat"}, files={"input_reference": ("a.png", DOT)})
    refused(answer, 507, "storage_full")
    refused(idle.client.post("/v1/verify", files={"file": ("a.png", DOT)}), 507, "storage_full")
    monkeypatch.setattr(idle.objects, "write", write)
    assert [each["id"] for each in idle.client.get("/v1/videos").json()["data"]] == [kept]
    assert not [path for path in (tmp_path / "films").rglob("*") if path.is_file()]


def test_a_full_database_refuses_and_loses_nothing(idle):
    """SQLite says of a file that may not grow what it says of a full disk."""
    kept = [order(idle.client).json()["id"] for _ in range(3)]
    engine = idle.store.database._engine

    def full(connection, _):
        connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")

    sa.event.listen(engine, "connect", full)
    engine.dispose()
    answers = [order(idle.client, prompt="x" * 2000) for _ in range(9)]
    refused(answers[-1], 507, "storage_full")
    sa.event.remove(engine, "connect", full)
    engine.dispose()
    assert order(idle.client).status_code == 200
    found = {each["id"] for each in idle.client.get("/v1/videos?limit=100").json()["data"]}
    assert found > {*kept, *(each.json()["id"] for each in answers if each.status_code == 200)}


def test_before_any_worker_has_come_up(studio_of):
    studio = studio_of()
    refused(order(studio.client), 503, "no_worker")
    assert studio.client.get("/readyz").status_code == 503
    assert studio.client.get("/v1/models").json()["data"] == []


def test_models_health_and_metrics(client):
    [model] = client.get("/v1/models").json()["data"]
    assert (model["id"], model["object"], model["ready"], model["defaults"]["frames"]) == ("tiny", "model", True, 17)
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
        (None, 10, (0, 10)), ("bytes=0-", 10, (0, 10)), ("bytes=2-4", 10, (2, 5)), ("bytes=2-99", 10, (2, 10)), ("bytes=-3", 10, (7, 10)),
        ("bytes=-99", 10, (0, 10)), ("bytes=1-2,4-5", 10, (0, 10)), ("chars=1-2", 10, (0, 10)), ("bytes=-", 10, (0, 10)), ("bytes=0-0", 0, (0, 0)),
        ("bytes=10-", 10, None), ("bytes=5-4", 10, None), ("bytes=-0", 10, None),
    ],
)  # fmt: skip
def test_parts_of_files(asked, size, found):
    if found is None:
        with pytest.raises(ApiError) as error:
            streams.part(asked, size)
        assert (error.value.status, error.value.headers["Content-Range"]) == (416, f"bytes */{size}")
    else:
        assert streams.part(asked, size) == found


def test_parts_of_a_film(running):
    film = ended(running.client, order(running.client).json()["id"])
    address = f"/v1/videos/{film['id']}/content"
    whole = running.client.get(address).content
    part = running.client.get(address, headers={"Range": "bytes=5-24"})
    assert (part.status_code, part.content) == (206, whole[5:25])
    assert part.headers["content-range"] == f"bytes 5-24/{len(whole)}"
    refused(running.client.get(address, headers={"Range": f"bytes={len(whole)}-"}), 416)


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.mp4", "a.mp4"), ("/etc/passwd", "passwd"), ("..\\..\\x.png", "x.png"), ("", ""), ("a\x00b\n.mp4", "ab.mp4"), ("x" * 300, "x" * 128), ("..", "..")],
)  # fmt: skip
def test_names_are_for_showing(name, said):
    assert shown(name) == said
