"""docs/provisioning-app.md: every command can be typed, every link leads somewhere, and what it says is so."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from provisioning import __main__ as command_line
from provisioning import app_setup, doctor, schema_changes, scim, settings

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "provisioning-app.md").read_text(encoding="utf-8")
TYPED = sorted(
    {*re.findall(r"`(python -m provisioning [^`\n]+)`", PAGE), *re.findall(r"^    (python -m .+)$", PAGE, re.M)}
)
VERBS = {"app-create", "app-schema", "app-notices", "app-start"}


def parsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = [a for a in command_line._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


@pytest.mark.parametrize("text", TYPED)
def test_every_command_can_be_typed(text: str) -> None:
    command_line._parser().parse_args(shlex.split(text)[3:])


def test_every_step_has_its_command() -> None:
    assert {shlex.split(text)[3] for text in TYPED} >= VERBS | {"doctor"}
    steps = [int(n) for n in re.findall(r"^## (\d+)\. ", PAGE, re.M)]
    assert steps == list(range(1, 8))


def test_every_option_that_the_page_names_is_one_of_these_verbs() -> None:
    known = {option for verb in VERBS | {"resend"} for a in parsers()[verb]._actions for option in a.option_strings}
    named = {word for text in re.findall(r"`([^`\n]+)`", PAGE) for word in text.split() if word.startswith("--")}
    assert named
    assert named <= known


def test_every_example_of_a_mapping_is_taken() -> None:
    pairs = re.findall(r"--map '([^'\n]+)'", PAGE)
    assert len(pairs) >= 2
    for pair in pairs:
        path, target = command_line._pair(pair)
        assert path.startswith("hr:")
        assert schema_changes.DIRECTORY_EXTENSION.fullmatch(target) or target.startswith("extensionAttribute")


def test_every_link_and_its_heading_is_there() -> None:
    links = re.findall(r"\]\((?!https)([^)#]*)#?([^)]*)\)", PAGE)
    assert links
    for file, anchor in links:
        text = (ROOT / "docs" / (file or "provisioning-app.md")).read_text(encoding="utf-8")
        headings = {
            re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)
        }
        assert not anchor or anchor in headings


def test_the_two_dates_go_where_the_page_says() -> None:
    for name, target in schema_changes.KNOWN_TARGETS.items():
        assert f"`{target}`" in PAGE
        assert name in PAGE
    mapping = (ROOT / "sql" / "mapping.sql").read_text(encoding="utf-8")
    for column in re.findall(r"`(hr:\w+@\d\d:\d\d)`", PAGE):
        assert f"'{column}'" in mapping


def test_names_on_the_page_are_those_of_the_app() -> None:
    assert app_setup.TEMPLATE in PAGE
    assert all(check in doctor.CHECKS for check in ("attributes", "matching", "notices"))
    assert set(re.findall(r"https://(graph[\w.-]*)", PAGE)) <= set(settings.GRAPH_HOSTS)
    assert "InScope" in scim.CONTROL_COLUMNS
    assert "None of these steps has been run against a live\ntenant" in PAGE
