"""A comparison as people read it: lines for a terminal, and a page of HTML that needs nothing else. Pure.

The page holds personal data: it goes into the file that the operator named. Every text is escaped by
`provisioning.markup`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from provisioning.markup import Markup, Part, element, join, raw

Answer = Mapping[str, Any]


class Told(NamedTuple):
    """A comparison as it is told: the job, its counts, and all that is not about single people."""

    job: str
    counts: Mapping[str, int]
    answer: Answer


MOST_ROWS = 2000
"""So many people of a heading stand on the page; CSV and JSON have them all."""

MOST_LINES = 1000
"""So many are shown on a terminal."""


class Words(NamedTuple):
    """What a heading is called, what it means, and what is done about it."""

    title: str
    means: str
    mend: str = ""


_LEFT_ENABLED = "HR has ended them, or has no row of theirs any more; their accounts still work"

FOUND: Mapping[str, Words] = {
    "left_enabled": Words(
        "Left HR, still enabled",
        _LEFT_ENABLED,
        "The next update disables whom it has sent; whom it never sent, somebody must disable by hand.",
    ),
    "doubled": Words(
        "Several accounts with one key",
        "Entra refuses to choose, so that nothing that is sent arrives",
        "Take the key away from all accounts but hers.",
    ),
    "missing": Words(
        "In HR, missing there",
        "They should have an account today, and none has their key or another name of theirs",
        "Never sent: create makes it. Sent: outcomes, and show ID, say why it is not there.",
    ),
    "other_key": Words(
        "Matched by another key only",
        "No account has their key, but one has another name of theirs that fits nobody else",
        "If it is hers, give it her key; else Entra makes her a second account, or refuses her user name.",
    ),
    "without_hr": Words(
        "Enabled there, without HR",
        "Enabled accounts that nobody in HR has, guests and what COMPARE_IGNORE names left out",
        "Somebody's? Then HR lacks her. A service's? Then add a rule to COMPARE_IGNORE. Nobody's? Disable it.",
    ),
    "disabled": Words(
        "In HR, disabled there",
        "They were sent as active, or are to be; somebody has disabled their accounts",
        "Ask who did it before you enable them: resync ID.",
    ),
    "differs": Words(
        "Attributes that are not as sent",
        "Somebody has changed them by hand, or what was sent has not arrived",
        "Right over there? Then mend HR. Else resync ID writes them again, but not what is only set on create.",
    ),
    "parked": Words("Cannot be told", "Their row of dbo.ScimUsers cannot be read", "plan says why, too."),
    "enabled": Words("In HR and enabled there", "As it should be"),
    "left": Words("Left HR, no enabled account", "As it should be"),
    "later": Words("Start later", "Not active before their first day"),
    "out_of_scope": Words("Out of scope", "InScope says that they are not sent"),
}
FORESEEN: Mapping[str, Words] = {
    "clash": Words(
        "User name taken",
        "Entra will refuse to make or rename them: another account has the user name",
        "If that account is hers, give it her key, and she is found; else change one of the two names.",
    ),
    "beside": Words(
        "Made anew beside an account like hers",
        "No account has their key, but one has another name of theirs: they would get a second account",
        "If it is hers, give it her key, and she is found.",
    ),
    "doubled": Words(
        "Several accounts with one key",
        "Entra refuses to choose, and does nothing",
        "Take the key away from all accounts but hers.",
    ),
    "parked": Words("Not sent", "Something of theirs must be mended first", "plan says why, too."),
    "matched": Words("Matched", "Entra finds their account by key, and writes to it what differs"),
    "created": Words("Created", "Nothing over there is like them: Entra makes them an account"),
    "left_enabled": Words(
        "Left HR, still enabled, and left alone",
        f"{_LEFT_ENABLED}. A first load does not disable them: the app disables only whom it has sent",
        "Disable them by hand before, or after.",
    ),
    "without_hr": Words(
        "Enabled there, without HR, and left alone",
        "Enabled accounts that nobody in HR has, guests and what COMPARE_IGNORE names left out",
        "Nothing is done to them. Somebody's? Then HR lacks her.",
    ),
    "left": FOUND["left"],
    "later": Words("Start later", "Not sent before their lead days"),
    "out_of_scope": FOUND["out_of_scope"],
}
COUNTED_ONLY = ("enabled", "left", "later", "out_of_scope")
"""Headings under which nobody is listed."""

TITLES = {"compare": "HR and the directory compared", "first-load": "What the first load would do"}


def words(job: str) -> Mapping[str, Words]:
    """The headings of a job, the gravest first."""
    return FORESEEN if job == "first-load" else FOUND


# --- on a terminal ------------------------------------------------------------------------------------------------


def lines(
    job: str, counts: Mapping[str, int], few: Mapping[str, Sequence[str]], *, short: bool = False
) -> Iterator[str]:
    """How many are under each heading, and the first of them by EmployeeId, accounts by their object id; the mend."""
    for heading, told in words(job).items():
        count = counts.get(heading, 0)
        if not count:
            continue
        named = few.get(heading, ()) if heading not in COUNTED_ONLY else ()
        shown = f": {', '.join(named)}{', …' if len(named) < count else ''}" if named else ""
        yield f"{count:>7,}  {told.title}{shown}"
        if told.mend and not short:
            yield f"         {told.mend}"


def diff_lines(job: str, people: Iterable[Answer]) -> Iterator[str]:
    """Everybody under a heading that asks for something, with values (personal data)."""
    shown = 0
    for person in people:
        if person["heading"] in COUNTED_ONLY or (
            person["heading"] in ("matched", "created") and not person["attributes"]
        ):
            continue
        shown += 1
        if shown > MOST_LINES:
            yield "… and more people; --json and --csv have them all"
            return
        account = person["user_principal_name"] or person["object_id"] or person["user_name"]
        who = (person["employee_id"] or "–", account or "–")
        remarks = f"  {'; '.join(person['remarks'])}" if person["remarks"] else ""
        yield f"{words(job)[person['heading']].title}: {who[0]}  {who[1]}{remarks}"
        for name, change in person["attributes"].items():
            yield f"    {name}  {_told(job, change)}"


def _told(job: str, change: Answer) -> str:
    old, new = ("found", "sent") if job == "first-load" else ("sent", "found")
    once = " (only set on create)" if change["only_on_create"] else ""
    return f"{change[old] or '(none)'} → {change[new] or '(none)'}{once}"


# --- a page -------------------------------------------------------------------------------------------------------


def page(report: Told, people: Sequence[Answer], style: str) -> str:
    """The whole page; of `people` those that stand on it, those of one heading together."""
    title, answer = TITLES[report.job], report.answer
    by_heading = {heading: list(of) for heading, of in groupby(people, key=lambda p: str(p["heading"]))}
    listed = [h for h in words(report.job) if report.counts.get(h) and h not in COUNTED_ONLY]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        element("title", title),
        element("style", raw(style)),
    )
    main = element(
        "main",
        element("h1", title),
        _lead(report),
        _summary(report, listed),
        _attributes(report),
        *(_section(report, heading, by_heading.get(heading, [])) for heading in listed),
        _how(answer),
        id="main",
    )
    skip = element("a", "To the content", href="#main", class_="skip")
    return f"<!DOCTYPE html>\n{element('html', head, element('body', skip, main), lang='en')}\n"


def _lead(report: Told) -> Markup:
    counts, when = report.counts, str(report.answer["compared_at"])[:16].replace("T", " ")
    told = f"{when} UTC · {counts['people']:,} people in HR · {counts['accounts']:,} accounts in the directory"
    warning = "This page holds personal data: keep it where only those can read it who may."
    return join([element("p", told, class_="lead"), element("p", warning, class_="notice")])


def _summary(report: Told, listed: Sequence[str]) -> Markup:
    rows: list[tuple[Part, ...]] = []
    for heading, told in words(report.job).items():
        count = report.counts.get(heading, 0)
        name: Part = element("a", told.title, href=f"#{heading}") if heading in listed else told.title
        rows.append((name, f"{count:,}", told.means))
        if heading == "matched":
            rows += list(_of_matched(report.counts))
    return element(
        "section", element("h2", "In numbers"), _table("In numbers", ("Heading", "How many", "What that means"), rows)
    )


def _of_matched(counts: Mapping[str, int]) -> Iterator[tuple[Part, ...]]:
    yield "– of them changed", f"{counts['changed']:,}", "At least one attribute, below, would be written anew"
    yield "– of them disabled", f"{counts['disables']:,}", "The account is enabled, and would not be any more"
    yield "– of them enabled", f"{counts['enables']:,}", "The account is disabled, and would be enabled"


def _attributes(report: Told) -> Markup | None:
    found = report.answer["attributes"]
    if not found:
        return None
    once = {c["property"] for c in report.answer["compared"] if c["only_on_create"]}
    rows = ((element("code", n), f"{count:,}", "only set on create" if n in once else "") for n, count in found.items())
    title = "Which attributes would change" if report.job == "first-load" else "Which attributes are not as sent"
    return element("section", element("h2", title), _table(title, ("Attribute", "People", "Remark"), rows))


def _section(report: Told, heading: str, people: Sequence[Answer]) -> Markup:
    told, count = words(report.job)[heading], report.counts[heading]
    rest = f"… and {count - len(people):,} more; --csv FILE and --json have them all." if count > len(people) else None
    if heading == "matched" and rest:
        rest = f"Of {count - len(people):,} more nothing would change, or this page is full; --csv FILE has them all."
    columns = ("EmployeeId", "User name", "Name", "Why", "What")
    key = report.answer["matched_by"][0].rpartition(" ")[2]
    rows = [_row(report.job, person, key) for person in people]
    return element(
        "section",
        element("h2", f"{told.title} ({count:,})"),
        element("p", f"{told.means}."),
        element("p", element("strong", "What to do: "), told.mend) if told.mend else None,
        _table(told.title, columns, rows) if rows else None,
        element("p", rest) if rest else None,
        id=heading,
    )


def _row(job: str, person: Answer, key: str) -> tuple[Part, ...]:
    """`key`: by what people are found who need no word about it."""
    account = person["user_principal_name"] or person["object_id"] or person["user_name"]
    state = {False: "disabled", True: None, None: None}[person["enabled"]]
    by = person["found_by"]
    found = f"found by {by}" if by and by != key and not any(by in remark for remark in person["remarks"]) else None
    why = "; ".join(part for part in (*person["remarks"], state, found) if part)
    changes = (part for name, of in person["attributes"].items() for part in _change(job, name, of))
    what = element("dl", *changes) if person["attributes"] else None
    return person["employee_id"], account, person["display_name"], why, what


def _change(job: str, name: str, of: Answer) -> Iterator[Markup]:
    old, new = ("found", "sent") if job == "first-load" else ("sent", "found")
    remark = element("span", " (only set on create)", class_="quiet") if of["only_on_create"] else None
    yield element("dt", name)
    yield element("dd", element("del", of[old] or "(none)"), " → ", element("ins", of[new] or "(none)"), remark)


def _how(answer: Answer) -> Markup:
    """By what people were found, what was compared, what not, and which accounts were left out."""
    schema = (
        f"the app's schema, {answer['schema']}" if answer["schema"] else "names, since the app's schema was not read"
    )
    facts = [
        f"People are found by {', then by '.join(answer['matched_by'])}.",
        f"What goes where is told by {schema}.",
        f"Accounts that are disabled and nobody's: {answer['disabled_without_hr']:,}. They are not listed.",
        *(
            f"Left out by COMPARE_IGNORE: {_rule(one['rule'])}: {one['accounts']:,}"
            for one in answer["ignored_accounts"]
        ),
    ]
    compared = ((element("code", c["path"]), element("code", c["property"])) for c in answer["compared"])
    left = ((element("code", c["target"]), c["why"]) for c in answer["not_compared"])
    return element(
        "section",
        element("h2", "How it was compared"),
        element("ul", *(element("li", fact) for fact in facts)),
        element("h3", "Compared"),
        _table("Compared", ("Sent as", "Property in Entra"), compared),
        element("h3", "Not compared"),
        _table("Not compared", ("Attribute", "Why"), left) if answer["not_compared"] else element("p", "Nothing."),
    )


def _rule(rule: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {pattern}" for name, pattern in rule.items())


def _table(name: str, columns: Sequence[str], rows: Iterable[Sequence[Part]]) -> Markup:
    """Without columns of which every cell is empty. On a phone each row stands on its own, cells with their names."""
    rows = list(rows)
    kept = [n for n in range(len(columns)) if any(row[n] for row in rows)]
    head = element("tr", *(element("th", columns[n], scope="col") for n in kept))
    body = (element("tr", *(_cell(columns[n], row[n] or "–") for n in kept)) for row in rows)
    return element("table", element("thead", head), element("tbody", *body), class_="sortable", aria_label=name)


def _cell(column: str, cell: Part) -> Markup:
    return element("td", element("span", cell) if not isinstance(cell, Markup) else cell, data_label=column)
