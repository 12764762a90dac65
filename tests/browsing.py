"""A browser for the tests and the pictures: a chromium that is installed, driven by Playwright, which brings none."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.console import Served, served


def _chromium() -> str | None:
    """The chromium to use: that of TEST_CHROMIUM, or one that is installed and is not the stub that asks for a snap."""
    if named := os.environ.get("TEST_CHROMIUM"):
        return named
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    return next((path for path in found if _runs(path)), None)


def _runs(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


CHROMIUM = _chromium()


@contextmanager
def browsing() -> Iterator[Browser]:
    """A chromium without a window. While it is open, this thread's asyncio is Playwright's.

    Playwright starts it without its sandbox, which would refuse root; it only ever sees our own page.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def site() -> Iterator[str]:
    """The app with the settings of the environment, made and served in a thread of its own; its address."""
    opened: Future[Served] = Future()
    thread = threading.Thread(target=_serve, args=(opened,))
    thread.start()
    server = opened.result()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def _serve(opened: "Future[Served]") -> None:
    try:
        server = served(0)
    except BaseException as exc:
        opened.set_exception(exc)
        return
    with server:
        opened.set_result(server)
        server.serve_forever(poll_interval=0.05)


@dataclass
class Watch:
    """What a browser complains of: errors and warnings of its console; requests that failed or left the site."""

    url: str
    seen: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watch every page of a context."""
        context.on(
            "console", lambda m: self.seen.append(f"console: {m.text}") if m.type in ("error", "warning") else None
        )
        context.on("weberror", lambda e: self.seen.append(f"error: {e.error}"))
        context.on("requestfailed", lambda r: self.seen.append(f"failed: {r.url} {r.failure}"))
        context.on("request", lambda r: None if self._ours(r.url) else self.seen.append(f"elsewhere: {r.url}"))
        context.on("response", lambda r: self.seen.append(f"{r.status}: {r.url}") if r.status >= 400 else None)

    def _ours(self, url: str) -> bool:
        return url.startswith((f"{self.url}/", "data:"))


def open_page(browser: Browser, watch: Watch, *, width: int = 1280, **options: object) -> Page:
    """A new page in a context of its own; `options` are those of Playwright's `new_context`."""
    context = browser.new_context(base_url=watch.url, viewport={"width": width, "height": 844}, **options)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    watch.over(context)
    return context.new_page()
