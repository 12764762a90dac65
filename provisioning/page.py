"""The operators' page as HTML, readable without a script: how it all stands, or one person. Pure.

It holds personal data: it goes to a signed-in Reader only. Every text is escaped by `provisioning.markup`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import quote

from provisioning import comparison_page, printed
from provisioning.chart import chart
from provisioning.markup import Markup, Part, element, join, raw
from provisioning.plan import BY_HAND

Answer = Mapping[str, Any]

TITLE = "HR to Entra"
HOME, APPROVE, RESYNC = "/api/console", "/api/console/approve", "/api/console/resync"
DISABLE, ENABLE = "/api/console/disable", "/api/console/enable"
SIGN_IN = "/.auth/login/aad?post_login_redirect_uri=/api/console"
ICON = (
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
    "<rect width='16' height='16' rx='3' fill='%231b5a9c'/>"
    "<path d='M3 8h9M8 4l4 4-4 4' fill='none' stroke='white' stroke-width='2'/></svg>"
)
MOST_SHOWN = 200
"""So many people of a hold or of a code are shown; the command line has them all."""

MOST_ROWS = 10
"""A longer table of people is folded."""

FEW = 4
"""So many attributes of a step are named at once."""

ONE = {"candidates": "candidate", "calls": "call", "entries": "entry"}
"""How a count of one is called, where that is another word."""

JOBS = ("ingest", "create", "update", "reconcile", "outcomes", "compare")
MENDS = {
    "due": "The next run sends them.",
    "held": "They wait for an approval, below.",
    "parked": "They cannot be sent; why: python -m provisioning plan",
    "failed": "Entra could not take them; the mend is below.",
    "unconfirmed": "Entra's log says nothing of them; reconcile sends them again after a day.",
    "recreated": "They had an account, and somebody deleted it.",
}

SECTIONS = ("held", "failed", "unconfirmed", "recreated")
"""What has a section of its own, with the people in it."""


@dataclass(frozen=True)
class Look:
    """How a page looks and what it does by script, and for whom it is made."""

    style: str
    script: str
    name: str = ""
    may_resync: bool = False
    may_approve: bool = False


@dataclass(frozen=True)
class Notice:
    """What the page says first: `kind` is done, or problem."""

    kind: str
    told: str
    details: tuple[str, ...] = ()


def overview(look: Look, status: Answer, notice: Notice | None = None, asked: str = "") -> str:
    """How it all stands."""
    begun = bool(status["jobs"])
    parts = [
        _counts(status),
        _holds(look, status["holds"]),
        _failures(status),
        _named("unconfirmed", status),
        _named("recreated", status),
        _disabled_by_hand(status),
        _compared(status),
        _chart(status["days"], status["ahead"]),
        _jobs(status["jobs"]),
    ]
    return _page(look, TITLE, [None if begun else _first_steps(), *parts], notice, asked)


def one_person(look: Look, person: Answer, notice: Notice | None = None) -> str:
    """Everything known of one person."""
    employee_id = str(person["employee_id"])
    parts = [
        _name(person),
        _standing(look, person),
        _differences(person),
        _timeline(person["trail"]),
        _details("Payload: the SCIM user exactly as it would be sent", _json(person["payload"])),
        _details("Last sent", _json(person["sent"]) if person["sent"] else None),
        *(_details(_record(one), _fields(one["row"])) for one in (person["mirror"], *person["mirrored_too"])),
        _details("Her row of dbo.ScimUsers", _fields(person["mapping"])),
        _details("Her account in Entra", _fields(person["account"])),
        element("p", element("a", "← How it all stands", href=HOME)),
    ]
    return _page(look, f"{employee_id} · {TITLE}", parts, notice, employee_id)


def refusal(look: Look, notice: Notice, *, sign_in: bool) -> str:
    """Why something was not done, and the way back."""
    way = element("a", "Sign in", href=SIGN_IN) if sign_in else element("a", "← Back to the page", href=HOME)
    return _page(look, f"Not possible · {TITLE}", [element("p", way)], notice, searches=False)


# --- the frame ----------------------------------------------------------------------------------------------------


def _page(
    look: Look,
    title: str,
    parts: Iterable[Markup | None],
    notice: Notice | None,
    asked: str = "",
    *,
    searches: bool = True,
) -> str:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href=ICON),
        element("title", title),
        element("style", raw(look.style)),
    )
    who = element("p", f"Signed in: {look.name}", class_="who") if look.name else None
    top = element("header", element("p", element("a", TITLE, href=HOME), class_="name"), _search(asked, searches), who)
    main = element("main", element("h1", _heading(title)), _notice(notice), *parts, id="main")
    skip = element("a", "To the content", href="#main", class_="skip")
    body = element("body", skip, top, main, element("script", raw(look.script)))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _heading(title: str) -> str:
    return "How it all stands" if title == TITLE else title.partition(" · ")[0]


def _search(asked: str, shown: bool) -> Markup | None:
    if not shown:
        return None
    field = element(
        "input",
        id="employee_id",
        name="employee_id",
        value=asked,
        maxlength=64,
        required=True,
        pattern="[A-Za-z0-9._\\-]{1,64}",
        autocomplete="off",
        spellcheck="false",
    )
    label = element("label", "EmployeeId", for_="employee_id")
    return element("form", label, field, element("button", "Show"), method="get", action=HOME, role="search")


def _notice(notice: Notice | None) -> Markup | None:
    if notice is None:
        return None
    more = element("ul", *(element("li", text) for text in notice.details)) if notice.details else None
    role = "alert" if notice.kind == "problem" else "status"
    return element("div", element("p", notice.told), more, class_=f"notice {notice.kind}", role=role)


def _section(title: str, *parts: Part, id_: str | None = None) -> Markup:
    return element("section", element("h2", title), *parts, id=id_)


def _empty(text: str) -> Markup:
    return element("p", text, class_="empty")


def _table(name: str, columns: Sequence[str], rows: Iterable[Sequence[Part]]) -> Markup:
    """A table that sorts by script; on a phone each row stands on its own, each cell with its column's name."""
    head = element("tr", *(element("th", column, scope="col") for column in columns))
    body = (element("tr", *(_cell(*pair) for pair in zip(columns, row, strict=True))) for row in rows)
    return element("table", element("thead", head), element("tbody", *body), class_="sortable", aria_label=name)


