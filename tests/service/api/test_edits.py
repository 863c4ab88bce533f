"""Films made from films over the API: of one that was made here, and of a file."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from praxino.provenance.verify import verify
from praxino.storage.media.frames import read_video
from support.client import VIDEO, ended, order, refused
from support.footage import textured, write


@pytest.fixture(name="film")
def _film(running):
    film = order(running.client, seconds="1", num_inference_steps=2, size="32x32").json()
    return ended(running.client, film["id"])


def sent(client, path, content, **fields):
    form = {name: (None, str(value)) for name, value in fields.items()}
    files = content if isinstance(content, dict) else {"video": ("film.mp4", content)}
    return client.post(path, files={**form, **files})


def frames(client, id_, tmp_path):
    path = tmp_path / f"{id_}.mp4"
    path.write_bytes(client.get(f"/v1/videos/{id_}/content").content)
    return read_video(path).frames, path


def test_a_film_that_was_made_here_goes_on(running, film, tmp_path):
    body = {"prompt": "it runs on", "video": {"id": film["id"]}, "seconds": "0.5"}
    longer = running.client.post("/v1/videos/extensions", json=body).json()
    assert longer["edit"] == "extend"
    done = ended(running.client, longer["id"])
    assert done["status"] == "completed", done
    whole, path = frames(running.client, done["id"], tmp_path)
    assert len(whole) == 9 + 4
    assert verify(path).credentials.ingredients == ("video.mp4",)


def test_a_file_goes_on_backward(running, tmp_path):
    content = write(tmp_path / "a.mp4", textured(9, 32, 32), 8).read_bytes()
    answer = sent(
        running.client, "/v1/videos/extensions", content, prompt="a cat", backward="true",
        seconds="0.5",
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    done = ended(running.client, answer.json()["id"])
    assert done["status"] == "completed", done
    assert len(frames(running.client, done["id"], tmp_path)[0]) == 9 + 5


def test_edits_with_masks_boxes_words_and_a_second_film(running, film, tmp_path):
    client = running.client
    mask = io.BytesIO()
    pixels = np.zeros((32, 32), np.uint8)
    pixels[:, 16:] = 255
    Image.fromarray(pixels).save(mask, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(mask.getvalue()).decode()}"
    source = {"prompt": "a dog", "video": {"id": film["id"]}, "num_inference_steps": 2}
    orders = []
    for body in (
        {},
        {"strength": "reimagine"},
        {"strength": 0.3, "source": "a cat"},
        {"task": "inpaint", "box": [0.25, 0.25, 0.75, 0.75]},
        {"task": "inpaint", "mask": {"image_url": url}},
        {"task": "outpaint", "size": "48x32"},
        {"task": "retake", "start": 0.5, "end": 0.8},
        {"task": "join", "second": {"id": film["id"]}, "seconds": 1},
        {"task": "loop", "seconds": 1},
    ):
        answer = client.post("/v1/videos/edits", json=source | body)
        assert answer.status_code == 200, (body, answer.text)
        orders.append((body, answer.json()["id"]))
    for body, id_ in orders:
        done = ended(client, id_)
        assert done["status"] == "completed", (body, done)
    content = write(tmp_path / "a.mp4", textured(9, 32, 32), 8).read_bytes()
    files = {"video": ("a.mp4", content), "mask": ("mask.png", mask.getvalue())}
    answer = sent(client, "/v1/videos/edits", files, prompt="a dog", task="inpaint")
    done = ended(client, answer.json()["id"])
    assert done["status"] == "completed", done
    left, _ = frames(client, done["id"], tmp_path)
    assert np.abs(left[:, :, :12].astype(int) - textured(9, 32, 32)[:, :, :12]).mean() < 12


def test_an_edit_can_be_remixed(running, film):
    client = running.client
    body = {"prompt": "a dog", "video": {"id": film["id"]}}
    first = client.post("/v1/videos/edits", json=body).json()
    again = client.post(f"/v1/videos/{first['id']}/remix", json={"prompt": "a bird"}).json()
    assert again["edit"] == "restyle"
    assert ended(client, again["id"])["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "a film is needed"),
        ({"video": {"id": VIDEO}}, 404, "no video of that id"),
        ({"video": {"id": "../etc"}}, 400, "video.id"),
        ({"video": {"id": VIDEO}, "task": "fly"}, 400, "task"),
        ({"video": {"id": VIDEO}, "strength": 2}, 400, "strength"),
        ({"video": {"id": VIDEO}, "box": [1, 2]}, 400, "box"),
    ],
)
def test_what_is_no_edit(idle, body, status, message):
    answer = idle.client.post("/v1/videos/edits", json={"prompt": "a dog", **body})
    assert message in refused(answer, status)["message"]


def test_edits_that_do_not_fit_their_film(running, film):
    client = running.client
    source = {"prompt": "a dog", "video": {"id": film["id"]}}
    for body, message in (
        ({"task": "inpaint"}, "a mask or a box"),
        ({"task": "join"}, "second"),
        ({"task": "retake", "start": 2, "end": 1}, "after start"),
        ({"task": "inpaint", "box": [0.5, 0.5, 0.2, 0.9]}, "box"),
    ):
        answer = client.post("/v1/videos/edits", json=source | body)
        assert message in refused(answer, 400)["message"], body
    late = client.post("/v1/videos/edits", json=source | {"task": "retake", "start": 7, "end": 8})
    done = ended(client, late.json()["id"])
    assert done["status"] == "failed"
    assert "the film has" in done["error"]["message"]


def test_a_film_that_is_not_there_yet(idle):
    film = order(idle.client).json()
    body = {"prompt": "a dog", "video": {"id": film["id"]}}
    refused(idle.client.post("/v1/videos/extensions", json=body), 409, "not_ready")


def test_files_that_are_no_films(idle, tmp_path):
    content = write(tmp_path / "a.mp4", textured(9, 32, 32), 8).read_bytes()
    for broken in (b"", b"text", content[: len(content) // 3]):
        answer = sent(idle.client, "/v1/videos/extensions", broken, prompt="a cat")
        assert answer.status_code in (400, 415), answer.text
        assert json.loads(answer.text)["error"]["param"] == "video"


def test_a_film_becomes_larger_and_faster(tmp_path, refining_model, studio_of):
    with studio_of(refining_model).at_work() as running:
        client = running.client
        assert client.get("/v1/models").json()["data"][0]["refines"]
        extra = {"enhance": "time"}
        made = order(client, num_inference_steps=2, size="32x32", extra_params=extra).json()
        film = ended(client, made["id"])
        assert film["settings"]["enhance"] == "time"
        before, _ = frames(client, film["id"], tmp_path)
        path = f"/v1/videos/{film['id']}/enhance"
        larger = client.post(path, json={}).json()
        done = ended(client, larger["id"])
        assert (done["status"], done["edit"]) == ("completed", "enhance"), done
        assert done["prompt"] == film["prompt"]
        whole, path_ = frames(client, done["id"], tmp_path)
        assert done["size"] == "32x32"
        assert done["result"] == {"size": "64x64", "num_frames": len(whole), "fps": 16.0}
        assert whole.shape == (len(before), 64, 64, 3)
        assert verify(path_).credentials.ingredients == ("enhanced.mp4",)
        refused(client.post(path, json={"enhance": "off"}), 400)
        refused(client.post(f"/v1/videos/{VIDEO}/enhance", json={}), 404)


def test_a_model_without_a_refiner_makes_nothing_larger(running, film):
    path = f"/v1/videos/{film['id']}/enhance"
    assert "no refiner" in refused(running.client.post(path, json={}), 409)["message"]
