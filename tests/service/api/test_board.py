"""The storyboard in a real browser, on the bundled model: characters, shots, takes, the film."""

import pytest
from PIL import Image

from praxino.provenance.verify import verify
from support.footage import textured
from support.pages import CONTRAST, NAMELESS, SMALL, opened, until
from support.studio import browser, served

pytestmark = pytest.mark.system


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("studio")) as server:
        server.ready()
        yield server


@pytest.fixture(scope="module", name="chromium")
def _chromium():
    with browser() as opened_browser:
        yield opened_browser


@pytest.fixture(name="page")
def _page(chromium, server):
    with opened(chromium, server) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.click("#tab-board")
        page.select_option("#film-choose", "")
        yield page


def remember(page, path, name="rex", kind="animal", description="a brown dog"):
    Image.fromarray(textured(1, 64, 64)[0]).save(path / f"{name}.png")
    page.click("#character-add")
    page.fill("#character-name", name)
    page.select_option("#character-kind", kind)
    page.fill("#character-description", description)
    page.set_input_files("#character-pictures", [str(path / f"{name}.png")])
    page.click("#character-form .primary")


def finished(page):
    until(page, "!document.querySelector('#film-download').hidden")


def takes(page, shot):
    return page.locator("#shots li.shot-card").nth(shot).locator(".take").all_inner_texts()


def test_a_film_of_shots_from_its_characters_to_the_file(page, tmp_path):
    remember(page, tmp_path)
    page.wait_for_selector(".chip >> text=@rex")
    page.fill("#film-title", "A walk")
    page.locator("#shots textarea").first.click()
    page.keyboard.type("@R")
    page.wait_for_selector(".menu:not([hidden])")
    menu, field = (page.locator(name).bounding_box() for name in (".menu:visible", "#shot-1"))
    assert menu["y"] >= field["y"] + field["height"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("runs")
    assert page.input_value("#shot-1") == "@rex runs"
    page.click("#shot-add")
    page.keyboard.type("@rex jumps")
    page.locator("#shots .tick input").nth(1).check()
    page.click("#film-make")
    until(page, "!document.querySelector('#film-progress').hidden")
    finished(page)
    assert page.inner_text("#film-said") == "2 of 2 shots have a take. The film is put together."
    assert page.evaluate("document.querySelector('#shots video').videoWidth") == 64
    with page.expect_download() as download:
        page.click("#film-download")
    said = verify(download.value.path())
    assert said.credentials.ingredients == ("1-001.mp4", "2-001.mp4")
    # the second take of one shot alone, and back to the first
    page.locator("#shots li.shot-card").nth(1).locator("text=Reject").click()
    until(page, "document.querySelectorAll('.take.rejected').length === 1")
    page.click("#film-make")
    until(page, "document.querySelectorAll('.take').length === 3")
    finished(page)
    assert (takes(page, 0), takes(page, 1)) == (["Take 1"], ["Take 1", "Take 2"])
    page.locator("#shots li.shot-card").nth(1).locator("text=Take 1").click()
    page.locator("#shots li.shot-card").nth(1).locator("text=Keep").click()
    until(page, "document.querySelectorAll('.take.kept').length === 1")
    page.reload()
    page.wait_for_selector("#shots video")
    assert page.input_value("#film-title") == "A walk"
    page.click("#film-delete")
    until(page, "document.querySelectorAll('.take').length === 0")


def test_what_is_where_is_moved_by_hand(page):
    page.fill("#shot-1", "a red ball bounces on the grass")
    page.click("#film-make")
    finished(page)
    card = page.locator("#shots li.shot-card").first
    card.locator("text=Layout").click()
    page.wait_for_selector("svg.layout rect")
    box = page.locator("[data-handle='0-whole']").bounding_box()
    assert page.evaluate("document.querySelector('#shots video').paused")
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1], steps=3)
    page.mouse.up()
    moved = page.locator("[data-handle='0-whole']").bounding_box()
    assert abs(moved["x"] - box["x"] - 40) < 2
    end = page.locator("[data-handle='0-end']")
    before = end.bounding_box()
    end.focus()
    page.keyboard.press("ArrowRight")
    assert end.bounding_box()["x"] > before["x"]
    assert abs(page.locator("[data-handle='0-whole']").bounding_box()["x"] - moved["x"]) < 1
    assert "red ball" in end.get_attribute("aria-label")
    page.click("#film-make")
    until(page, "document.querySelectorAll('.take').length === 2")
    finished(page)
    titles = [one.get_attribute("title") for one in card.locator(".take").all()]
    assert titles[0] == titles[1]  # the same noise
    card.locator("text=Layout").click()
    page.wait_for_selector("svg.layout rect")
    card.locator("text=As the model drew it").click()
    back = page.locator("[data-handle='0-whole']").bounding_box()
    assert abs(back["width"] - box["width"]) < 2
    page.click("#film-make")
    finished(page)
    assert len(card.locator(".take").all()) == 2  # the first take counts again
    page.click("#film-delete")


