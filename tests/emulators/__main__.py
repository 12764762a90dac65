"""Run both emulators on this machine: `python -m tests.emulators`."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import time

from tests.emulators import people
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

USER = "svc"
SERVICE_PRINCIPAL = "a2ff8d8d-f1aa-43f3-8b00-fbe196bf17a6"
JOB = "API2AAD.4462f4c1447f435e97c3a219cae446e8.8478ede9-40ae-4d07-a681-ca97edd46872"


def main() -> None:
    """Start both, say where they are, and run until Ctrl-C."""
    options = _options()
    invented = people.invent(options.people, today=dt.datetime.now(dt.UTC).date())
    password = os.environ.get("EMULATOR_HR_PASSWORD", "emulator")
    with (
        HrEmulator(invented, {"basic": (USER, password)}, port=options.hr_port) as hr,
        GraphEmulator(port=options.graph_port, daily_limit=options.daily_limit) as graph,
    ):
        _introduce(hr, graph.add_job(SERVICE_PRINCIPAL, JOB), graph)
        try:
            _report_arrivals(graph)
        except KeyboardInterrupt:
            print("stopped", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.emulators", description=__doc__)
    parser.add_argument("--hr-port", type=int, default=8071, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--graph-port", type=int, default=8072, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--people", type=int, default=1000, help="how many HR knows (default: %(default)s)")
    parser.add_argument("--daily-limit", type=int, default=2000, help="uploads in 24 hours (default: %(default)s)")
    return parser.parse_args()


def _introduce(hr: HrEmulator, upload_url: str, graph: GraphEmulator) -> None:
    credentials = f"{USER}:${{EMULATOR_HR_PASSWORD:-emulator}}"
    edit = f"""curl -u "{credentials}" -X PATCH {hr.url}/api/Employees/E00001 -d '{{"Title": "Duck"}}'"""
    print(f"HR     {hr.url}/api/Employees   ({len(hr.people)} people, user {USER})")
    print(f"Graph  {upload_url}   (at most {graph.daily_limit} calls in 24 h)")
    print(f"Edit somebody:  {edit}")
    print("Ctrl-C stops both.", flush=True)


def _report_arrivals(graph: GraphEmulator) -> None:
    seen = (0, 0)
    while True:
        calls = len(graph.calls)  # a call is noted when it ends, its people before
        if calls != seen[1]:
            now = (len(graph.accepted), calls)
            print(f"{now[0] - seen[0]} operations arrived in {now[1] - seen[1]} calls", flush=True)
            seen = now
        time.sleep(0.2)


if __name__ == "__main__":
    main()
