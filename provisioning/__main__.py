"""The operator's command line: parses, calls the same jobs as the timers, prints.

Exit codes: 0 done · 1 failed · 2 wrong usage or settings · 3 something needs a look · 4 busy.
"""

import argparse
import functools
import getpass
import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from provisioning import (
    aftermath,
    app_setup,
    by_hand,
    comparing,
    comparison_page,
    doctor,
    erasure,
    graph_admin,
    holds,
    hosts,
    jobs,
    onboarding,
    person,
    printed,
    progress,
    renaming,
    review,
    runs,
)
from provisioning.errors import ProvisioningError, SettingsError
from provisioning.graph_admin import Gallery, GraphAdmin
from provisioning.jobs import Selection
from provisioning.people import Job
from provisioning.runs import Report
from provisioning.settings import DATABASE, GRAPH, GRAPH_HOSTS, HR, Settings

_NEEDS = {
    "migrate": (DATABASE,),
    "ingest": (DATABASE, HR),
    "purge": (DATABASE, HR),
    "forget": (DATABASE,),
    "source": (HR,),
    "infer-table": (),
    "add-columns": (DATABASE,),
    "app-create": (),
    "app-notices": (GRAPH,),
    "take-over-names": (DATABASE,),
}


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one verb; gives back its exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
    _print_any_letter(sys.stdout, sys.stderr)
    runs.prepare_process()
    options = _parser().parse_args(arguments)
    if options.verb == "doctor":
        return _examine(options, os.environ if environ is None else environ)
    try:
        settings = Settings.from_environ(
            _environment(options, os.environ if environ is None else environ),
            _NEEDS.get(options.verb, (DATABASE, GRAPH)),
        )
        if options.verb == "holds":
            return _print_holds(review.waiting(settings))
        report = _run(options, settings)
    except ProvisioningError as exc:
        report = exc.report or Report(options.verb, runs.no_counts(options.verb))
        report.exit_code = exc.exit_code
        _print(report)
        print(f"{options.verb}: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt as exc:
        _print(getattr(exc, "report", None) or Report(options.verb, runs.no_counts(options.verb)))
        print(f"{options.verb}: interrupted; what was in flight is sent again by the next run.", file=sys.stderr)
        return 1
    except Exception as exc:  # a mistake of ours: told in full, after what was done
        _print(getattr(exc, "report", None) or Report(options.verb, runs.no_counts(options.verb)))
        raise
    _print(report)
    return report.exit_code


def _print_any_letter(*streams: TextIO) -> None:
    """Names, and arrows, also where the terminal or the pipe has an old code page: what it lacks is escaped."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _examine(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print what the doctor finds; 0 or 1 whatever is set."""
    problems: Sequence[str] = ()
    try:
        environ = _environment(options, environ)
    except SettingsError as exc:
        problems = exc.problems
    try:
        findings = doctor.examine(environ, problems=problems)
    except KeyboardInterrupt:
        print("doctor: interrupted; nothing was changed.", file=sys.stderr)
        return 1
    told = [finding.as_json() for finding in findings]
    print(json.dumps({"checks": told}) if options.json else "\n".join(printed.doctor_lines(told)), flush=True)
    return doctor.exit_code(findings)


def _environment(options: argparse.Namespace, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, over the Values of a local.settings.json where one is named (as `func start` does it)."""
    if not options.settings:
        return environ
    try:
        values = json.loads(Path(options.settings).read_text(encoding="utf-8-sig"))["Values"]
        return {**{str(k): str(v) for k, v in values.items()}, **environ}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise SettingsError([f"--settings {options.settings}: is no readable JSON file with Values."]) from None


def _run(options: argparse.Namespace, settings: Settings) -> Report:
    if options.verb == "migrate":
        return jobs.migrate(settings, sample=options.sample, mapping=options.mapping)
    if options.verb == "resync":
        return jobs.resync(settings, options.employee_id, refresh=not options.no_refresh, by=_whoever())
    if options.verb == "approve":
        return review.approve(settings, options.hold_id, options.by)
    if options.verb == "compare":
        return _compare(options, settings)
    if options.verb in _AFTERWARDS:
        return _AFTERWARDS[options.verb](options, settings)
    if options.verb == "show":
        return _shown(person.show(settings, options.employee_id), as_json=options.json)
    selection = Selection(getattr(options, "limit", None), getattr(options, "only", ()))
    if options.verb == "plan":
        report = review.foresee(settings, Job(options.job) if options.job else None, selection, on=options.on)
        return report if options.json else _readable(report, diff=options.diff)
    with progress.shown(options.verb, sys.stderr) as observe:
        if options.verb == "ingest":
            return jobs.ingest(settings, observe=observe)
        if options.verb == "resend":
            return jobs.resend(settings, options.since, anyway=options.anyway, observe=observe)
        sending = {"create": jobs.create, "update": jobs.update, "reconcile": jobs.reconcile}
        return sending[options.verb](settings, selection, anyway=options.anyway, observe=observe)


def _compare(options: argparse.Namespace, settings: Settings) -> Report:
    """Values of people stand on stdout, and in the files that were named, only."""
    for path in filter(None, (options.report, options.csv)):
        comparing.check_writable(path)
    compared = comparing.compare(settings, foresee=options.first_load)
    if options.report:
        comparing.save_page(compared, options.report)
    if options.csv:
        comparing.save_csv(compared, options.csv)
    if options.diff:
        for line in comparison_page.diff_lines(compared.report.job, compared.people()):
            print(printed.harmless(line))
    if options.json:
        comparing.write_json(compared, sys.stdout)
    return compared.report


def _forget(options: argparse.Namespace, settings: Settings) -> Report:
    return (erasure.remember if options.undo else erasure.forget)(settings, options.employee_id)


def _infer_table(options: argparse.Namespace, settings: Settings) -> Report:
    return onboarding.infer_table(
        settings, options.table, saved=options.saved, data_selector=options.data_selector, key=options.key
    )


def _add_columns(options: argparse.Namespace, settings: Settings) -> Report:
    return onboarding.add_columns(
        settings, options.table, options.fields, saved=options.saved, data_selector=options.data_selector
    )


_AFTERWARDS: dict[str, Callable[[argparse.Namespace, Settings], Report]] = {
    "outcomes": lambda options, settings: aftermath.collect(settings),
    "retry-failed": lambda options, settings: aftermath.retry_failed(settings, options.code, _whoever()),
    "status": lambda options, settings: aftermath.status(settings),
    "purge": lambda options, settings: erasure.purge(settings, options.days),
    "forget": _forget,
    "source": lambda options, settings: onboarding.described(settings),
    "infer-table": _infer_table,
    "add-columns": _add_columns,
    "app-create": lambda options, settings: app_setup.app_create(
        options.name, lambda: _gallery(options), template=options.template, confirm=options.confirm
    ),
    "app-schema": lambda options, settings: app_setup.app_schema_of(
        settings, options.map, match=options.match, confirm=options.confirm, open_admin=_administrator(options)
    ),
    "app-notices": lambda options, settings: app_setup.app_notices(
        settings,
        email=options.email,
        threshold=options.delete_threshold,
        confirm=options.confirm,
        open_admin=_administrator(options),
    ),
    "app-start": lambda options, settings: app_setup.app_start(
        settings, anyway=options.anyway, confirm=options.confirm, open_admin=_administrator(options)
    ),
    "disable": lambda options, settings: by_hand.disable(settings, options.employee_id, options.by),
    "enable": lambda options, settings: by_hand.enable(settings, options.employee_id, options.by),
    "rename": lambda options, settings: renaming.rename(
        settings, options.employee_id, options.by, was_taken=options.taken
    ),
    "take-over-names": lambda options, settings: (
        renaming.take_over_file(settings, options.saved, apply=options.apply)
        if options.saved
        else renaming.take_over_directory(settings, apply=options.apply)
    ),
}


def _gallery(options: argparse.Namespace) -> Gallery:
    address, host = options.graph
    scopes = (graph_admin.APPS_SCOPE, graph_admin.WRITE_SCOPE)
    signed_in = (lambda: graph_admin.device_code_tokens(host, *scopes)) if options.device_code else None
    return Gallery(address, host, signed_in)


def _administrator(options: argparse.Namespace) -> app_setup.OpenAdmin:
    """Graph in the name of whoever sits here: as `az login` has it, or as she signs in now."""
    if not options.device_code:
        return GraphAdmin
    return lambda endpoint: GraphAdmin(endpoint, lambda: graph_admin.device_code_tokens(endpoint.host))


def _whoever() -> str:
    """Who sits at this machine, as it says: for the trail of whom she asks for."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"


def _readable(report: Report, *, diff: bool) -> Report:
    """The plan in words: on stderr who, what, which attributes; with `diff` values, too, and then on stdout."""
    answer, report.answer = report.answer, {}
    for line in printed.plan_lines(answer, report.counts, diff=diff):
        print(printed.harmless(line), file=sys.stdout if diff else sys.stderr)
    return report


def _shown(report: Report, *, as_json: bool) -> Report:
    """One person, as JSON or as a page; both on stdout, since it is personal data."""
    if not as_json:
        report.page = list(map(printed.harmless, printed.person_lines(report.answer)))
    return report


def _print_holds(found: Sequence[holds.Hold]) -> int:
    print(json.dumps({"holds": [hold.told() for hold in found]}), flush=True)
    for hold in found:
        print(holds.describe(hold), file=sys.stderr)
    if not found:
        print("holds: nothing waits for approval.", file=sys.stderr)
    return 0


def _print(report: Report) -> None:
    """The line of JSON on stdout, or the page in its place; for people on stderr."""
    if not report.printed:
        print("\n".join(report.page) if report.page else report.line(), flush=True)
    for note in report.notes:
        print(note, file=sys.stderr)
    if report.untold:
        print(f"… and {report.untold} more such lines", file=sys.stderr)
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.counts.items())
    if counts:
        print(f"{report.job}: {counts}", file=sys.stderr)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "must be a time such as 2026-11-22T06:00 (UTC unless it says otherwise)"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a date such as 2026-12-24") from None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError("must be a whole number above 0")
    return int(text)


def _ids(text: str) -> tuple[str, ...]:
    try:
        found = tuple(part.strip() for part in text.split(","))
        for employee_id in found:
            jobs.check_id(employee_id)
    except ProvisioningError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None
    return found


def _pair(text: str) -> tuple[str, str]:
    path, _, target = text.rpartition("=")
    if not path.strip() or not target.strip():
        raise argparse.ArgumentTypeError("must be a column and an attribute over there: hr:HireDate=employeeHireDate")
    return path.strip(), target.strip()


def _graph_address(text: str) -> tuple[str, str]:
    parts = urlsplit(text)
    host, local = parts.hostname or "", hosts.is_loopback(parts.hostname or "")
    if (
        (host not in GRAPH_HOSTS and not local)
        or parts.scheme != ("http" if local else "https")
        or parts.path.strip("/")
    ):
        raise argparse.ArgumentTypeError(f"must be https:// and one of {', '.join(GRAPH_HOSTS)}")
    return f"{text.rstrip('/')}/v1.0", host


def _plan_name(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8}", text):
        raise argparse.ArgumentTypeError("must be the eight letters that the command without it has shown")
    return text


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=_count, metavar="N", help="at most so many people, the most urgent first")
    parser.add_argument("--only", type=_ids, default=(), metavar="ID,ID", help="these people only")


