"""What the API refuses, and how: bad orders, bad files, strangers, full disks; nothing leaks,
nothing is lost.
"""

import asyncio
import base64
import json
import math
import zlib

import pytest
import sqlalchemy as sa
from PIL import Image

from praxino.service import api_keys
from praxino.service.queue.jobs import JobResult, WorkerInfo
from praxino.service.queue.quotas import Quota
from praxino.service.queue.submission import safe_filename
from support.client import DOT, VIDEO, WORKER, order, refused
from support.recordings import card, tiled_heic


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"prompt": ""}, "prompt", "at least 1"),
        ({"prompt": "  "}, "prompt", "hint: say what"),
        ({"prompt": 3}, "prompt", "string"),
        ({"prompt": "x" * 2001}, "prompt", "at most 2000"),
        ({"prompt": "a\x00b"}, "prompt", "hint: say what"),
        ({"prompt": "\ud800"}, "prompt", "unicode"),
        ({"promt": "a cat"}, "promt", "not permitted"),
        ({"seconds": "1.3"}, "seconds", "multiple of 4. hint: 1 or 1.5"),
        ({"seconds": "-1"}, "seconds", "hint: 2"),
        ({"seconds": "2", "num_frames": 9}, "num_frames", "17 frames"),
        ({"seconds": 1.3}, "seconds", "multiple of 4"),
        ({"num_frames": 6}, "num_frames", "4k+1"),
        ({"num_frames": 0}, "num_frames", "greater"),
        ({"size": "63x64"}, "size", "hint: 48 or 64"),
        ({"size": "64 x 64"}, "size", "hint: 64x64"),
        ({"size": "64x64", "width": 64}, "width", "size says"),
        ({"size": "9984x9984"}, "size", "too much"),
        ({"seconds": "900"}, "size", "too much for here"),
        ({"model": "sora-2"}, "model", "unknown model 'sora-2'"),
        ({"model": "../../etc/passwd"}, "model", "unknown model"),
        ({"seed": -1}, "seed", "greater"),
        ({"seed": 2**60}, "seed", "less"),
        ({"seed": "7"}, "seed", "integer"),
        ({"seed": True}, "seed", "integer"),
        ({"num_inference_steps": 1001}, "num_inference_steps", "less"),
        ({"guidance_scale": 101}, "guidance_scale", "less"),
        ({"guidance_scale_2": 3}, "guidance_scale_2", "second expert"),
        ({"fps": 0}, "fps", "greater"),
        ({"extra_params": {"sampler": "eular"}}, "extra_params.sampler", "did you mean euler"),
        ({"extra_params": {"x": 1}}, "extra_params.x", "not permitted"),
        ({"extra_params": {"interval": [0.9, 0.1]}}, "extra_params.interval", "lower first"),
        ({"lora": "/etc/passwd"}, "lora", "not permitted"),
        (
            {"input_reference": {"image_url": "http://127.0.0.1/x.png"}},
            "input_reference.image_url",
            "hint: data:image/png",
        ),
        ({"priority": "now"}, "priority", "'low'"),
        (
            {"input_reference": {"image_url": "data:image/png;base64,AAA"}},
            "input_reference.image_url",
            "padding",
        ),
    ],
)
def test_orders_that_cannot_be(one_client, body, param, said):
    text = json.dumps({"prompt": "a cat", **body})
    answer = one_client.post(
        "/v1/videos", content=text, headers={"Content-Type": "application/json"}
    )
    refused(answer, 400, said=said, param=param)
    assert one_client.get("/v1/videos").json()["data"] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"prompt": NaN}',
        "[" * 100_000,
        '"a cat"',
        b"\xff\xfe{",
        '{"a": 1e999}',
    ],
)
def test_bodies_that_are_none(one_client, text):
    refused(
        one_client.post("/v1/videos", content=text, headers={"Content-Type": "application/json"}),
        400,
    )