def _cell(column: str, cell: Part) -> Markup:
    return element("td", element("span", cell), data_label=column)


def _link(employee_id: str) -> Markup:
    return element("a", employee_id, href=f"{HOME}?employee_id={quote(employee_id, safe='')}")


def _links(ids: Sequence[str], count: int) -> Markup:
    shown = ids[:MOST_SHOWN]
    links = (part for i in shown for part in (_link(i), " "))
    return element("p", *links, _rest(count, shown), class_="people")


def _rest(count: int, shown: Sequence[object]) -> Markup | None:
    return element("span", f"… and {count - len(shown):,} more") if count > len(shown) else None


def _folded(ids: Sequence[str], content: Markup) -> Markup:
    """Shown when it is asked for; the first ids tell who they are."""
    return element("details", element("summary", f"Who: {', '.join(ids[:5])}{', …' if len(ids) > 5 else ''}"), content)


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


# --- how it all stands --------------------------------------------------------------------------------------------


def _first_steps() -> Markup:
    steps = (
        ("python -m provisioning doctor", "says whether everything is set up, and how it is mended"),
        ("python -m provisioning ingest", "copies HR into SQL"),
        ("python -m provisioning plan", "says whom the first run would create"),
        ("python -m provisioning create", "holds the first load, which is then approved on this page"),
    )
    items = (element("li", element("code", command), f" {told}") for command, told in steps)
    return _section(
        "Nothing has run yet", element("p", "The timers begin by themselves. By hand:"), element("ol", *items)
    )


def _counts(status: Answer) -> Markup:
    tiles = [_tile(name, status) for name in MENDS]
    used, limit = status["calls_used"], status["calls_limit"]
    calls = element("span", f"of {limit:,} calls of 24 h")
    meter = element("meter", f"{used} of {limit}", value=used, max=limit, high=limit * 0.8, aria_label="calls used")
    tiles.append(element("li", element("strong", f"{used:,}"), calls, meter, class_="calls"))
    waiting = (element("p", f"{n.capitalize()}: {MENDS[n]}") for n in ("due", "parked") if status[n])
    return element("section", element("ul", *tiles, class_="tiles"), *waiting, _how_far(status["outcomes"]))


def _how_far(read: Answer) -> Markup:
    """How far Entra's log is known, without which nobody is called failed."""
    if read["on"]:
        return element("p", f"Entra's log is read up to {_when(read['read_to'])}.")
    told = "Entra's log was not read in the last 24 hours, so nobody is called failed or unconfirmed with certainty: "
    timer, by_hand = element("code", "collect_outcomes"), element("code", "python -m provisioning outcomes")
    return element("p", told, "look at ", timer, ", or run ", by_hand, ".")