def test_shots_are_moved_and_removed(page):
    for number, text in enumerate(("first", "second", "third")):
        if number:
            page.click("#shot-add")
        page.fill(f"#shot-{number + 1}", text)
    page.click("[aria-label='Shot 3 earlier']")
    values = "[...document.querySelectorAll('#shots textarea')].map(e => e.value)"
    assert page.evaluate(values) == ["first", "third", "second"]
    page.click("[aria-label='Remove shot 1']")
    assert page.evaluate(values) == ["third", "second"]
    page.fill("#shots textarea >> nth=0", "")
    assert page.is_disabled("#film-make")


def test_what_is_wrong_is_said(page, tmp_path):
    page.allowed.append("400")
    page.fill("#shot-1", "@nobody runs")
    page.click("#film-make")
    page.wait_for_selector("#film-problem:visible")
    assert "nothing is called @nobody" in page.inner_text("#film-problem")
    remember(page, tmp_path, "anna", "character")
    page.wait_for_selector("#character-problem:visible")
    assert "consent" in page.inner_text("#character-problem")
    page.check("#character-consent")
    page.click("#character-form .primary")
    page.wait_for_selector(".chip >> text=@anna")
    page.click(".chip >> text=@anna")
    page.click("#character-remove")
    page.wait_for_selector(".chip >> text=@anna", state="detached")


def test_the_sentence_of_a_single_film_has_the_menu_too(page, tmp_path):
    remember(page, tmp_path, "bob")
    page.wait_for_selector(".chip >> text=@bob")
    page.click("#tab-make")
    page.click("#prompt")
    page.keyboard.type("in a park @b")
    page.wait_for_selector(".menu:visible")
    page.keyboard.press("Escape")
    page.wait_for_selector(".menu", state="hidden")
    page.keyboard.type("o")
    page.keyboard.press("Tab")
    assert page.input_value("#prompt") == "in a park @bob "


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (400, "dark"), (1200, "light")])
def test_it_can_be_read_and_touched(page, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.fill("#shot-1", "a red ball bounces")
    page.click("#film-make")
    finished(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(SMALL) == []
    assert page.evaluate(NAMELESS) == []
    assert min(page.evaluate(CONTRAST)) >= 4.5
    page.click("#film-delete")
    page.click("#tab-make")


def test_how_much_pictures_count_and_a_longer_sentence(page, tmp_path):
    remember(page, tmp_path, "bello")
    page.wait_for_selector(".chip >> text=@bello")
    page.click("#tab-make")
    page.fill("#prompt", "@bello runs")
    dial = page.locator("#strengths input")
    assert dial.count() == 1
    dial.fill("0.5")
    assert page.inner_text("#strengths output") == "0.5"
    page.click("#longer")
    until(page, "document.querySelector('#prompt').value.length > 30")
    assert page.input_value("#prompt").startswith("@bello runs")
    assert dial.input_value() == "0.5"
    with page.expect_request("**/v1/videos") as sent:
        page.click("#go")
    assert '[{"name":"bello","strength":0.5}]' in sent.value.post_data
    page.wait_for_selector("#stage[data-state=made]", timeout=60_000)
    page.fill("#prompt", "a dog runs")
    assert page.locator("#strengths").is_hidden()


def test_a_picture_of_a_character_is_forgotten(page, tmp_path):
    remember(page, tmp_path, "tom")
    page.click(".chip >> text=@tom")
    page.locator("#character-faces button").click()
    until(page, "document.querySelectorAll('#character-faces figure').length === 0")


def test_takes_stand_side_by_side(page):
    page.fill("#shot-1", "a red ball rolls on the grass")
    page.click("#film-make")
    finished(page)
    page.locator("#shots li.shot-card >> text=Reject").click()
    until(page, "document.querySelectorAll('.take.rejected').length === 1")
    page.click("#film-make")
    until(page, "document.querySelectorAll('.take:not(.rejected)').length === 1")
    finished(page)
    page.click("text=Side by side")
    until(page, "document.querySelectorAll('#pair-films video').length === 2")
    assert page.inner_text("#pair-title") == "Takes of shot 1"
    assert "Take 1, rejected" in page.inner_text("#pair-films")