def test_forms_that_are_none(client):
    def send(content, media="multipart/form-data; boundary=x"):
        return client.post("/v1/videos", content=content, headers={"Content-Type": media})

    refused(send(b"nothing", "multipart/form-data"), 400, "invalid_form")
    refused(send(b"--x\r\nnothing"), 400)
    refused(send(b"{}", "text/plain"), 415, "unsupported_media_type")
    refused(send(b"prompt=a", "application/x-www-form-urlencoded"), 415)
    twice = [("prompt", (None, "a cat")), ("prompt", (None, "a dog"))]
    refused(client.post("/v1/videos", files=twice), 400, "invalid_form", "twice")
    refused(
        client.post("/v1/videos", files=[("prompt", ("x.png", DOT))]),
        400,
        "invalid_form",
        "must not be a file",
    )
    refused(
        client.post(
            "/v1/videos", files=[("prompt", (None, "x")), ("input_reference", (None, "x"))]
        ),
        400,
        said="must be a file",
    )
    refused(
        client.post("/v1/videos", files=[("prompt", (None, "x")), ("extra_params", (None, "{"))]),
        400,
        "invalid_json",
    )
    refused(
        client.post("/v1/videos", files=[("prompt", (None, "x")), ("seed", (None, "seven"))]),
        400,
        param="seed",
    )
    refused(
        client.post("/v1/detect", data={"priority": "low"}, files={"other": ("a", b"b")}),
        400,
        "invalid_form",
    )
    refused(client.post("/v1/detect", files={"priority": (None, "low")}), 400, "missing_file")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"MZ" + bytes(90), 415),
        (b"<svg xmlns='x'/>", 415),
        (b"%PDF-1.7", 415),
        (b"#EXTM3U\n", 415),
    ],
)
def test_uploads_are_what_is_in_them(client, content, status):
    for path in ("/v1/detect", "/v1/verify"):
        refused(client.post(path, files={"file": ("film.mp4", content, "video/mp4")}), status)
    picture = {"input_reference": ("a.png", content, "image/png")}
    refused(client.post("/v1/videos", data={"prompt": "a cat"}, files=picture), status)
    film = {"input_reference": ("a.png", b"\0\0\0\x18ftypmp42" + bytes(90), "image/png")}
    refused(
        client.post("/v1/videos", data={"prompt": "a cat"}, files=film),
        415,
        said="PNG, JPEG, WebP, HEIC",
    )


def test_pictures_are_whole_and_not_too_large(client):
    def send(content):
        return client.post(
            "/v1/videos", data={"prompt": "a cat"}, files={"input_reference": ("a.png", content)}
        )

    refused(send(DOT[:20]), 400, said="cannot be read")
    refused(send(b"\xff\xd8\xff" + bytes(90)), 400, said="cannot be read")
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    bomb = (
        DOT[:8]
        + (13).to_bytes(4, "big")
        + header
        + zlib.crc32(header).to_bytes(4, "big")
        + DOT[33:]
    )
    refused(send(bomb), 400, said="at most 67,108,864 pixels")
    assert send(DOT).status_code == 200


def test_what_is_too_large(studio_of):
    studio = studio_of(max_upload_bytes=2000)
    studio.store.announce("w", WORKER)
    big = {"file": ("a.mp4", DOT + bytes(3000))}
    refused(studio.client.post("/v1/verify", files=big), 413, "too_large")
    pieces = (b"x" * 500_000 for _ in range(20))  # without a length said beforehand
    refused(
        studio.client.post(
            "/v1/videos", content=pieces, headers={"Content-Type": "application/json"}
        ),
        413,
        "too_large",
    )
    refused(studio.client.post("/v1/session", json={"key": "x" * 100_000}), 413, "too_large")
    assert order(studio.client).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../jobs.sqlite",
        "/%2e%2e/jobs.sqlite",
        "/..%2fjobs.sqlite",
        "/studio.py",
        "/v1/videos/..%2f..%2fjobs.sqlite/content",
        "/v1/videos/%2e%2e/content",
        "/v1/images/..%2f..%2fetc%2fpasswd",
        "/v1/detect/detect_/page",
        "/v1/videos/video_%00/content",
        "/%00",
        "//etc/passwd",
    ],
)
def test_no_path_of_a_request_reaches_the_file_system(one_client, path):
    refused(one_client.get(path), 404)


