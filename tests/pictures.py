"""`make pictures`: pages as README and docs show them, in docs/img/: on a desk and a phone, light and dark.

The operators' page is always of the same fortnight: the clock stands at NOW for the app, too, and ids are drawn from a
seed. Reports of a comparison are files, of a company whose directory has grown apart from HR.
"""

import os
import random
import sys
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser

from provisioning.pacing import Clock
from tests import fortnight, grown_apart
from tests.browsing import CHROMIUM, Watch, browsing, open_page, site
from tests.clock import StoppedClock

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
IMAGES = Path(__file__).parent.parent / "docs" / "img"
PAGES = {"console": "/api/console", "person": f"/api/console?employee_id={fortnight.DUE}"}
REPORTS = {"compare": True, "first-load": False}
TALLEST = {390: 2050, 1280: 2200}
"""Width → height in pixels, where a picture is cut."""


def main() -> int:
    if not CHROMIUM:
        print("no chromium is found: apt-get install chromium, or set TEST_CHROMIUM")
        return 1
    ids = random.Random(7)
    uuid.uuid4 = lambda: uuid.UUID(int=ids.getrandbits(128), version=4)
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, fortnight.company(Path(folder), NOW) as told:
        fortnight.live(told)
        told.move_to(NOW)
        Clock.utc_now = lambda self: told.clock.utc_now()  # type: ignore[method-assign]
        os.environ.update(told.environ)
        with site() as url, browsing() as browser:
            for name, target in PAGES.items():
                take(browser, url, name, target)
            for name, sent in REPORTS.items():
                path = grown_apart.report(Path(folder) / name, StoppedClock(NOW), sent=sent)
                take(browser, "file:/", name, path.as_uri())
    return 0


def take(browser: Browser, url: str, name: str, target: str) -> None:
    """The pictures of a page, which is opened once: each time one opens a person is told there."""
    watch = Watch(url)
    page = open_page(browser, watch)
    page.goto(target)
    for width, tallest in TALLEST.items():
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            height = min(page.evaluate("document.body.scrollHeight"), tallest)
            page.set_viewport_size({"width": width, "height": height})
            path = IMAGES / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=path)
            print(f"{path.name}: {width} × {height}, {path.stat().st_size // 1024} KB", *watch.seen, flush=True)
    page.context.close()


if __name__ == "__main__":
    sys.exit(main())
