"""The operators' page in a browser: what people do on it, by mouse, by keyboard, without a script, on a phone.

Every test fails on an error in the browser's console, on a request that failed and on one that leaves the site.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from provisioning import database, migration
from tests import fortnight, grown_apart
from tests.browsing import CHROMIUM, Watch, browsing, open_page, site
from tests.clock import MovedClock
from tests.conftest import NO_BROWSER
from tests.fortnight import DUE, MISTAKEN, Company

if not CHROMIUM:
    pytest.skip(NO_BROWSER, allow_module_level=True)

HOME = "/api/console"
LONGEST_ID = "X" * 64
Opened = Callable[..., Page]
LIGHT, DARK = ("light", 1280), ("dark", 390)
"""How a page is shown: its colours, the width of the window."""

KNOWN = ("tbody", "svg")
"""What stands on these pages as on the one that was looked at whole: rows of the same tables, the same chart."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Company, Path]]:
    """The fortnight has passed: once for all these tests, which work on copies of its database."""
    folder = tmp_path_factory.mktemp("fortnight")
    with fortnight.company(folder) as told:
        fortnight.live(told)
        yield told, folder


@pytest.fixture
def company(past: tuple[Company, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    told, folder = past
    shutil.copytree(folder, tmp_path / "db")
    for name, value in told.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SQL_CONNECTION_STRING", f"sqlite:///{tmp_path}/db/bridge.db")
    return told


@pytest.fixture
def watch(company: Company) -> Iterator[Watch]:
    """Where the page is; the test fails by what the browser complained of meanwhile."""
    with site() as url:
        found = Watch(url)
        yield found
    assert found.seen == []


@pytest.fixture
def opened(browser: Browser, watch: Watch) -> Iterator[Opened]:
    pages: list[Page] = []

    def open_one(target: str = HOME, **options: object) -> Page:
        page = open_page(browser, watch, **options)  # type: ignore[arg-type]
        pages.append(page)
        page.goto(target)
        return page

    yield open_one
    for page in pages:
        page.context.close()


@pytest.fixture
def empty(company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrated, and nothing has run."""
    text = f"sqlite:///{tmp_path}/empty.db"
    with database.connect(text) as db:
        migration.migrate(db)
    monkeypatch.setenv("SQL_CONNECTION_STRING", text)


def names(page: Page, table: str) -> list[str]:
    """The first cell of each row, as they stand."""
    return page.get_by_role("table", name=table).locator("tbody td:first-child").all_inner_texts()


def to(page: Page, text: str) -> None:
    """Press Tab until what has the focus says that; the focus must be seen wherever it is."""
    for _ in range(80):
        page.keyboard.press("Tab")
        told, outline = page.evaluate(
            "(e => [e.innerText || e.value || e.id || '', getComputedStyle(e).outlineStyle])(document.activeElement)"
        )
        assert outline not in ("none", ""), f"nobody sees that {told!r} has the focus"
        if told.strip().startswith(text):
            return
    raise AssertionError(f"Tab never comes to {text!r}")


# --- what people do -----------------------------------------------------------------------------------------------


def test_an_operator_finds_somebody_reads_what_would_change_and_resyncs_her(opened: Opened, company: Company) -> None:
    page = opened()
    page.get_by_label("EmployeeId").fill(DUE)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(DUE)
    row = (
        page.get_by_role("table", name="What would change").get_by_role("row").filter(has_text="enterprise:department")
    )
    assert row.get_by_role("cell").all_inner_texts()[2] == '"Harbour & Pilots"'
    page.get_by_text("Payload", exact=False).first.click()
    expect(page.locator("pre").first).to_contain_text('"title": "Warden of the lighthouse"')
    before = len(company.graph.accepted)
    page.get_by_role("button", name="Resync").click()
    expect(page.get_by_role("status")).to_contain_text("She was sent")
    expect(page.get_by_text("Nothing: what would be sent is what was sent last.")).to_be_visible()
    assert [a.external_id for a in company.graph.accepted[before:]] == [DUE]
    expect(page.locator(".timeline")).to_contain_text("resync by the operator of this machine")


def test_an_approver_reads_who_is_held_and_lets_them_go(opened: Opened) -> None:
    page = opened()
    page.get_by_role("link", name="39 held").click()
    hold = page.locator("#held article").filter(has_text="25 people would be disabled")
    hold.get_by_text("Who:").click()
    assert hold.get_by_role("link").all_inner_texts() == MISTAKEN
    expect(hold.get_by_role("button", name="Approve 25 people")).to_be_hidden()  # one click too many does nothing
    hold.get_by_text("Approve hold").click()
    hold.get_by_role("button", name="Approve 25 people").click()
    expect(page.get_by_role("status")).to_contain_text("was approved by the operator of this machine")
    expect(page.locator("#held article")).to_have_count(1)


def test_all_of_it_by_keyboard_alone(opened: Opened, company: Company) -> None:
    page = opened()
    to(page, "employee_id")
    page.keyboard.type(DUE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(DUE)
    to(page, "To the content")
    page.keyboard.press("Enter")
    to(page, "Resync")
    before = len(company.graph.accepted)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("She was sent")
    assert [a.external_id for a in company.graph.accepted[before:]] == [DUE]
    to(page, "← How it all stands")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("How it all stands")
    to(page, "39")  # the tile
    page.keyboard.press("Enter")
    to(page, "Who: E00101")
    page.keyboard.press("Enter")
    to(page, MISTAKEN[-1])
    to(page, "Approve hold")
    page.keyboard.press("Enter")
    to(page, "Approve 25 people")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("was approved by")
    to(page, "Job")
    page.keyboard.press("Enter")
    assert names(page, "Last runs") == sorted(names(page, "Last runs"))


def test_without_a_script_the_same_is_read_and_done(opened: Opened) -> None:
    with_script, without = opened(), opened(java_script_enabled=False)
    plain = [page.locator("main").inner_text().split() for page in (with_script, without)]
    assert plain[0] == plain[1]
    assert not without.locator("th button").count()
    without.get_by_text("Approve hold").last.click()
    without.get_by_role("button", name="Approve 14 people").click()
    expect(without.get_by_role("status")).to_contain_text("was approved by")
    without.get_by_label("EmployeeId").fill(DUE)
    without.get_by_role("button", name="Show").click()
    expect(without.get_by_role("table", name="What would change")).to_contain_text("Warden of the lighthouse")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_column_sorts_up_and_down_by_what_it_says(opened: Opened, width: int) -> None:
    text = os.environ["SQL_CONNECTION_STRING"]
    with database.connect(text) as db:
        for job, seconds in (("create", 100), ("update", 40), ("ingest", 7200)):
            ended = f"UPDATE provisioning.runs SET ended_at = datetime(started_at, '+{seconds} seconds') WHERE job = ?"
            db.execute(ended, (job,))
    page = opened(width=width)
    table = page.get_by_role("table", name="Last runs")
    assert names(page, "Last runs") == ["ingest", "create", "update", "reconcile", "outcomes", "approve"]
    for down in (False, True):
        table.get_by_role("button", name="Job").click()
        expect(table.locator("th").first).to_have_attribute("aria-sort", "descending" if down else "ascending")
        jobs = ["approve", "create", "ingest", "outcomes", "reconcile", "update"]
        assert names(page, "Last runs") == (jobs[::-1] if down else jobs)
    table.get_by_role("button", name="Took").click()
    assert names(page, "Last runs")[3:] == ["update", "create", "ingest"]  # 40 s, 2 min, 2.0 h
    assert table.locator("th[aria-sort]").count() == 1


# --- how it is to be used -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [HOME, f"{HOME}?employee_id={DUE}", f"{HOME}?employee_id={LONGEST_ID}"])
def test_no_page_scrolls_sideways_and_no_text_is_cut(opened: Opened, target: str) -> None:
    page = opened(target)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert cut(page) == {}
    longer = "id => document.querySelectorAll('td a, .people a, td ins, td del').forEach(e => e.textContent = id)"
    page.evaluate(longer, LONGEST_ID)
    assert cut(page) == {}


def cut(page: Page) -> dict[int, list[str]]:
    """Width of the window → what is wider than the place it has, if anything."""
    found = {}
    for width in (320, 390, 769, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        found[width] = page.evaluate(
            "[document.documentElement, ...document.querySelectorAll('main *')]"
            ".filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 160))"
        )
    return {width: elements for width, elements in found.items() if elements}


@pytest.mark.parametrize("target", [HOME, f"{HOME}?employee_id={DUE}"])
def test_axe_finds_nothing(opened: Opened, target: str) -> None:
    check_with_axe(opened(target), LIGHT, DARK)


def test_axe_finds_nothing_where_nobody_was_found(opened: Opened) -> None:
    check_with_axe(opened(f"{HOME}?employee_id=NOBODY"), LIGHT, DARK, but=KNOWN)


def test_axe_finds_nothing_where_something_was_refused(opened: Opened, watch: Watch) -> None:
    refused = opened()
    refused.get_by_text("Approve hold").last.click()
    refused.locator("#held input").last.evaluate("field => field.value = '00000000'")
    refused.get_by_role("button", name="Approve 14 people").click()
    expect(refused.get_by_role("alert")).to_be_visible()
    check_with_axe(refused, LIGHT, DARK, but=KNOWN)
    assert [one.partition(":")[0] for one in watch.seen] == ["404", "console"]  # of the refusal itself
    watch.seen.clear()


@pytest.mark.usefixtures("empty")
def test_before_anything_has_run_the_page_says_what_to_do_first(opened: Opened) -> None:
    page = opened()
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="doctor")).to_be_visible()
    expect(page.get_by_text("Nothing waits.", exact=False)).to_be_visible()
    check_with_axe(page, ("light", 390), ("dark", 1280))


# --- reports of comparisons, which are files ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The addresses of a comparison and of a first load foreseen."""
    folder = tmp_path_factory.mktemp("reports")
    clock = MovedClock(datetime(2026, 11, 23, 8, 30, tzinfo=UTC))
    kinds = {"compare": True, "first-load": False}
    return {name: grown_apart.report(folder / name, clock, sent=sent).as_uri() for name, sent in kinds.items()}


@pytest.mark.parametrize("name", ["compare", "first-load"])
def test_a_report_is_readable_for_everybody_and_loads_nothing(
    browser: Browser, reports: dict[str, str], name: str
) -> None:
    watch = Watch("file:/")
    page = open_page(browser, watch)
    page.goto(reports[name])
    check_with_axe(page, LIGHT, DARK)
    assert cut(page) == {}
    links = page.locator("table").first.get_by_role("link")
    led_to = links.evaluate_all("links => links.map(a => document.querySelectorAll(a.getAttribute('href')).length)")
    assert led_to == [1] * links.count()  # each number leads to its people
    assert [h.text_content() for h in page.get_by_role("heading", level=1).all()] == [page.title()]
    assert watch.seen == []
    page.context.close()


def check_with_axe(page: Page, *shown: tuple[str, int], but: Sequence[str] = ()) -> None:
    """No finding of axe-core, in any of these colours and widths; one script does for all of them.

    It is evaluated by the debugger, where the page's policy does not reach. Whatever is folded is opened first: what
    is hidden is not looked at.
    """
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for n, (scheme, width) in enumerate(shown):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 844})
        found = (Axe("") if n else Axe()).run(page, {"exclude": [[one] for one in but]})
        assert found.response["violations"] == [], (scheme, width, found.generate_report())
