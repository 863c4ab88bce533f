"""The Learn tab in a browser: the eye, the race, the schedules; nothing of it leaves the page."""

import json
import os
from pathlib import Path

import pytest

import praxino
from praxino.diffusion.ddpm import Chain, cosine_betas, linear_betas
from support.pages import CONTRAST, NAMELESS, SMALL, opened, until
from support.studio import browser, served

pytestmark = pytest.mark.system
WEB = Path(praxino.__file__).parent / "service/web"
FILMS = json.loads((WEB / "eye.json").read_text())


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("studio")) as server:
        yield server


@pytest.fixture(scope="module", name="chromium")
def _chromium():
    with browser() as opened:
        yield opened


@pytest.fixture(name="page")
def _page(chromium, server):
    with opened(chromium, server) as page:
        page.click("#tab-learn")
        yield page


def test_no_scene_comes_twice_and_films_come_in_parts(server, page):
    contents = {film["file"]: (WEB / film["file"]).read_bytes() for film in FILMS}
    assert len(set(contents.values())) == len(FILMS) == 32
    name = FILMS[3]["file"]
    answer = page.request.get(f"{server.url}/{name}", headers={"Range": "bytes=10-19"})
    assert (answer.status, answer.body()) == (206, contents[name][10:20])
    assert answer.headers["content-range"] == f"bytes 10-19/{len(contents[name])}"
    assert page.request.get(f"{server.url}/{name}").body() == contents[name]


def film_of(page):
    name = page.get_attribute("#eye-film", "src")
    return next(film for film in FILMS if film["file"] == name)


def test_a_whole_run_of_the_eye_with_hits_and_false_alarms_apart(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.click("#eye-start")
    seen = set()
    for number in range(15):
        until(
            page, f"document.querySelector('#eye-far').textContent.startsWith('Film {number + 1} ')"
        )
        film = film_of(page)
        seen.add(film["file"])
        until(page, "document.querySelector('#eye-film').readyState >= 2")
        if number < 5 or not film["fault"]:  # at first everything is called right
            page.click("#eye-fine")
        else:
            left, top, width, height = film["box"]
            board = page.query_selector("#eye-board").bounding_box()
            page.mouse.click(
                board["x"] + (left + width / 2) * board["width"],
                board["y"] + (top + height / 2) * board["height"],
            )
        text = page.text_content("#eye-said")
        if 5 <= number < 10:
            assert film["said"] in text if film["fault"] else text.startswith("Right")
            assert page.is_visible("#eye-box") == bool(film["fault"])
        else:
            assert text == "Kept. What it was is told at the end."
        page.click("#eye-next")
    assert len(seen) == 15
    rows = page.eval_on_selector_all(
        "#eye-table tr", "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    assert rows[1:] == [
        ["before", "0 of 3", "0 of 2"],
        ["while learning", "3 of 3", "0 of 2"],
        ["after", "3 of 3", "0 of 2"],
    ]
    assert len(page.query_selector_all("#eye-missed li")) == 3
    own = [url for url in asked if "/v1/" not in url]
    assert all(url.rsplit("/", 1)[1].startswith("eye") for url in own)


def test_the_eye_is_played_by_keyboard_alone(page):
    page.focus("#eye-start")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'eye-board'")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'eye-next'")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#eye-far').textContent.startsWith('Film 2 ')")


def test_two_ways_learn_here_and_now(page):
    said = lambda name: page.text_content(f"#race-{name}-said")  # noqa: E731
    first = said("diffusion")
    for _ in range(3):
        page.click("#race-hundred")
    assert page.text_content("#race-step").startswith("300 steps")
    assert said("diffusion") != first
    page.select_option("#race-cloud", "pair")
    assert page.text_content("#race-step").startswith("0 steps")
    assert "of 2 places" in said("gan")
    page.click("#race-go")
    until(page, "Number(document.querySelector('#race-step').textContent.split(' ')[0]) > 3")
    page.click("#tab-make")  # it rests where nobody looks
    page.click("#tab-learn")
    assert page.text_content("#race-go") == "Start"


@pytest.mark.parametrize("which", ["linear", "cosine", "flow"])
def test_schedules_say_how_much_is_left(page, which):
    """The page counts as the package does."""
    betas = {"linear": linear_betas, "cosine": cosine_betas}.get(which)
    share = Chain(betas()).abar[299].sqrt().item() if betas else 0.7
    page.select_option("#schedule-which", which)
    assert f"step 300: {100 * share:.1f}% of the picture" in page.text_content("#schedule-said")
    page.fill("#schedule-step", "1000")
    assert "step 1000" in page.text_content("#schedule-said")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_and_touched(page, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.click("#eye-start")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(SMALL) == []
    assert min(page.evaluate(CONTRAST)) >= 4.5
    if shots := os.environ.get("PRAXINO_SHOTS"):
        page.wait_for_timeout(500)
        page.screenshot(path=f"{shots}/learn-{width}-{scheme}.png", full_page=True)
