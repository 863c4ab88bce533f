"""What tests of the page ask of every part of it, in a real browser."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

NAMELESS = """[...document.querySelectorAll('button, input, select, textarea, a, img')]
.filter(e => e.tagName === 'IMG' ? !e.hasAttribute('alt')
  : !(e.textContent.trim() || e.ariaLabel || e.ariaHidden || e.labels?.length))
.map(e => e.outerHTML)"""
SMALL = """[...document.querySelectorAll('button, .button')]
.filter(e => e.checkVisibility() && !e.closest('.ideas, .card') && e.offsetHeight < 44)
.map(e => e.outerHTML)"""
CONTRAST = """(() => {  // WCAG 2.2, 1.4.3, of text that lies on the page itself
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = colour => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data]
      .map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b + .05;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return ['body', 'footer', '.empty', 'a', '.problem']
    .map(name => light(getComputedStyle(document.querySelector(name)).color))
    .map(ink => Math.max(ink, paper) / Math.min(ink, paper));
})()"""


def until(page, true, seconds=60):
    """Until a script says so; Playwright's own way evaluates text in the page, which its policy
    forbids.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(true):
        assert time.monotonic() < end, true
        page.wait_for_timeout(50)


@contextmanager
def opened(chromium, server) -> Iterator:
    """A page of its own; at the end, nothing was said on the console, and nothing asked of other
    hosts.
    """
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.allowed = []
    page.on("console", lambda said: said.type in ("error", "warning") and wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda asked: (
            asked.url.startswith((server.url, "data:", "blob:")) or wrong.append(asked.url)
        ),
    )
    page.goto(server.url)
    page.wait_for_selector("#seconds option", state="attached")
    yield page
    page.close()
    left = [text for text in wrong if not any(re.search(pattern, text) for pattern in page.allowed)]
    assert not left, left