def _add_sending(parser: argparse.ArgumentParser) -> None:
    _add_selection(parser)
    _add_anyway(parser)


def _add_anyway(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--anyway", action="store_true", help="also while the provisioning job stands still")


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--job", choices=("create", "update", "reconcile"), help="this one (default: create and update)"
    )
    parser.add_argument("--diff", action="store_true", help="also old and new values, on stdout")
    parser.add_argument("--on", type=_day, metavar="DATE", help="what the days until then will bring")
    parser.add_argument("--json", action="store_true", help="everything, with old and new values, as one line of JSON")
    _add_selection(parser)


@functools.cache
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m provisioning", description="From an HR system, through SQL, to Microsoft Entra ID."
    )
    parser.add_argument("--settings", metavar="FILE", help="take settings from a local.settings.json, too")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    migrate = verbs.add_parser("migrate", help="bring the database up to date")
    migrate.add_argument("--sample", action="store_true", help="put invented sample people into dbo.Employees")
    migrate.add_argument("--mapping", action="store_true", help="replace dbo.ScimUsers by sql/mapping.sql")
    verbs.add_parser("ingest", help="copy the HR API into SQL")
    _add_sending(verbs.add_parser("create", help="send people who are about to start"))
    _add_sending(verbs.add_parser("update", help="send people whose data changed"))
    _add_sending(verbs.add_parser("reconcile", help="the same without any prefilter, and what is due to be sent again"))
    _add_plan(verbs.add_parser("plan", help="what a run would do; sends nothing"))
    shown = verbs.add_parser("show", help="everything known about one person, and what would be sent")
    shown.add_argument("employee_id", metavar="ID")
    shown.add_argument("--json", action="store_true", help="as one line of JSON")
    checked = verbs.add_parser("doctor", help="whether everything is set up right, and how it is mended")
    checked.add_argument("--json", action="store_true", help="as one line of JSON")
    verbs.add_parser("holds", help="what waits for approval")
    approve = verbs.add_parser("approve", help="let the people of a hold go")
    approve.add_argument("hold_id", metavar="HOLD")
    approve.add_argument("--by", required=True, metavar="NAME", help="who approves")
    resend = verbs.add_parser("resend", help="send people again, after 'restart provisioning'")
    which = resend.add_mutually_exclusive_group(required=True)
    which.add_argument("--since", type=_moment, metavar="TIME", help="whoever was last sent at or after this time")
    which.add_argument("--all", action="store_true", help="whoever was ever sent")
    resync = verbs.add_parser("resync", help="fetch one person from HR again and send her now")
    resync.add_argument("employee_id", metavar="ID")
    resync.add_argument("--no-refresh", action="store_true", help="send her as mirrored, without asking HR")
    _add_anyway(resend)
    _add_by_hand(verbs)
    _add_onboarding(verbs)
    _add_app(verbs)
    _add_afterwards(verbs)
    _add_compare(verbs.add_parser("compare", help="HR and the ledger beside the directory, person by person"))
    return parser


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--first-load", action="store_true", help="what a first load would do, before anybody was sent")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write it as a page of HTML, for its owner only")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write everybody as CSV, for its owner only")
    parser.add_argument("--diff", action="store_true", help="also who they are and what differs, on stdout")
    parser.add_argument("--json", action="store_true", help="everybody, with values, as one line of JSON")


