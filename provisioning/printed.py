"""How answers look to people: a plan, one person, a doctor's findings, as lines of text.

Pure. What holds personal data says so: it goes to whoever asked, on stdout, and never into a log.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from provisioning import scim

Answer = Mapping[str, Any]

COUNTED = ("create", "enable", "change", "disable", "send again", "send")
"""The order in which a plan's actions are counted."""

MOST_PEOPLE = 1000
"""So many are shown on a terminal."""

_SHOWN_CHANGED = ("change", "enable")


def plan_lines(answer: Answer, counts: Mapping[str, int], *, diff: bool = False) -> Iterator[str]:
    """A plan in columns: who, what, which attributes; with `diff` also old and new values (personal data)."""
    widths = _widths(answer["people"])
    for person in answer["people"][:MOST_PEOPLE]:
        yield _plan_line(person, widths, named=not diff)
        if diff:
            yield from (
                f"    {line}" for line in diff_lines(person["attributes"], created=person["action"] == "create")
            )
    if more := len(answer["people"][MOST_PEOPLE:]):
        yield f"… and {more} more people; --json names them all"
    for one in answer["parked_people"][:MOST_PEOPLE]:
        yield f"parked {one['employee_id'] or '(no EmployeeId)'}: {'; '.join(one['reasons'])}"
    for hold in answer["holds"] if not answer.get("on") else ():
        yield f"would be held: {hold['class']}, {hold['count']} people: {hold['reason']}"
    yield _totals(answer, counts)
    yield _effort(answer, counts)


def diff_lines(attributes: Mapping[str, Answer], *, created: bool = False) -> Iterator[str]:
    """Attribute, old and new value (personal data), one a line. Of somebody created, only what she gets."""
    shown = {p: c for p, c in attributes.items() if not created or c["new"] is not None}
    width = max(map(len, shown), default=0)
    for path, change in shown.items():
        values = value(change["new"]) if created else f"{value(change['old'])} → {value(change['new'])}"
        yield f"{path:<{width}}  {values}{_remark(change)}"


def person_lines(answer: Answer) -> Iterator[str]:
    """Everything known of one person (personal data)."""
    action = f", {answer['action']}" if answer["action"] else ""
    job = f" by {answer['next_job']}" if answer["next_job"] else ""
    yield f"{answer['employee_id']}  {answer['state']}{action}{job}"
    yield from (f"  {reason}" for reason in answer["reasons"])
    if by_hand := answer["by_hand"]:
        yield f"  disabled by hand at {by_hand['at']} by {by_hand['by']}"
    yield from _part("what would change", diff_lines(answer["attributes"], created=answer["action"] == "create"))
    yield from _part(f"last sent{_sent_when(answer['sent'])}", _fields(_flat((answer["sent"] or {}).get("user"))))
    for record in (answer["mirror"], *answer["mirrored_too"]):
        named = f" of {record['source']}" if record["source"] else ""
        absent = f", absent since {record['absent_since']}" if record["absent_since"] else ""
        yield from _part(f"{record['table']}{named}{absent}", _fields(record["row"]))
    yield from _part("dbo.ScimUsers", _fields(answer["mapping"]))
    yield from _part("payload", [json.dumps(answer["payload"], ensure_ascii=False)] if answer["payload"] else ())
    yield from _part("holds", (f"{h['hold_id']}  {h['class']}: {h['reason']}" for h in answer["holds"]))
    yield from _part("uploads without an answer", (f"{i['at']}  run {i['run_id']}" for i in answer["intents"]))
    yield from _part("user names", (_name_line(name) for name in answer["user_names"]))
    yield from _part("account", _fields(answer["account"]))
    yield from _part("trail", map(_step_line, answer["trail"]))


def doctor_lines(findings: Sequence[Answer]) -> Iterator[str]:
    """A doctor's findings: check, state, what was found, and how it is mended."""
    width = max(len(f["check"]) for f in findings)
    for found in findings:
        first, *more = found["told"] or [""]
        yield f"{found['check']:<{width}}  {found['state']:<11}  {first}".rstrip()
        indent = " " * (width + 15)
        yield from (f"{indent}{line}" for line in more)
        yield from (f"{indent}→ {mend}" for mend in found["mend"])
    states = [f["state"] for f in findings]
    order = ("failed", "warning", "not checked", "ok")
    yield ", ".join(f"{states.count(state)} {state}" for state in order if state in states)


