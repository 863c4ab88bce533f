"""How tests speak to the API, and the card of a model that nobody has to load."""

import base64
import time

from praxino.cards import ModelCard, ModelDefaults
from praxino.service.queue.jobs import WorkerInfo

CARD = ModelCard(
    id="tiny",
    digest="0" * 12,
    compression=(4, 8, 8),
    patch=(1, 2, 2),
    pictures=True,
    needs_picture=False,
    last_picture="optional",
    experts=1,
    samplers=("euler", "unipc"),
    defaults=ModelDefaults(
        frames=17,
        height=64,
        width=64,
        fps=8.0,
        steps=20,
        guidance=3.0,
        sampler="unipc",
        shift=1.0,
        licence="Apache-2.0",
    ),
)
WORKER = WorkerInfo(kinds=("video", "image", "detect", "verify"), models=(CARD,))
VIDEO = "video_" + "0" * 32
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP8z4APMOGVHbHSAEEsAROxCnMTAAAAAElFTkSuQmCC"
)


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