def _add_by_hand(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    told = {
        "disable": "an urgent leaver: inactive now and whatever HR says, until HR agrees or enable",
        "enable": "take back a disable: HR counts again",
        "rename": "another user name, by the name that HR has of somebody now; the old one stays as an alias",
    }
    for verb, what in told.items():
        parser = verbs.add_parser(verb, help=what)
        parser.add_argument("employee_id", metavar="ID")
        parser.add_argument("--by", required=True, metavar="NAME", help="in whose name")
        if verb == "rename":
            parser.add_argument(
                "--taken", action="store_true", help="the one she has is somebody else's, as Entra tells"
            )
    existing = verbs.add_parser("take-over-names", help="keep the user names that people have already")
    source = existing.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--from", dest="saved", type=Path, metavar="FILE", help="a CSV: EmployeeId, UserName, MailNickname"
    )
    source.add_argument("--from-directory", action="store_true", help="the tenant's accounts, by their employeeId")
    existing.add_argument("--apply", action="store_true", help="write them down; without it only what would be is told")


def _add_app(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    create = verbs.add_parser("app-create", help="make the provisioning app in Entra, and its job")
    create.add_argument("name", metavar="NAME", help="what it is to be called")
    create.add_argument("--template", default=app_setup.TEMPLATE, help="of which app of the gallery (%(default)s)")
    create.add_argument(
        "--graph", type=_graph_address, default=f"https://{GRAPH_HOSTS[0]}", metavar="URL", help="of another cloud"
    )
    schema = verbs.add_parser("app-schema", help="what the provisioning app lacks for the mapping's attributes")
    schema.add_argument(
        "--map",
        type=_pair,
        action="append",
        default=[],
        metavar="PATH=TARGET",
        help="map this column's attribute to that attribute over there; again for more",
    )
    schema.add_argument("--match", action="store_true", help="match people by externalId → employeeId alone")
    told = verbs.add_parser("app-notices", help="whom Entra tells when the job stops, and what stops it")
    told.add_argument("--email", metavar="ADDRESS", help="who is told, best a group")
    told.add_argument("--delete-threshold", type=_count, metavar="N", help="so many disables in a cycle stop the job")
    start = verbs.add_parser("app-start", help="set the provisioning job to work, if nothing is missing")
    start.add_argument("--anyway", action="store_true", help="also where something is missing")
    for parser in (create, schema, told, start):
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--dry-run", action="store_true", help="show it only, which is the default, too")
        what.add_argument("--confirm", type=_plan_name, metavar="PLAN", help="do what was shown under this name")
        parser.add_argument("--device-code", action="store_true", help="sign in in a browser instead of az login")


def _add_onboarding(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs.add_parser("source", help="HR_SOURCE in full, with what its preset says; secrets by their settings' names")
    infer = verbs.add_parser(
        "infer-table", help="write scripts for HR's response: its table, and a first mapping of it"
    )
    infer.add_argument("--key", metavar="FIELD", help="the field that tells records apart (default: as HR_SOURCE says)")
    add = verbs.add_parser("add-columns", help="write a script for fields that a table does not have")
    for parser in (infer, add):
        parser.add_argument("table", metavar="NAME", help="the table, which is the name of HR_SOURCE's resource")
        parser.add_argument(
            "--from", dest="saved", type=Path, metavar="FILE", help="a saved response instead: JSON, or CSV"
        )
        parser.add_argument("--data-selector", metavar="PATH", help="where FILE has its list of records, such as data")
    add.add_argument("fields", nargs="*", metavar="FIELD", help="these only (as they are told: a nested one as a_b)")


def _add_afterwards(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs.add_parser("outcomes", help="read back from Entra's provisioning log what came of each person")
    verbs.add_parser("status", help="how it all stands: last runs, who is due, held, failed, unconfirmed, calls used")
    retry = verbs.add_parser("retry-failed", help="make people who failed due once more")
    retry.add_argument("--code", metavar="CODE", help="only those with this error code")
    purge = verbs.add_parser("purge", help="take people out of the mirror")
    purge.add_argument("--gone", action="store_true", required=True, help="who is long gone from HR, and inactive")
    purge.add_argument("--days", type=_count, metavar="N", help="for so many days (default: HISTORY_DAYS)")
    forget = verbs.add_parser("forget", help="remove whatever is kept of one person who has left HR")
    forget.add_argument("employee_id", metavar="ID")
    forget.add_argument("--undo", action="store_true", help="let her be created again, should her row come back")


if __name__ == "__main__":
    sys.exit(main())
