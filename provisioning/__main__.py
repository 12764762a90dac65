"""The operator's command line: parses, calls the same jobs as the timers, prints.

Exit codes: 0 done · 1 failed · 2 wrong usage or settings · 3 something needs a look · 4 busy.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from provisioning import jobs
from provisioning.errors import ProvisioningError, SettingsError
from provisioning.jobs import Report
from provisioning.settings import DATABASE, GRAPH, HR, Settings

_NEEDS = {"migrate": (DATABASE,), "ingest": (DATABASE, HR)}


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one verb; gives back its exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environ(
            _environment(options, os.environ if environ is None else environ),
            _NEEDS.get(options.verb, (DATABASE, GRAPH)),
        )
        report = _run(options, settings)
    except ProvisioningError as exc:
        report = exc.report or Report(options.verb, jobs.no_counts(options.verb))
        report.exit_code = exc.exit_code
        _print(report)
        print(f"{options.verb}: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt as exc:
        _print(getattr(exc, "report", None) or Report(options.verb, jobs.no_counts(options.verb)))
        print(f"{options.verb}: interrupted; what was in flight is sent again by the next run.", file=sys.stderr)
        return 1
    except Exception as exc:  # a mistake of ours: told in full, after what was done
        _print(getattr(exc, "report", None) or Report(options.verb, jobs.no_counts(options.verb)))
        raise
    _print(report)
    return report.exit_code


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
    if options.verb == "resend":
        return jobs.resend(settings, options.since)
    if options.verb == "resync":
        return jobs.resync(settings, options.employee_id, refresh=not options.no_refresh)
    simple = {"ingest": jobs.ingest, "create": jobs.create, "update": jobs.update, "reconcile": jobs.reconcile}
    return simple[options.verb](settings)


def _print(report: Report) -> None:
    print(report.line(), flush=True)
    for note in report.notes:
        print(note, file=sys.stderr)
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
    verbs.add_parser("create", help="send people who are about to start")
    verbs.add_parser("update", help="send people whose data changed")
    verbs.add_parser("reconcile", help="the same without any prefilter, and what is due to be sent again")
    resend = verbs.add_parser("resend", help="send people again, after 'restart provisioning'")
    which = resend.add_mutually_exclusive_group(required=True)
    which.add_argument("--since", type=_moment, metavar="TIME", help="whoever was last sent at or after this time")
    which.add_argument("--all", action="store_true", help="whoever was ever sent")
    resync = verbs.add_parser("resync", help="fetch one person from HR again and send her now")
    resync.add_argument("employee_id", metavar="ID")
    resync.add_argument("--no-refresh", action="store_true", help="send her as mirrored, without asking HR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
