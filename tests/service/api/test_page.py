"""The page in a real browser, on a real server with the bundled model: what a maker does, and what
may go wrong.
"""

import json
import re

import pytest
from PIL import Image

import praxino
from support.client import DOT
from support.footage import textured, write
from support.pages import CONTRAST, NAMELESS, SMALL, opened, until
from support.studio import browser, served

pytestmark = pytest.mark.system

PROMPT = "a red ball bounces on the grass"
PIXELS = """(canvas =>
[...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data])
(document.querySelector('#forward'))"""


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("studio")) as server:
        server.ready()
        yield server


@pytest.fixture(scope="module", name="chromium")
def _chromium():
    with browser() as opened:
        yield opened


@pytest.fixture(name="page")
def _page(chromium, server):
    with opened(chromium, server) as page:
        yield page


def make(page, prompt=PROMPT, steps=4):
    page.fill("#prompt", prompt)
    page.evaluate("document.querySelector('#settings').open = true")
    page.fill("#steps", str(steps))
    page.click("#go")


def made(page, prompt=PROMPT):
    shown = (
        "document.querySelector('#stage[data-state=made]') && "
        "document.querySelector('#caption').textContent"
    )
    until(page, f"({shown}) === {json.dumps(prompt)}")
    until(page, "document.querySelector('#film').readyState >= 2")


def test_nothing_is_there_at_first(page):
    page.wait_for_selector("#none:visible")
    assert page.inner_text("#none").startswith("No films yet")
    page.click("#ideas button >> nth=3")
    assert page.input_value("#prompt") == "a purple sun over a green sea"


def test_a_film_forms_plays_and_is_downloaded(page, tmp_path):
    make(page, steps=60)
    page.wait_for_selector("#stage[data-state=making]")
    assert page.is_visible("#noise")
    page.wait_for_selector("#preview:visible")
    assert page.get_attribute("#preview", "src").startswith("data:image/webp;base64,")
    made(page)
    assert page.evaluate(
        "[document.querySelector('#film').videoWidth, document.querySelector('#film').videoHeight]"
    ) == [64, 64]
    assert page.evaluate("document.querySelector('#film').paused") is False
    assert re.search(
        r"diorama, 64x64, 17 frames, 60 steps, guidance 3, seed \d+", page.inner_text("#facts")
    )
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "a-red-ball-bounces-on-the-grass.mp4"
    assert download.value.path().read_bytes()[4:8] == b"ftyp"


def test_noise_goes_in_again(page):
    make(page, "a green tree")
    made(page, "a green tree")
    page.fill("#level", "1000")
    page.wait_for_selector("#forward:visible")
    assert page.inner_text("#level-said") == "step 1000 of 1000: 1% of the picture is left"
    values = [value for at, value in enumerate(page.evaluate(PIXELS)) if at % 4 != 3]
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    assert abs(mean - 127.5) < 6
    assert 80 < deviation < 105  # of N(0, 1) cut off at -1 and 1, times 127.5
    page.fill("#level", "0")
    page.wait_for_selector("#forward", state="hidden")


def test_one_is_stopped_and_kept(page):
    make(page, "a city at night, the camera pans left", steps=1000)
    until(page, "/Step [1-9]/.test(document.querySelector('#far').textContent)")
    page.click("#stop")
    made(page, "a city at night, the camera pans left")
    assert re.match(r"Stopped at step \d+ of 1000\.", page.inner_text("#facts"))
    assert page.inner_text("#strip li:first-child .badge") == "stopped"


def test_a_long_film_plays_and_turns_while_it_forms(page):
    page.evaluate("document.querySelector('#seconds').value = '10'")
    make(page, "a red car drives right", steps=30)
    page.wait_for_selector("#film:visible")
    assert page.get_attribute("#stage", "data-state") == "making"
    until(page, "document.querySelector('#film').currentTime > 0.5")
    page.fill("#turn-prompt", "a red car drives right at night")
    page.press("#turn-prompt", "Enter")
    until(page, "document.querySelector('#turn-prompt').value === ''")
    assert page.inner_text("#announced") == "Sent: a red car drives right at night"
    made(page, "a red car drives right")
    assert "81 frames" in page.inner_text("#facts")
    assert not page.is_visible("#turn")


def test_a_reload_finds_what_was_going_on(page):
    make(page, "a sailboat at sunset", steps=60)
    until(page, "/Step [1-9]/.test(document.querySelector('#far').textContent)")
    page.reload()
    page.wait_for_selector("#stage[data-state=making]")
    assert "of 0" not in page.inner_text("#far")
    assert page.inner_text("#caption") == "a sailboat at sunset"
    made(page, "a sailboat at sunset")