def test_ids_of_other_kinds_are_unknown(client, idle):
    film = order(client).json()["id"]
    for path in ("/v1/detect/", "/v1/verify/", "/v1/images/"):
        refused(client.get(path + film), 404)
    refused(client.get(f"/v1/videos/{VIDEO}"), 404)
    refused(client.post(f"/v1/videos/{VIDEO}/remix", json={"prompt": "a cat"}), 404)


def test_keys(studio_of):
    studio = studio_of()
    studio.store.announce("w", WORKER)
    may = Quota(per_minute=2, priority=0)
    (_, anna), (_, bert) = (
        api_keys.add_key(studio.store.database, name, may) for name in ("anna", "bert")
    )
    client = studio.client
    for headers in (
        {},
        {"Authorization": "Bearer px-wrong"},
        {"Authorization": anna},
        {"Authorization": f"Basic {anna}"},
        {"Authorization": "Bearer "},
        {"Cookie": "praxino_key=px-wrong"},
        {"Cookie": "praxino_key_8400=px-wrong", "Host": "localhost:8400"},
    ):
        error = refused(client.get("/v1/videos", headers=headers), 401, "invalid_api_key")
        assert anna not in error["message"]
        assert client.get("/v1/videos", headers=headers).headers["www-authenticate"] == "Bearer"
    refused(client.get("/metrics"), 401)
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    as_anna, as_bert = ({"Authorization": f"Bearer {key}"} for key in (anna, bert))
    film = client.post("/v1/videos", json={"prompt": "a cat"}, headers=as_anna).json()["id"]
    assert client.get(f"/v1/videos/{film}", headers=as_anna).status_code == 200
    assert client.get("/v1/videos", headers=as_bert).json()["data"] == []
    for method, path in (
        ("GET", ""),
        ("GET", "/content"),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/events"),
        ("GET", "/stream"),
        ("POST", "/turns"),
    ):
        refused(client.request(method, f"/v1/videos/{film}{path}", headers=as_bert), 404)
    high = {"prompt": "a cat", "priority": "high"}
    refused(
        client.post("/v1/videos", json=high, headers=as_bert), 403, "not_allowed", param="priority"
    )
    client.post("/v1/videos", json={"prompt": "a cat"}, headers=as_anna)
    answer = client.post("/v1/videos", json={"prompt": "a cat"}, headers=as_anna)
    refused(answer, 429, "rate_limit_exceeded", "more than 2 a minute")
    assert 1 <= int(answer.headers["retry-after"]) <= 60

    def never():
        pytest.fail("it was read")
        yield b""

    for path in (
        "/v1/videos",
        f"/v1/videos/{film}/remix",
        "/v1/images/generations",
        "/v1/detect",
        "/v1/verify",
    ):
        refused(client.post(path, content=never(), headers=as_anna), 429)


def test_a_key_for_the_page_is_a_cookie_that_scripts_cannot_read(studio_of):
    studio = studio_of()
    _, key = api_keys.add_key(studio.store.database, "anna", Quota())
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
    made, key = api_keys.add_key(studio.store.database, "anna", Quota())
    api_keys.add_key(studio.store.database, "bert", Quota())
    headers = {"Authorization": f"Bearer {key}"}
    assert studio.client.get("/v1/videos", headers=headers).status_code == 200
    api_keys.revoke_key(studio.store.database, made.id)
    monkeypatch.setattr("praxino.service.api.auth.KEY_CACHE_SECONDS", 0.0)
    refused(studio.client.get("/v1/videos", headers=headers), 401)


