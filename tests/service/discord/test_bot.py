"""The bot against a Discord of our own: real client code, gateway and REST included, and not a byte
beyond loopback.
"""

import asyncio
import contextlib
import re

import discord
import pytest
import yarl

from praxino.errors import InputError
from praxino.provenance.verify import verify
from praxino.service.discord import bot as bots
from praxino.service.discord.replies import Place
from praxino.service.queue.quotas import Quota
from praxino.storage.media.frames import read_video
from support.client import DOT
from support.discord_server import Discord


@pytest.fixture(name="scene")
def _scene(running, monkeypatch):
    """Runs a test's coroutine on a bot that is connected."""
    monkeypatch.setattr(bots, "PROGRESS_POLL_SECONDS", 0.05)

    @contextlib.asynccontextmanager
    async def bot(server, may):
        monkeypatch.setattr(discord.http.Route, "BASE", f"http://127.0.0.1:{server.port}/api")
        gateway = yarl.URL(f"ws://127.0.0.1:{server.port}/gateway/")
        monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
        server.ready.clear()
        async with bots.Bot(running.store, running.objects, may or Quota(per_minute=0)) as bot:
            connected = asyncio.create_task(bot.start("good"))
            await server.until(lambda: server.ready.is_set() or connected.done())
            if connected.done():
                connected.result()
            await bot.wait_until_ready()
            yield
            await bot.close()
            await connected

    def play(*acts, may=None):
        """Each act with a bot of its own."""

        async def run():
            async with Discord() as server:
                for act in acts:
                    async with bot(server, may):
                        await act(server)

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
    assert read_video(tmp_path / "film.mp4").frames.shape[0] == 9
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


@pytest.fixture(name="slow")
def _slow(running, monkeypatch):
    """Films of many steps, and news of each of them."""
    monkeypatch.setattr("praxino.service.worker.heartbeat.REPORT_SECONDS", 0.0)
    submit = running.store.submit

    def slowly(job, *rest):
        return submit(
            job.model_copy(update={"order": job.request.model_copy(update={"steps": 1000})}), *rest
        )

    monkeypatch.setattr(running.store, "submit", slowly)


def forms(server, token):
    """Whether a film is on its way."""
    return re.search("█|░` [1-9]", server.messages.get(token, {}).get("content", ""))


def test_progress_and_a_button_that_stops(scene, slow):
    """Only its maker may press it; what there is is posted."""

    async def act(server):
        token = await server.command("film", prompt="a cat")
        await server.until(lambda: forms(server, token))
        other = await server.press(token, user=8)
        await server.until(lambda: other in server.messages)
        assert server.messages[other]["content"] == "It is somebody else's film."
        assert server.messages[other]["flags"] == 64  # for that one's eyes
        await server.press(token)
        await server.until(lambda: "film.mp4" in server.files)
        assert "stopped at step" in server.messages[token]["content"]

    scene(act)


@pytest.mark.slow
def test_another_bot_goes_on_and_its_button_works(scene, slow, running):
    async def begin(server):
        server.token = await server.command("film", prompt="a cat")
        await server.until(lambda: forms(server, server.token))

    async def go_on(server):
        server.messages[server.token]["content"] = ""
        await server.until(lambda: forms(server, server.token))
        await server.press(server.token)
        await server.until(lambda: "film.mp4" in server.files)
        assert "stopped at step" in server.messages[server.token]["content"]
        [[job], _] = running.store.page("discord_7", ("video",), None, 5)
        await server.until(lambda: Place.kept(running.objects, job) is None)
        server.files.clear()

    async def nothing_is_left(server):
        await asyncio.sleep(0.5)
        assert server.files == {}

    scene(begin, go_on, nothing_is_left)


@pytest.mark.slow
def test_what_was_made_while_no_bot_ran_is_posted_where_it_was_asked_for(
    scene, slow, running, monkeypatch
):
    """In the channel, since the answer is too old to be edited."""

    async def begin(server):
        token = await server.command("film", prompt="a cat")
        await server.until(lambda: forms(server, token))
        monkeypatch.setattr(bots, "PROGRESS_POLL_SECONDS", 3600)  # it sees no more of it
        await asyncio.sleep(0.2)
        [[job], _] = running.store.page("discord_7", ("video",), None, 5)
        running.store.cancel(job)
        await server.until(lambda: running.store.get(job.id).ended)
        server.expired.add(token)
        assert server.posts == []

    async def post(server):
        await server.until(lambda: server.posts)
        assert server.posts[0]["content"].startswith("<@7>\n> a cat\n")
        assert server.posts[0]["allowed_mentions"] == {"parse": [], "users": [7]}
        assert server.files["film.mp4"][4:8] == b"ftyp"

    scene(begin, post)


@pytest.mark.slow
def test_a_check_that_was_interrupted_says_so(scene, running, monkeypatch):
    monkeypatch.setattr(running.store, "claim", lambda *_: None)  # nobody has time for it

    async def begin(server):
        server.token = await server.command("check", files={"file": DOT})
        await server.until(
            lambda: "looking at" in server.messages.get(server.token, {}).get("content", "")
        )

    async def go_on(server):
        await server.until(
            lambda: "please ask once more" in server.messages[server.token]["content"]
        )

    scene(begin, go_on)


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_one_look_found_is_said_where_the_other_is_refused(scene, running):
    async def act(server):
        token = await server.command("check", files={"file": DOT})
        await server.until(
            lambda: "more than 1 a day" in server.messages.get(token, {}).get("content", "")
        )
        assert "**nothing**" in server.messages[token]["content"]
        [[job], _] = running.store.page("discord_7", ("verify",), None, 5)
        await server.until(lambda: Place.kept(running.objects, job) is None)

    scene(act, may=Quota(per_minute=0, per_day=1))


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

    scene(act, may=Quota(per_minute=0, per_day=1))


def test_what_goes_wrong_inside_stays_there(scene, running, monkeypatch):
    def broken(*_):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(running.store, "submit", broken)

    async def act(server):
        token = await server.command("film", prompt="a cat")
        await server.until(
            lambda: "Something went wrong" in server.messages.get(token, {}).get("content", "")
        )
        assert "secret" not in server.messages[token]["content"]

    scene(act)


def test_a_token_that_is_none(running, monkeypatch):
    async def login():
        async with Discord() as server:
            monkeypatch.setattr(discord.http.Route, "BASE", f"http://127.0.0.1:{server.port}/api")
            await asyncio.to_thread(bots.run, running.store, running.objects, Quota(), "bad")

    with pytest.raises(InputError, match="does not know this token"):
        asyncio.run(login())


def test_without_a_network(running, monkeypatch):
    monkeypatch.setattr(discord.http.Route, "BASE", "http://127.0.0.1:1/api")
    with pytest.raises(InputError, match="Discord cannot be reached"):
        bots.run(running.store, running.objects, Quota(), "good")
