"""Play one history and tell it: python -m tests.world SEED."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from provisioning import database, migration
from tests.world import story
from tests.world.world import Broken, World


def template(folder: Path) -> Path:
    """A migrated database."""
    folder.mkdir()
    with database.connect(f"sqlite:///{folder}/bridge.db") as db:
        migration.migrate(db)
    return folder


def main() -> int:
    """Tell the story on stdout; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.world", description="Play one history and tell it.")
    parser.add_argument("seed", type=int)
    parser.add_argument("--template", type=Path, help="a folder with a migrated database")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    events, settings = story.draw(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        found = options.template or template(Path(folder) / "template")
        with World(options.seed, Path(folder) / "world", found, settings=settings) as world:
            try:
                story.play(events, world)
            except Broken as broken:
                world.tell(f"BROKEN {broken}")
            print("\n".join(world.told))
    return int("BROKEN" in world.told[-1])


if __name__ == "__main__":
    sys.exit(main())