def test_without_keys_pages_of_others_and_other_names_are_refused(client):
    for host in (
        "evil.example",
        "evil.example:8400",
        "",
        "127.0.0.1.evil.example",
        "[::1",
        "0.0.0.0",
    ):
        refused(client.get("/v1/videos", headers={"Host": host}), 403, "wrong_host")
    for name in (
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
    ):  # behind a proxy, this machine may be anybody
        refused(client.get("/v1/videos", headers={name: "203.0.113.7"}), 403, "wrong_host")
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        refused(
            client.post("/v1/videos", json={"prompt": "a cat"}, headers=headers),
            403,
            "wrong_origin",
        )
    for headers in ({}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}):
        assert (
            client.post("/v1/videos", json={"prompt": "a cat"}, headers=headers).status_code == 200
        )
    assert (
        "access-control-allow-origin"
        not in client.get("/v1/videos", headers={"Origin": "http://evil.example"}).headers
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
    for path in (
        "/",
        "/studio.js",
        "/v1/videos",
        "/nothing",
        "/healthz",
        "/metrics",
        "/openapi.json",
    ):
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


def test_what_is_away_is_said_to_be_away(idle, monkeypatch):
    job = idle.store.claim("w", ["tiny"], ["video"]) if order(idle.client) else None
    idle.store.end(job, "completed", result=JobResult(files={"content": "film.mp4"}))

    def away(*_, **__):
        raise RuntimeError("EndpointConnectionError at https://secret")

    monkeypatch.setattr(idle.objects._fs, "info", away)
    monkeypatch.setattr(idle.objects._fs, "rm", away)
    for method, path in (("GET", "/content"), ("DELETE", "")):
        error = refused(
            idle.client.request(method, f"/v1/videos/{job.id}{path}"), 503, "unavailable"
        )
        assert "secret" not in error["message"]
    assert idle.client.get(f"/v1/videos/{job.id}").status_code == 200


def test_it_lives_while_the_database_is_away(idle, monkeypatch):
    assert idle.client.get("/readyz").status_code == 200
    monkeypatch.setattr("praxino.service.api.auth.KEY_CACHE_SECONDS", -1.0)

    def away(*_):
        raise sa.exc.OperationalError("select", {}, Exception("no server at /secret"))

    monkeypatch.setattr(idle.store.database._engine, "connect", away)
    assert idle.client.get("/healthz").status_code == idle.client.get("/").status_code == 200
    refused(idle.client.get("/readyz"), 503, "unavailable")
    refused(idle.client.get("/v1/videos"), 503, "unavailable")


def test_who_leaves_while_it_is_sent_is_no_error_of_ours(idle, caplog):
    async def leave():
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/videos",
            "query_string": b"",
            "http_version": "1.1",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        }
        sent = iter(
            [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
        )

        async def receive():
            return next(sent)

        async def send(_):
            pass

        await idle.app(scope, receive, send)

    asyncio.run(leave())
    assert caplog.text == ""


def test_places_of_pictures_are_taken_all_or_none(idle):
    may = Quota(per_minute=5, at_a_time=3)
    _, key = api_keys.add_key(idle.store.database, "anna", may)
    idle.studio._has_keys = (-math.inf, True)
    who = {"Authorization": f"Bearer {key}"}

    def ask(n):
        return idle.client.post(
            "/v1/images/generations", json={"prompt": "a sun", "n": n}, headers=who
        )

    refused(ask(4), 400, param="n", said="no more than 3 at once")
    assert idle.store.counts() == {}
    idle.client.post("/v1/videos", json={"prompt": "a cat"}, headers=who)
    refused(ask(3), 429, said="3 at a time")
    assert idle.store.counts() == {("video", "queued"): 1}
    for _ in range(2):  # what was refused cost nothing
        assert (
            idle.client.post("/v1/videos", json={"prompt": "a cat"}, headers=who).status_code == 200
        )


def test_a_default_that_nobody_has_is_not_replaced(studio_of):
    studio = studio_of()
    studio.studio.default = "large"
    studio.store.announce("w", WORKER)
    refused(order(studio.client), 503, "no_worker", "no worker has the model 'large'")
    assert order(studio.client, model="tiny").status_code == 200


def test_who_can_only_look_is_not_ready_for_films(studio_of):
    studio = studio_of()
    studio.store.announce("w", WorkerInfo(kinds=("verify",)))
    assert studio.client.get("/readyz").status_code == 503


def test_pages_that_are_let_in_see_what_is_refused(studio_of):
    client = studio_of(max_upload_bytes=100, origins=("https://maker.example",)).client
    origin = {"Origin": "https://maker.example"}
    answer = client.post("/v1/verify", files={"file": ("a.png", bytes(1000))}, headers=origin)
    refused(answer, 413)
    assert answer.headers["access-control-allow-origin"] == "https://maker.example"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]