def test_settings_come_back_and_two_are_compared(page):
    make(page, "a blue car drives", steps=3)
    made(page, "a blue car drives")
    seed = re.search(r"seed (\d+)", page.inner_text("#facts"))[1]
    page.fill("#prompt", "something else")
    page.click("#reuse")
    values = {
        name: page.input_value(f"#{name}")
        for name in ("prompt", "steps", "seed", "size", "seconds")
    }
    assert values == {
        "prompt": "a blue car drives",
        "steps": "3",
        "seed": seed,
        "size": "64x64",
        "seconds": "2",
    }
    make(page, "a red car drives", steps=3)
    made(page, "a red car drives")
    for place in (1, 2):
        page.check(f"#strip li:nth-child({place}) input", force=True)
    page.click("#compare")
    assert page.locator("#pair video").count() == 2
    assert page.locator("#pair dd.other").all_inner_texts() == [
        "a red car drives",
        "a blue car drives",
    ]
    page.keyboard.press("Escape")
    page.wait_for_selector("#pair", state="hidden")


def test_settings_without_a_field_are_kept_and_said(page, server):
    asked = {
        "prompt": "an odd film",
        "num_inference_steps": 2,
        "fps": 4,
        "flow_shift": 2,
        "extra_params": {"rescale": 0.5},
    }
    page.request.post(f"{server.url}/v1/videos", data=asked)
    page.click("#strip button:has-text('an odd film')")
    made(page, "an odd film")
    page.click("#reuse")
    assert (
        page.inner_text("#kept") == "Kept from that film: frames a second 4, shift 2, rescale 0.5."
    )
    page.fill("#prompt", "another odd film")
    page.click("#go")
    made(page, "another odd film")
    film = page.request.get(f"{server.url}/v1/videos?limit=1").json()["data"][0]
    assert (film["prompt"], film["fps"], film["flow_shift"]) == ("another odd film", 4, 2)
    assert film["settings"]["rescale"] == 0.5
    page.click("#reset")
    assert page.is_hidden("#kept")


def test_a_picture_comes_to_life(page, tmp_path):
    Image.new("RGB", (80, 80), (120, 180, 250)).save(tmp_path / "sky.png")
    page.set_input_files("#picture", tmp_path / "sky.png")
    page.wait_for_selector("#given:visible")
    make(page, "clouds drift over the sea")
    made(page, "clouds drift over the sea")
    page.click("#given-remove")
    assert page.is_hidden("#given")
    page.click("#reuse")
    page.wait_for_selector("#given:visible")
    seed = page.inner_text("#facts").rpartition(" ")[2]
    page.click("#given-remove")
    page.click("#again")  # with all that it was made of, whatever the form says
    until(page, f"!document.querySelector('#facts').textContent.endsWith(' {seed}')")
    made(page, "clouds drift over the sea")
    page.click("#reuse")
    page.wait_for_selector("#given:visible")
    page.click("#reset")
    page.click("#given-remove")


def test_the_strip_is_what_there_is(page, server):
    page.allowed.append("404")  # a card's picture may be asked for just as its film is deleted

    def cards():
        return page.locator("#strip .said").all_inner_texts()

    films = []
    for number in range(30):
        answer = page.request.post(f"{server.url}/v1/videos", data={"prompt": f"number {number}"})
        films.append(answer.json()["id"])
        page.request.post(f"{server.url}/v1/videos/{films[-1]}/cancel")
    newest = [f"number {number}" for number in reversed(range(30))]
    page.reload()
    until(page, "document.querySelectorAll('#strip li').length === 24")
    page.request.delete(f"{server.url}/v1/videos/{films[20]}")
    del newest[9]
    until(page, "!document.querySelector('#strip').textContent.includes('number 20')")
    until(page, "document.querySelectorAll('#strip li').length === 24")
    assert cards() == newest[:24]
    page.click("#more")
    until(page, "document.querySelectorAll('#strip li').length > 28")
    page.wait_for_timeout(3500)  # it is looked at again
    assert cards()[:29] == newest
    assert sum(text.startswith("number") for text in cards()) == 29
    for film in films:
        page.request.delete(f"{server.url}/v1/videos/{film}")
    until(page, "!document.querySelector('#strip').textContent.includes('number')")


def test_mistakes_are_said_beside_the_form(page):
    page.allowed.append("400")
    page.fill("#prompt", PROMPT)
    page.evaluate("document.querySelector('#settings').open = true")
    page.fill("#size", "63x64")
    page.click("#go")
    page.wait_for_selector("#problem:visible")
    assert page.inner_text("#problem") == "width=63: must be a multiple of 16. hint: 48 or 64"


def test_a_closed_setting_that_is_wrong_is_opened(page):
    page.fill("#prompt", PROMPT)
    page.evaluate("document.querySelector('#steps').value = 0")
    page.click("#go")
    assert page.evaluate("document.querySelector('#settings').open")
    assert page.evaluate("document.activeElement.id") == "steps"


def test_films_off_the_stage_are_kept_up_to_date(page):
    """One ordered here and left, one ordered elsewhere."""
    make(page, "a white horse runs", steps=60)
    page.wait_for_selector("#stage[data-state=making]")
    page.evaluate(
        """fetch('/v1/videos', { method: 'POST', headers: { 'Content-Type': 'application/json' },
                                 body: '{"prompt": "a black horse"}' })"""
    )
    page.click("#strip li:last-child button")
    until(
        page,
        "document.querySelector('#strip li:first-child .said').textContent === 'a black horse'",
    )
    going_on = (
        "[...document.querySelectorAll('#strip .badge')].some(each => "
        "/waiting|forming/.test(each.textContent))"
    )
    until(page, f"!{going_on}")


