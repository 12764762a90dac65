"""docs/deploy.md: each command can be typed, what it names exists, and what it needs was made before it."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning import __main__ as command_line
from provisioning import rights
from provisioning.settings import DATABASE, GRAPH

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LINES = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
PARAMETERS = set(re.findall(r"readEnvironmentVariable\('(\w+)'", (ROOT / "infra/main.bicepparam").read_text("utf-8")))
OUTPUTS = set(re.findall(r"^output (\w+) ", (ROOT / "infra/main.bicep").read_text("utf-8"), re.MULTILINE))
ASKED_BY_SCRIPTS = set(
    re.findall(r"\$\{(\w+):-", "".join(p.read_text("utf-8") for p in (ROOT / "infra/scripts").glob("*.sh")))
)
OURS = ".venv/bin/python -m provisioning "
SETTINGS_OF = {"azd": {"auth", "env", "up", "deploy", "down"}, "az": {"login", "ad", "functionapp", "sql"}}
SHELL = {"eval", "export", "unset", "make"}


def words(line: str) -> list[str]:
    """A line's words; what stands in $(…) is one."""
    return shlex.split(re.sub(r"\$\([^)]*\)", "SUBSTITUTED", line))


def commands() -> Iterator[list[str]]:
    for line in LINES:
        for part in re.split(r"; ", line):
            if not re.match(r"[A-Z_]+=", part):
                yield words(part)


def verb_parsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = [a for a in command_line._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def test_the_page_is_long_enough_to_be_worth_the_check() -> None:
    assert len(LINES) > 30
    assert [int(n) for n in re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE)] == list(range(1, 10))


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith(OURS)])
def test_every_command_of_ours_can_be_typed(line: str) -> None:
    command_line._parser().parse_args(words(line)[3:])


def test_every_command_is_known() -> None:
    for one in commands():
        name = one[0]
        if name in SETTINGS_OF:
            assert one[1] in SETTINGS_OF[name], one
        elif name.startswith("infra/"):
            assert (ROOT / name).stat().st_mode & 0o111, name
        else:
            assert name in SHELL or " ".join(one).startswith(OURS.strip()), one


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {one[1] for one in commands() if one[0] == "make"} | {c.split()[1] for c in CODE if c.startswith("make ")}
    assert named
    assert named <= targets


def test_what_azd_is_told_to_set_is_a_parameter_of_infra_or_asked_for_by_its_scripts() -> None:
    told = {one[3] for one in commands() if one[:3] == ["azd", "env", "set"]}
    assert {"GRAPH_BULK_UPLOAD_URL", "HR_SOURCE", "AZURE_LOCATION"} <= told
    assert told <= PARAMETERS | ASKED_BY_SCRIPTS
    assert told - PARAMETERS == {"DEPLOYER_IP_ADDRESS"}


