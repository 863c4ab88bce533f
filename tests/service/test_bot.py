"""The bot against a Discord of our own: real client code, gateway and REST included, and not a byte beyond loopback."""

import asyncio

import discord
import pytest
import yarl

from discord_server import Discord
from praxino.errors import InputError
from praxino.provenance.verify import verify
from praxino.service import bot as bots
from praxino.service.limits import Limits
from praxino.storage.video import read


@pytest.fixture(name="scene")
def _scene(running, monkeypatch):
    """Runs a test's coroutine on a bot that is connected."""
    monkeypatch.setattr(bots, "EVERY", 0.05)

    def play(act, may=None):
        async def run():
            async with Discord() as server:
                monkeypatch.setattr(discord.http.Route, "BASE", f"http://127.0.0.1:{server.port}/api")
                gateway = yarl.URL(f"ws://127.0.0.1:{server.port}/gateway/")
                monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
                async with bots.Bot(running.studio, may or Limits(per_minute=0)) as bot:
                    connected = asyncio.create_task(bot.start("good"))
                    await server.until(lambda: server.ready.is_set() or connected.done())
                    if connected.done():
                        connected.result()
                    await bot.wait_until_ready()
                    await act(server)
                    await bot.close()
                    await connected

        asyncio.run(run())

    return play


def test_commands_are_made_known(scene):
    async def act(server):
        assert [each["name"] for each in server.commands] == ["imagine", "film", "check"]
        film = {option["name"]: option for option in server.commands[1]["options"]}
        assert film["prompt"]["required"]
        assert set(film) == {"prompt", "seconds", "picture", "seed"}

    scene(act)


def test_a_film_is_posted_marked_and_signed(scene, running, tmp_path):
    async def act(server):
        token = await server.command("film", prompt="a cat @everyone *walks*", seconds=1, seed=5)
        await server.until(lambda: "film.mp4" in server.files)
        assert server.answers[0]["type"] == 5  # it thinks
        message = server.messages[token]
        assert "marked and signed" in message["content"]
        assert "seed 5" in message["content"]
        assert r"\*walks\*" in message["content"]
        assert message["allowed_mentions"]["parse"] == []
        assert message["components"] == []
        (tmp_path / "film.mp4").write_bytes(server.files["film.mp4"])

    scene(act)
    assert read(tmp_path / "film.mp4").frames.shape[0] == 9
    said = verify(tmp_path / "film.mp4")
    assert (said.outcome, said.credentials.own) == ("signed", True)
    [[job], _] = running.store.page("discord_7", ("video",), None, 5)
    assert job.status == "completed"


def test_a_picture(scene, tmp_path):
    async def act(server):
        await server.command("imagine", prompt="a purple sun")
        await server.until(lambda: "image.png" in server.files)
        (tmp_path / "image.png").write_bytes(server.files["image.png"])

    scene(act)
    assert verify(tmp_path / "image.png").outcome == "signed"


def test_progress_and_a_button_that_stops(scene, running, monkeypatch):
    """Only its maker may press it; what there is is posted."""
    monkeypatch.setattr("praxino.service.worker.OFTEN", 0.0)
    submit = running.store.submit
    slow = {"steps": 1000}
    monkeypatch.setattr(
        running.store, "submit", lambda job, *rest: submit(job.model_copy(update={"order": job.order | slow}), *rest)
    )

    async def act(server):
        token = await server.command("film", prompt="a cat")
        await server.until(lambda: "░` 1%" in server.messages.get(token, {}).get("content", "") or
                           "█" in server.messages.get(token, {}).get("content", ""))  # fmt: skip
        other = await server.press(token, user=8)
        await server.until(lambda: other in server.messages)
        assert server.messages[other]["content"] == "It is somebody else's film."
        assert server.messages[other]["flags"] == 64  # for that one's eyes
        await server.press(token)
        await server.until(lambda: "film.mp4" in server.files)
        assert "stopped at step" in server.messages[token]["content"]

    scene(act)


def test_a_file_is_checked(scene, running, tmp_path):
    made = running.client.post("/v1/videos", json={"prompt": "a cat"}).json()
    while running.client.get(f"/v1/videos/{made['id']}").json()["status"] != "completed":
        pass
    film = running.client.get(f"/v1/videos/{made['id']}/content").content

    async def act(server):
        token = await server.command("check", files={"file": film})
        await server.until(lambda: "evidence.html" in server.files)
        said = server.messages[token]["content"]
        assert "**signed**" in said
        assert "**inconclusive**" in said
        assert "by this installation" in said

    scene(act)


def test_quotas_and_mistakes_are_said(scene):
    async def act(server):
        def said(token):
            return server.messages.get(token, {}).get("content", "")

        first = await server.command("film", prompt="a cat")
        await server.until(lambda: "film.mp4" in server.files)
        second = await server.command("film", prompt="a cat")
        await server.until(lambda: "more than 1 a day" in said(second))
        other = await server.command("film", prompt="a cat", user=8)
        await server.until(lambda: "marked and signed" in said(other))
        nothing = await server.command("check", user=9, files={"file": b"no film"})
        await server.until(lambda: "neither a film nor a picture" in said(nothing))
        assert said(first)

    scene(act, Limits(per_minute=0, per_day=1))


def test_what_goes_wrong_inside_stays_there(scene, running, monkeypatch):
    def broken(*_):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(running.store, "submit", broken)

    async def act(server):
        token = await server.command("film", prompt="a cat")
        await server.until(lambda: "Something went wrong" in server.messages.get(token, {}).get("content", ""))
        assert "secret" not in server.messages[token]["content"]

    scene(act)


def test_a_token_that_is_none(running, monkeypatch):
    async def login():
        async with Discord() as server:
            monkeypatch.setattr(discord.http.Route, "BASE", f"http://127.0.0.1:{server.port}/api")
            await asyncio.to_thread(bots.run, running.studio, Limits(), "bad")

    with pytest.raises(InputError, match="does not know this token"):
        asyncio.run(login())