def test_a_full_disk_refuses_and_loses_nothing(idle, room_for, monkeypatch, tmp_path):
    kept = order(idle.client).json()["id"]
    upload_stream = idle.objects.upload_stream

    def full(name, file):
        with room_for(10):
            upload_stream(name, file)

    monkeypatch.setattr(idle.objects, "upload_stream", full)
    answer = idle.client.post(
        "/v1/videos", data={"prompt": "a cat"}, files={"input_reference": ("a.png", DOT)}
    )
    refused(answer, 507, "storage_full")
    refused(idle.client.post("/v1/verify", files={"file": ("a.png", DOT)}), 507, "storage_full")
    monkeypatch.setattr(idle.objects, "upload_stream", upload_stream)
    assert [each["id"] for each in idle.client.get("/v1/videos").json()["data"]] == [kept]
    assert not [path for path in (tmp_path / "films").rglob("*") if path.is_file()]


def test_a_full_database_refuses_and_loses_nothing(idle):
    """SQLite says of a file that may not grow what it says of a full disk."""
    kept = [order(idle.client).json()["id"] for _ in range(3)]
    engine = idle.store.database._engine

    def full(connection, _):
        connection.execute(
            f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}"
        )

    sa.event.listen(engine, "connect", full)
    engine.dispose()
    answers = [order(idle.client, prompt="x" * 2000) for _ in range(9)]
    refused(answers[-1], 507, "storage_full")
    sa.event.remove(engine, "connect", full)
    engine.dispose()
    assert order(idle.client).status_code == 200
    found = {each["id"] for each in idle.client.get("/v1/videos?limit=100").json()["data"]}
    assert found > {*kept, *(each.json()["id"] for each in answers if each.status_code == 200)}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.mp4", "a.mp4"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\x.png", "x.png"),
        ("", ""),
        ("a\x00b\n.mp4", "ab.mp4"),
        ("x" * 300, "x" * 128),
        ("..", ".."),
    ],
)
def test_names_are_for_showing(name, said):
    assert safe_filename(name) == said


@pytest.mark.parametrize("ending", ["heic", "avif", "gif", "tif", "bmp", "jpg", "webp"])
def test_pictures_of_telephones_are_taken(client, tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    if ending == "heic":
        tiled_heic(path, card(256, 256))
    else:
        Image.fromarray(card(64, 64)).save(path)
    files = {"input_reference": (path.name, path.read_bytes())}
    answer = client.post("/v1/videos", data={"prompt": "a cat"}, files=files)
    assert answer.status_code == 200, answer.text
    inside = {
        "image_url": f"data:image/{ending};base64,{base64.b64encode(path.read_bytes()).decode()}"
    }
    if ending in ("heic", "avif", "gif", "webp"):
        body = {"prompt": "a cat", "input_reference": inside}
        assert client.post("/v1/videos", json=body).status_code == 200