def _tile(name: str, status: Answer) -> Markup:
    """So many people; where something is to be done, the way to it."""
    shown = join([element("strong", f"{status[name]:,}"), element("span", name)])
    urgent = bool(status[name]) and name != "due"
    way = element("a", shown, href=f"#{name}") if urgent and name in SECTIONS else shown
    return element("li", way, title=MENDS[name], class_="look" if urgent else None)


def _holds(look: Look, holds: Sequence[Answer]) -> Markup:
    if not holds:
        return _section("Held for approval", _empty("Nothing waits. What a guard stops appears here, with its people."))
    return _section("Held for approval", *(_hold(look, hold) for hold in holds), id_="held")


def _hold(look: Look, hold: Answer) -> Markup:
    count, day = hold["count"], f" on {hold['due_on']}" if hold.get("due_on") else ""
    title = f"{str(hold['class']).replace('_', ' ')}{day}: {_people(count)}"
    paths = [f"{path}: {of['people']}" for path, of in hold["attributes"].items()]
    since = f"Since {_when(hold['held_at'])}, hold {hold['hold_id']}, by {hold['job']}."
    ids = hold["employee_ids"]
    shown = _folded(ids, _links(ids, count))
    return element(
        "article",
        element("h3", title),
        element("p", hold["reason"]),
        element("p", f"Attributes that differ: {', '.join(paths)}") if paths else None,
        element("p", since, class_="quiet"),
        shown,
        _approve_form(look, hold),
    )


def _approve_form(look: Look, hold: Answer) -> Markup:
    if not look.may_approve:
        return element("p", "Approving needs the app role Approver.", class_="quiet")
    field = element("input", type="hidden", name="hold_id", value=hold["hold_id"])
    button = element("button", f"Approve {_people(hold['count'])}", class_="strong")
    told = element("p", f"The next run sends them, in your name ({look.name}). This cannot be taken back.")
    form = element("form", field, told, button, method="post", action=APPROVE)
    summary = element("summary", f"Approve hold {hold['hold_id']} …")
    return element("details", summary, form, class_="act")


def _failures(status: Answer) -> Markup:
    if not status["failures"]:
        well = "Nobody failed." if status["outcomes"]["on"] else "Nothing is known: Entra's log is not read."
        return _section("Failed in Entra", _empty(well))
    groups = (_failure(of, status["failed_people"]) for of in status["failures"])
    again = element(
        "p", "Mended? ", element("code", "python -m provisioning retry-failed"), " makes them due once more."
    )
    return _section("Failed in Entra", again, *groups, id_="failed")


def _failure(of: Answer, people: Sequence[Answer]) -> Markup:
    hers = [p for p in people if (p["code"] or "(no code)") == of["code"]][:MOST_SHOWN]
    rows = (
        (_link(p["employee_id"]), _time(p["at"]), p["action"], p["reason"], "with the next run" if p["due"] else "no")
        for p in hers
    )
    title = element("h3", element("code", of["code"]), f" {_people(of['count'])}")
    mend = of["recommended_action"] or "Entra recommends nothing; look at the reason of each."
    columns = ("EmployeeId", "When", "Action", "What Entra says", "Goes again")
    table = _table(f"Who failed with {of['code']}", columns, rows)
    shown = table if len(hers) <= MOST_ROWS else _folded([p["employee_id"] for p in hers], table)
    return element("article", title, element("p", element("strong", "Mend: "), mend), shown, _rest(of["count"], hers))


def _named(kind: str, status: Answer) -> Markup | None:
    ids = status[f"{kind}_people"]
    if not ids:
        return None
    return _section(kind.capitalize(), element("p", MENDS[kind]), _links(ids, status[kind]), id_=kind)


def _disabled_by_hand(status: Answer) -> Markup | None:
    people = status["by_hand_people"]
    if not people:
        return None
    told = "Inactive whatever HR says, until HR agrees or somebody enables them on their page."
    rows = ((_link(p["employee_id"]), _time(p["at"]), p["by"]) for p in people[:MOST_SHOWN])
    table = _table("Disabled by hand", ("EmployeeId", "Since", "By"), rows)
    return _section("Disabled by hand", element("p", told), table, _rest(status["by_hand"], people[:MOST_SHOWN]))


