"""Screenshots of the page and of its storyboard, at two widths: ``python docs/studio.py`` (needs
Chromium).
"""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support.studio import browser, served  # noqa: E402

FILMS = (
    "a red ball bounces on the grass",
    "a city at night, the camera pans left",
    "a sailboat at sunset under drifting clouds",
    "a purple sun over a green sea",
    "a black cat walks across a room",
    "a golden dog plays fetch with a red ball in a sunlit park",
)
SHOTS = (
    "a brown dog runs across the grass",
    "a red ball rolls along the road",
    "a white boat sails past a red sun at sunset",
)

with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server, browser() as chromium:
    server.ready()
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    page.goto(server.url)
    page.wait_for_selector("#seconds option", state="attached")
    for number, sentence in enumerate(FILMS):
        page.fill("#prompt", sentence)
        page.evaluate(f"document.querySelector('#seed').value = {number}")
        page.evaluate("document.querySelector('#steps').value = 40")
        page.click("#go")
        page.wait_for_selector("#stage[data-state=making]")
        page.wait_for_selector("#stage[data-state=made]", timeout=120_000)
    page.fill("#prompt", "a golden dog plays fetch with a red ball in a sunlit park")
    page.evaluate(
        "document.querySelector('#steps').value = 80; document.querySelector('#seed').value = 3"
    )
    page.click("#go")
    page.wait_for_selector("#preview:visible")
    page.wait_for_timeout(1500)
    page.screenshot(path=str(HERE / "studio-wide.png"))
    page.wait_for_selector("#stage[data-state=made]", timeout=120_000)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 1000})
    page.wait_for_timeout(800)
    page.screenshot(path=str(HERE / "studio-narrow.png"), full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1200, "height": 1000})
    page.click("#tab-board")
    page.fill("#film-title", "A walk")
    for number, sentence in enumerate(SHOTS, start=1):
        if number > 1:
            page.click("#shot-add")
        page.fill(f"#shot-{number}", sentence)
    page.click("#film-make")
    page.wait_for_selector("#film-download:visible", timeout=120_000)
    page.locator("#shots >> text=Layout").first.click()
    page.wait_for_selector("svg.layout rect")
    page.wait_for_timeout(500)
    page.screenshot(path=str(HERE / "storyboard-wide.png"), full_page=True)
    page.set_viewport_size({"width": 400, "height": 1000})
    page.wait_for_timeout(300)
    page.screenshot(path=str(HERE / "storyboard-narrow.png"))
