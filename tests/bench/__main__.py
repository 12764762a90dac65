"""`make bench`: measure everything, write docs/benchmarks.md and README's five figures. A quarter of an hour."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.bench import page
from tests.bench.measures import PARTS, Bench
from tests.bench.record import ROOT

LARGE = 1_000_000
DEFAULT = ROOT / "docs/benchmarks.md"


def main() -> None:
    """Measure what is asked for."""
    options = _options()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = _bench(options, Path(folder))
        for name in options.only or PARTS:
            PARTS[name](bench)
    minutes = (time.monotonic() - began) / 60
    pictures = options.page.parent / "img"
    page.write(bench, options.page, pictures, minutes, busy=options.busy)
    readme = ROOT / "README.md"
    if options.page == DEFAULT and not options.only and not options.busy:
        readme.write_text(page.into(readme.read_text(encoding="utf-8"), page.summary(bench)), encoding="utf-8")
    missed = [row.what for rows in bench.rows.values() for row in rows if row.met is False]
    print(f"{options.page} in {minutes:.0f} minutes; " + (f"missed: {'; '.join(missed)}" if missed else "all reached"))


def _bench(options: argparse.Namespace, folder: Path) -> Bench:
    bench = Bench(folder, sqlserver=os.environ.get("TEST_SQLSERVER", ""))
    if options.large:
        bench.people, bench.times, bench.sizes = LARGE, 1, (*bench.sizes, 300_000, LARGE)
    if options.people:
        bench.people, bench.times, bench.sizes = options.people, 1, (500, options.people)
    if options.quick:
        bench.people, bench.uploads, bench.resyncs, bench.times = 5_000, 1_000, 10, 1
        bench.sizes = (500, 2_000)
    return bench


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--large", action="store_true", help="1,000,000 people, each measured once")
    parser.add_argument("--quick", action="store_true", help="a few people: whether it works, not how fast")
    parser.add_argument("--people", type=int, help="another number of people, each figure measured once")
    parser.add_argument("--busy", action="store_true", help="say that the machine did other things meanwhile")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="this part; may be given again")
    parser.add_argument("--page", type=Path, default=DEFAULT, help="where the page is written")
    parser.add_argument("--folder", help="where databases are made (default: the system's for such)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