def test_every_name_in_capitals_is_a_setting_a_parameter_or_an_output() -> None:
    scripts = "".join(p.read_text("utf-8") for p in (ROOT / "infra/scripts").glob("*.sh"))
    named = {text for text in CODE if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", text)}
    assert len(named) > 10
    assert {name for name in named if name not in PARAMETERS | OUTPUTS and name not in scripts} == set()


def test_every_variable_was_set_before_it_is_used() -> None:
    known: set[str] = set()
    for line in LINES:
        used = set(re.findall(r"\$([A-Z_]+)", line))
        assigned = set(re.findall(r"(?:^|; |export )([A-Z_]+)=", line)) | set(re.findall(r"read -r ([A-Z_]+)", line))
        assert used <= known, line
        known |= assigned
        if line.startswith("eval") and "azd env get-values" in line:
            known |= OUTPUTS | {one[3] for one in commands() if one[:3] == ["azd", "env", "set"]}
    assert {"FUNCTION_APP_NAME", "SQL_CONNECTION_STRING"} <= known


def test_no_secret_is_on_a_laptop() -> None:
    assert not re.search(r"PASSWORD=|--value|read -r", "\n".join(LINES))


def test_every_command_of_ours_comes_after_the_settings_that_it_needs() -> None:
    """And azd's values only after azd has made them."""
    known: set[str] = set()
    made = False
    for line in LINES:
        made = made or line == "azd up"
        if line.startswith("eval"):
            assert made
            known |= {GRAPH}
        known |= set(re.findall(r"export ([A-Z_]+)", line))
        if line.startswith(OURS):
            needs = command_line._NEEDS.get(words(line)[3], (DATABASE, GRAPH))
            assert set(needs) <= known or words(line)[3] == "doctor", line
            assert words(line)[3] not in ("ingest", "resync", "create", "update")  # HR and sending are the app's


def test_what_is_confirmed_was_shown_by_the_line_before() -> None:
    confirmed = [n for n, line in enumerate(LINES) if "--confirm" in line]
    assert len(confirmed) == 4
    for n in confirmed:
        assert LINES[n].startswith(LINES[n - 1] + " --confirm ")


def test_the_order_is_that_in_which_things_come_to_be() -> None:
    wanted = [
        *("make test", "app-create", "azd env set GRAPH_BULK_UPLOAD_URL"),
        "azd env set DEPLOYER_IP_ADDRESS",  # else the hook of the next fails, and nothing is published
        *("azd up", "azd env get-values", "firewall-rule create"),
        *(
            "infra/scripts/migrate.sh",
            "infra/scripts/database-user.sh",
            "azd deploy",
            "app-schema",
            "app-notices",
            "app-start",
            "doctor",
            "migrate --mapping",
            "status",
        ),
        *("plan --diff", "show", "holds", "approve", "firewall-rule delete"),
    ]
    text, at = "\n".join(LINES), -1
    for word in wanted:
        found = text.find(word, at + 1)
        assert found > at, word
        at = found


def test_every_verb_and_file_in_the_text_exists() -> None:
    verbs = {text.split()[0] for text in CODE if text.split()[0] in verb_parsers()}
    assert verbs >= {"doctor", "create", "migrate", "infer-table", "outcomes"}
    files = {text for text in CODE if re.fullmatch(r"(infra|sql|docs)/[\w./-]+", text)}
    assert files
    assert {name for name in files if not (ROOT / name).exists()} == set()


def test_every_link_and_its_heading_is_there() -> None:
    for file, anchor in re.findall(r"\]\((?!https)([^)#]+)#?([^)]*)\)", PAGE):
        target = (ROOT / "docs" / file).resolve()
        assert target.is_file(), file
        text = target.read_text(encoding="utf-8")
        named = [re.sub(r"[^\w -]", "", h) for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
        assert not anchor or anchor in {h.strip().lower().replace(" ", "-") for h in named}, (file, anchor)


def test_bi_gets_a_role_that_may_read_what_the_page_says_and_nothing_of_the_apps_own() -> None:
    (sql,) = [text for kind, text in BLOCKS if kind == "sql"]
    (role,) = re.findall(r"ALTER ROLE (\w+) ADD MEMBER", sql)
    granted = rights.granted((ROOT / "sql" / "grants.sql").read_text("utf-8"), role)
    section = PAGE.split("## 8. ")[1].split("\n## ")[0]
    told = {text.casefold() for text in re.findall(r"`(dbo\.\w+)`", section)}
    assert granted == {key: {"SELECT"} for key in told}


# --- what it costs ------------------------------------------------------------------------------------------------


def row(name: str) -> list[str]:
    (line,) = [x for x in PAGE.splitlines() if x.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def number(text: str) -> int:
    return int(re.sub(r"[^\d]", "", text.split()[0]))


def test_the_quantities_add_up() -> None:
    runs = [
        int(n.replace(",", "")) for n in re.findall(r"(\d[\d,]*) (?:ingests|updates|creates|reconciles|outcomes)", PAGE)
    ]
    assert runs == [30 * 24, 30 * 24, 30, 30, 30 * 24 * 3]
    assert [number(cell) for cell in row("executions")[:2]] == [sum(runs)] * 2
    floor = round(30 * 86_400 * max(0.5, round(2.05 / 3, 4)))
    assert all(abs(number(cell) - floor) <= 3000 for cell in row("database, vCore-seconds at least")[:2])
    for column in (0, 1):
        each = [
            int(n) for n in row("seconds of a run: ingest, update, create, reconcile, outcomes")[column].split(", ")
        ]
        seconds = sum(n * s for n, s in zip(runs, each, strict=True))
        assert number(row("seconds of work")[column]) == seconds
        assert number(row("functions, GB-seconds")[column]) == 2 * seconds
        top = round(seconds * (2 - 0.683))
        assert abs(number(row("database, vCore-seconds on top, at most")[column]) - top) <= top // 100


def test_it_says_what_was_never_tried_and_names_no_price() -> None:
    assert "**None of it has been run live by the authors**" in PAGE
    assert not re.search(r"[$€£] ?\d|\d ?(USD|EUR)", PAGE)