def _compared(status: Answer) -> Markup | None:
    """How many were under which heading when the directory was last compared; nothing where it never was."""
    compared = status["compared"]
    if compared is None:
        return None
    counts = compared["counts"]
    asking = [(heading, told) for heading, told in comparison_page.FOUND.items() if told.mend and counts.get(heading)]
    rows = ((told.title, f"{counts[heading]:,}", told.mend) for heading, told in asking)
    table = _table("Compared with the directory", ("Heading", "How many", "What to do"), rows) if asking else None
    people, accounts, well = (counts.get(name, 0) for name in ("people", "accounts", "enabled"))
    when = f"{_when(compared['at'])}: {people:,} people in HR, {accounts:,} accounts, {well:,} as they should be."
    who = element("p", "Who: ", element("code", "python -m provisioning compare --report FILE"), class_="quiet")
    shown = join([table, who]) if table else _empty("Nothing asks for anybody.")
    return _section("Compared with the directory", element("p", when), shown, id_="compared")


def _chart(days: Sequence[Answer], ahead: Sequence[Answer]) -> Markup:
    moved = any(count for day in (*days, *ahead) for count in day.values() if isinstance(count, int))
    empty = _empty("Nobody came, left or changed, and nobody is about to. What runs send is drawn here.")
    return _section("Fourteen days back, fourteen ahead", chart(days, ahead) if moved else empty)


def _jobs(jobs: Answer) -> Markup:
    known = [*(j for j in JOBS if j in jobs), *sorted(j for j in jobs if j not in JOBS)]
    if not known:
        return _section("Last runs", _empty("No job has run yet."))
    rows = ((job, *_run(jobs[job])) for job in known)
    return _section("Last runs", _table("Last runs", ("Job", "Began", "Took", "Ended", "Counts"), rows))


def _run(run: Answer) -> tuple[Part, ...]:
    known = run["counts"] or {}
    counts = ", ".join(_counted(name, count) for name, count in known.items() if count)
    return (
        _time(run["started_at"]),
        _took(run),
        _ended(run["exit_code"]),
        counts or ("nothing to do" if known else "–"),
    )


def _counted(name: str, count: int) -> str:
    return f"{count:,} {ONE.get(name, name) if count == 1 else name.replace('_', ' ')}"


def _ended(code: int | None) -> Markup:
    words = {None: "still at work, or killed", 0: "done", 3: "done, something is held"}
    kind = {0: "well", None: "quiet", 3: "look"}.get(code, "bad")
    return element("span", words.get(code, f"failed, exit {code}"), class_=f"badge {kind}")


def _took(run: Answer) -> Part:
    if not run["started_at"] or not run["ended_at"]:
        return "–"
    began, ended = (datetime.fromisoformat(run[name]) for name in ("started_at", "ended_at"))
    seconds = (ended - began).total_seconds()
    return element("data", printed.duration(seconds), value=round(seconds))


def _when(text: str | None) -> str:
    """A time as people read it."""
    return f"{text[:16].replace('T', ' ')} UTC" if text else "–"


def _time(text: str | None) -> Part:
    """The same; a machine finds it whole in the element."""
    return element("time", _when(text), datetime=text) if text else "–"


# --- one person ---------------------------------------------------------------------------------------------------


def _name(person: Answer) -> Markup | None:
    user = person["payload"] or (person["sent"] or {}).get("user") or {}
    told = " · ".join(str(user[name]) for name in ("displayName", "title") if user.get(name))
    return element("p", told, class_="lead") if told else None


def _record(record: Answer) -> str:
    named = f" ({record['source']})" if record["source"] else ""
    absent = f", which HR has lacked since {_when(record['absent_since'])}" if record["absent_since"] else ""
    return f"Her row of {record['table']}{named}{absent}"


def _standing(look: Look, person: Answer) -> Markup:
    kind = {"unchanged": "well", "due": "quiet", "not yet due": "quiet"}.get(person["state"], "look")
    by = f", by {person['next_job']}" if person["next_job"] else ""
    absent = person["mirror"]["absent_since"]
    by_hand = person["by_hand"]
    facts = [
        *([f"disabled by {by_hand['by']}, {_when(by_hand['at'])}, whatever HR says"] if by_hand else []),
        *(reason for reason in person["reasons"] if not (by_hand and reason == BY_HAND)),
        *([f"HR has lacked her since {_when(absent)}"] if absent else []),
        *([f"what would happen: {person['action']}{by}"] if person["action"] else []),
        *(f"an upload of {_when(i['at'])} was not answered" for i in person["intents"]),
    ]
    holds = [f"hold {h['hold_id']} ({h['class']})" for h in person["holds"]]
    badge = element("p", element("span", person["state"], class_=f"badge {kind}"))
    listed = element("ul", *(element("li", fact) for fact in facts))
    waits = element("p", f"Waits in {', '.join(holds)}; ", element("a", "see them", href=HOME), ".") if holds else None
    return element("section", badge, listed, waits, *_forms(look, str(person["employee_id"]), disabled=bool(by_hand)))


