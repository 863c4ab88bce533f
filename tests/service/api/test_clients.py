"""Clients of the API, unmodified, against a server in a process of its own."""

import io
import time

import pytest
from PIL import Image

from praxino.client import Client, ServerError
from support.client import DOT
from support.footage import textured
from support.studio import served

pytestmark = pytest.mark.slow
_FILE = io.BytesIO()
Image.fromarray(textured(1, 32, 32)[0]).save(_FILE, "PNG")
TEXTURE = _FILE.getvalue()


@pytest.fixture(scope="module", name="url")
def _url(tmp_path_factory, tiny_model):
    home = tmp_path_factory.mktemp("studio")
    (home / "tiny").symlink_to(tiny_model)
    with served(home / "data", "--model", str(home / "tiny")) as server:
        server.ready()
        yield server.url


def test_our_own(url, tmp_path):
    with Client(url) as client:
        assert [model["id"] for model in client.models()] == ["tiny"]
        film = client.create("a cat", picture=DOT, seed=3, num_inference_steps=30, sampler="euler")
        assert film.fields["settings"]["sampler"] == "euler"
        watched = list(client.watch(film, previews=True))
        assert watched[-1].percent == 100
        client.download(film, tmp_path / "film.mp4")
        assert client.verify(tmp_path / "film.mp4").report["outcome"] == "signed"
        assert client.detect(tmp_path / "film.mp4").report["verdict"] == "inconclusive"
        again = client.remix(film, "a dog")
        client.cancel(again)
        assert client.wait(again).status == "cancelled"
        assert [each.id for each in client.films(limit=1)] == [again.id, film.id]
        client.add_character("rex", TEXTURE, kind="animal", description="a brown dog")
        assert [one["name"] for one in client.characters()] == ["rex"]
        longer = client.extend(film, "@rex runs", seconds="0.5")
        assert client.wait(longer).fields["edit"] == "extend"
        box = [0.25, 0.25, 0.75, 0.75]
        edited = client.edit(tmp_path / "film.mp4", "@rex", task="inpaint", box=box)
        assert client.wait(edited).status == "completed"
        client.remove_character("rex")
        assert client.characters() == []
        for one in (longer, edited):
            client.delete(one)
        client.delete(film)
        with pytest.raises(ServerError, match="no video of that id"):
            client.get(film)
        with pytest.raises(ServerError, match="multiple of 4") as error:
            client.create("a cat", seconds="0.3")
        assert (error.value.status, error.value.param) == (400, "seconds")


@pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")
def test_the_openai_client(url, tmp_path):
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="none is needed on one's own machine")
    more = {"seed": 3, "num_inference_steps": 12}
    film = client.videos.create(prompt="a cat", size="64x64", extra_body=more)
    while film.status in ("queued", "in_progress"):
        time.sleep(0.2)
        film = client.videos.retrieve(film.id)
    assert film.status == "completed"
    client.videos.download_content(film.id).write_to_file(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
    assert film.id in [each.id for each in client.videos.list(limit=3).data]
    content = (tmp_path / "film.mp4").read_bytes()
    character = client.videos.create_character(
        name="rex", video=content, extra_body={"consent": "true"}
    )
    assert client.videos.get_character(character.id).name == "rex"
    for more in (
        client.videos.edit(prompt="@rex runs", video=content),
        client.videos.extend(prompt="@rex runs", seconds="0.5", video=content),
    ):
        again = more
        while again.status in ("queued", "in_progress"):
            time.sleep(0.2)
            again = client.videos.retrieve(more.id)
        assert again.status == "completed"
    assert client.videos.delete(film.id).deleted