def _name_line(name: Answer) -> str:
    released = f", released {name['released_at']}" if name["released_at"] else ""
    return f"{name['user_name']}  {name['mail_nickname']}  since {name['given_at']}{released}"


def _part(title: str, lines: Iterable[str]) -> Iterator[str]:
    told = list(lines)
    if told:
        yield from ("", title, *(f"    {line}" for line in told))


def _fields(of: Answer | None) -> Iterator[str]:
    known = of or {}
    width = max(map(len, known), default=0)
    return (f"{name:<{width}}  {value(cell)}" for name, cell in known.items())


def _flat(user: Answer | None) -> Answer:
    """A SCIM user, path by path."""
    return scim.flatten(user) if user else {}


def _sent_when(sent: Answer | None) -> str:
    if sent is None:
        return ""
    outcome = f": {sent['outcome']} at {sent['outcome_at']}" if sent["outcome"] else ""
    outcome += f", RECREATED at {sent['recreated_at']}" if sent["recreated_at"] else ""
    return f" {sent['at']} by {sent['job'] or 'a run'} {sent['run_id']}{outcome}"


def _step_line(step: Answer) -> str:
    """One step of a trail: what happened, in which run or by whom, and what it was about."""
    told = [step.get("action"), step.get("status"), step.get("code"), step.get("reason"), step.get("remark")]
    told += [f"by {step['by']}"] if step.get("by") else []
    told += [f"{step.get('job') or 'run'} {step['run_id']}"] if step.get("run_id") else []
    told += [", ".join(step.get("attributes") or ()), step.get("recommended_action")]
    return f"{step['at']}  {step['kind']:<8}  {'  '.join(part for part in told if part)}".rstrip()


def harmless(line: str) -> str:
    """A line that commands no terminal and turns no text around: what would, in a value, is escaped."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)


def value(of: Any) -> str:
    """A value as it stands in a SCIM user."""
    return "(none)" if of is None else json.dumps(of, ensure_ascii=False)


def duration(seconds: float) -> str:
    """So many seconds, in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _widths(people: Iterable[Answer]) -> tuple[int, int]:
    ids, actions = [12], [10]
    for person in people:
        ids.append(len(person["employee_id"]))
        actions.append(len(person["action"]))
    return max(ids), max(actions)


def _plan_line(person: Answer, widths: Sequence[int], *, named: bool) -> str:
    day = f"{person['day']}  " if "day" in person else ""
    changed = [f"{p}{_remark(c)}" for p, c in person["attributes"].items()]
    paths = f"{', '.join(changed)}  " if named and person["action"] in _SHOWN_CHANGED else ""
    held = f"HELD: {', '.join(person['held'])}  " if "held" in person else ""
    held += "BY HAND  " if "by_hand" in person else ""
    deferred = "DEFERRED: the day's calls are used up" if "deferred" in person else ""
    columns = f"{person['employee_id']:<{widths[0]}} {person['action']:<{widths[1]}}"
    return f"{day}{columns} {paths}{held}{deferred}".rstrip()


def _remark(change: Answer) -> str:
    given = " (to be given)" if change.get("to_be_given") else ""
    return f"{given} (only set on create)" if change.get("only_on_create") else given


def _totals(answer: Answer, counts: Mapping[str, int]) -> str:
    actions = answer["actions"]
    told = [f"{actions[name]} {name}" for name in COUNTED if name in actions] or ["nobody is due"]
    told += [f"{counts[name]} {name}" for name in ("held", "parked", "deferred") if counts[name]]
    if count := answer["user_names"]:
        told.append(f"{count} user name{'' if count == 1 else 's'} to be given")
    return ", ".join(told)


def _effort(answer: Answer, counts: Mapping[str, int]) -> str:
    calls = f"{counts['calls']} call{'' if counts['calls'] == 1 else 's'} of at most 50 people"
    told = f"{calls}, about {duration(answer['seconds'])}" if counts["calls"] else "no calls"
    told += f"; {answer['calls_left']} of the day's calls are left"
    if more := answer.get("more_days"):
        told += f", the rest takes {more} more day{'' if more == 1 else 's'}"
    return told