def _forms(look: Look, employee_id: str, *, disabled: bool) -> Iterator[Markup]:
    """What an Operator may do to her."""
    if not look.may_resync:
        yield element("p", "Resync, disable and enable need the app role Operator.", class_="quiet")
        return
    field = element("input", type="hidden", name="employee_id", value=employee_id)
    told = element("span", "Fetches her from HR again and sends her now, changed or not.", class_="quiet")
    yield element("form", field, element("button", "Resync"), " ", told, method="post", action=RESYNC)
    verb, action, what = (
        "Disable",
        DISABLE,
        "She is inactive at once, whatever HR says, until HR agrees or you enable",
    )
    if disabled:
        verb, action, what = ("Enable", ENABLE, "HR counts again, and she goes as HR has her")
    word = element("p", f"{what}, in your name ({look.name}).")
    form = element(
        "form",
        field,
        word,
        element("button", f"{verb} {employee_id} now", class_="strong"),
        method="post",
        action=action,
    )
    yield element("details", element("summary", f"{verb} …"), form, class_="act")


def _differences(person: Answer) -> Markup:
    created = person["action"] == "create"
    shown = {p: c for p, c in person["attributes"].items() if not created or c["new"] is not None}
    if not shown:
        return _section("What would change", _empty("Nothing: what would be sent is what was sent last."))
    rows = (_difference(path, change) for path, change in shown.items())
    return _section("What would change", _table("What would change", ("Attribute", "Sent last", "Now"), rows))


def _difference(path: str, change: Answer) -> tuple[Part, ...]:
    remark = element("span", " (only set on create)", class_="quiet") if change.get("only_on_create") else None
    old, new = (element(name, printed.value(change[of])) for name, of in (("del", "old"), ("ins", "new")))
    return join([element("code", _short(path)), remark]), old, new


def _short(path: str) -> str:
    """An attribute's path as mapping.sql spells it: enterprise:department."""
    return re.sub(r"^urn:.*:([\w-]+):2\.0:User:", r"\1:", path)


def _timeline(trail: Sequence[Answer]) -> Markup:
    if not trail:
        return _section("Timeline", _empty("Nothing was sent of her yet."))
    alike = (list(steps) for _, steps in groupby(reversed(list(enumerate(trail))), _alike))
    steps = ([step for _, step in of] for of in alike)
    return _section("Timeline", element("ol", *(_step(newest, older) for newest, *older in steps), class_="timeline"))


def _alike(numbered: tuple[int, Answer]) -> object:
    """What is told as one step: that somebody opened her again and again."""
    number, step = numbered
    return step.get("by") if step["kind"] == "opened" else number


def _step(step: Answer, older: Sequence[Answer]) -> Markup:
    kind = {"failure": "bad", "success": "well"}.get(str(step.get("status")), "quiet")
    badge = element("span", step["kind"], class_=f"badge {kind}")
    run = f" {step['job']} {str(step['run_id'])[:8]}" if step.get("job") and step.get("run_id") else None
    ran = element("span", run, class_="quiet") if run else None
    more = f", {len(older) + 1} times since {_when(older[-1]['at'])}" if older else None
    lines = (
        element("p", line, class_="quiet") for line in (step.get("reason"), step.get("recommended_action")) if line
    )
    return element("li", _time(step["at"]), " ", badge, " ", _told(step), ran, more, *lines, _attributes(step))


def _told(step: Answer) -> str:
    """What a step was, in words."""
    by = f"by {step['by']}" if step.get("by") else None
    state = "inactive" if step.get("active") is False else None
    known = (step.get("action"), step.get("status"), step.get("code"), state, by, step.get("remark"))
    return " ".join(str(part) for part in known if part)


def _attributes(step: Answer) -> Markup | None:
    """Which attributes a step was about; of many, how many they are comes first."""
    paths = [_short(path) for path in step.get("attributes") or ()]
    told = element("p", ", ".join(paths), class_="quiet") if paths else None
    if len(paths) <= FEW:
        return told
    return element("details", element("summary", f"{len(paths)} attributes"), told, class_="quiet")


def _details(title: str, content: Markup | None) -> Markup:
    return element("details", element("summary", title), content or _empty("There is none."))


def _json(document: Any) -> Markup | None:
    if document is None:
        return None
    return element("pre", json.dumps(document, indent=2, ensure_ascii=False), tabindex=0)


def _fields(of: Answer | None) -> Markup | None:
    if not of:
        return None
    pairs = (join([element("dt", name), element("dd", printed.value(cell))]) for name, cell in of.items())
    return element("dl", *pairs)