def test_a_film_is_deleted(page):
    make(page, "a tree", steps=2)
    made(page, "a tree")
    before = page.locator("#strip li").count()
    page.on("dialog", lambda asked: asked.accept())
    page.click("#remove")
    until(page, f"document.querySelectorAll('#strip li').length === {before - 1}")
    assert page.inner_text("#caption") != "a tree"


def test_a_film_is_checked(page, tmp_path):
    make(page, "a black dog runs")
    made(page, "a black dog runs")
    page.click("#examine")
    page.wait_for_selector("#verify:not([aria-busy]) .verdict")
    assert page.inner_text("#verify .verdict") == "Signed, and as it was then"
    page.wait_for_selector("#detect:not([aria-busy]) .verdict")
    assert page.inner_text("#detect .verdict") == "This cannot be told"
    assert "too small" in page.inner_text("#detect")
    frame = page.frame_locator("#evidence")
    frame.locator("img").first.wait_for()
    assert frame.locator("img").count() > 4
    page.reload()
    page.wait_for_selector("#detect:not([aria-busy]) .verdict")
    assert page.inner_text("#verify:not([aria-busy]) .verdict") == "Signed, and as it was then"
    page.click("#unlook")
    page.reload()
    page.wait_for_selector("#drop:visible")
    praxino.stamp(write(tmp_path / "camera.mp4", textured(16, 128, 128)), tmp_path / "stamped.mp4")
    page.set_input_files("#file", tmp_path / "stamped.mp4")
    page.wait_for_selector("#verify:not([aria-busy]) .verdict")
    said = page.inner_text("#verify .verdict")
    assert said == "Declared as generated by whoever signed it"
    page.wait_for_selector("#detect:not([aria-busy]) .verdict")
    page.click("#unlook")
    page.wait_for_selector("#drop:visible")
    page.allowed.append("415")
    (tmp_path / "film.mp4").write_text("no film at all")
    page.set_input_files("#file", tmp_path / "film.mp4")
    until(page, "document.querySelectorAll('.verdict.bad').length === 2")
    assert "neither a film nor a picture" in page.inner_text("#detect")


def test_by_keyboard_alone(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")  # around to the last tab
    assert page.is_visible("#eye-start")
    page.keyboard.press("ArrowLeft")
    assert page.is_visible("#drop")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.focus("#prompt")
    page.keyboard.type("a cat walks")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#stage[data-state=making], #stage[data-state=made]")
    made(page, "a cat walks")
    assert page.evaluate(NAMELESS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    make(page, f"a house, {scheme}", steps=3)
    made(page, f"a house, {scheme}")
    for tab in ("make", "board", "check", "learn"):
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate(SMALL) == []
    contrast = page.evaluate(CONTRAST)
    assert min(contrast) >= 4.5


def test_the_server_goes_away_and_comes_back(page, server, tmp_path):
    page.allowed += ["ERR_", "Failed to load"]
    make(page, "a golden dog runs", steps=150)
    until(page, "/Step [1-9]/.test(document.querySelector('#far').textContent)")
    (tmp_path / "dot.png").write_bytes(DOT)
    page.click("#tab-check")
    page.set_input_files("#file", tmp_path / "dot.png")
    page.wait_for_selector("#verify:has-text('It begins in a moment')")
    server.kill()
    page.wait_for_selector("#offline:visible")
    server.start()
    page.wait_for_selector("#offline", state="hidden")
    page.wait_for_selector("#detect:not([aria-busy]) .verdict")
    assert page.inner_text("#verify:not([aria-busy]) .verdict") == "It says nothing of itself"
    page.click("#unlook")
    page.click("#tab-make")
    made(page, "a golden dog runs")
    assert "150 steps" in page.inner_text("#facts")


def test_a_key_is_asked_for_where_one_is_needed(chromium, tmp_path):
    from praxino.service import api_keys
    from praxino.service.queue.quotas import Quota
    from praxino.service.queue.schema import Database

    _, key = api_keys.add_key(Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}"), "anna", Quota())
    with served(tmp_path, "--workers", "0") as server:
        page = chromium.new_page()
        page.goto(server.url)
        page.wait_for_selector("#door[open]")
        page.fill("#key", "px-wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#door-problem:visible")
        assert page.inner_text("#door-problem") == "that key is not known"
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.wait_for_selector("#door", state="hidden")
        page.wait_for_selector("#none:visible")
        page.reload()
        page.wait_for_selector("#none:visible")
        assert not page.is_visible("#door")
        page.route("**/v1/session", lambda route: route.abort())
        page.click("#leave")
        until(page, "/not forgotten yet/.test(document.querySelector('#state').textContent)")
        assert page.is_visible("#leave")
        page.unroute("**/v1/session")
        page.click("#leave")
        page.wait_for_selector("#door[open]")
        for _ in range(3):
            page.keyboard.press("Escape")
        page.wait_for_selector("#door[open]")
        assert page.is_hidden("#leave")
        assert page.context.cookies() == []
        page.close()
