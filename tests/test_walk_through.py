"""docs/new-hr-system.md, carried out: its files are written, its commands run, and what it promises is looked at."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlfluff

from provisioning import scim
from provisioning.settings import Settings
from tests.emulators import unseen
from tests.emulators.entra import MANAGER
from tests.emulators.graph import GraphEmulator
from tests.emulators.unseen import UnseenHr
from tests.scim_models import EnterpriseUser, Extension, User

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "new-hr-system.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$|^## (.*?)$", re.MULTILINE | re.DOTALL)
HR = "urn:ietf:params:scim:schemas:extension:hr:2.0:User"


class HrUser(Extension):
    """The extension of the mapping, as the oracle wants it described."""

    __schema__ = HR
    HireDate: datetime | None = None
    LeaveDate: datetime | None = None


@dataclass
class Shell:
    """A checkout of one's own, and what a terminal in it has been told so far."""

    folder: Path
    replaced: dict[str, str]
    exports: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    def said(self, text: str) -> str:
        for before, after in self.replaced.items():
            text = text.replace(before, after)
        return text

    def run(self, command: str) -> str:
        """What a command prints, on either stream; it must end well."""
        command = self.said(command)
        if command.startswith("export "):
            self.exports.append(command)
            return ""
        self.ran.append(command)
        script = "\n".join([f'python() {{ {sys.executable} "$@"; }}', *self.exports, command])
        done = subprocess.run(
            [shutil.which("bash") or "bash", "-euc", script],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def follow(self, console: str) -> None:
        """Each command, and the lines that stand below it: they are there, too; after … anything goes."""
        printed: list[str] = []
        for line in console.splitlines():
            if line.startswith("$ "):
                printed = self.run(line[2:]).splitlines()
            elif line.endswith("…"):
                assert any(p.startswith(line[:-1]) for p in printed), (line, printed)
            else:
                assert line in printed, (line, printed)

    def read(self, *verb: str) -> Any:
        """The one line of JSON of another command."""
        text = self.run(" ".join(["python -m provisioning", *verb]))
        return json.loads(text.splitlines()[0])


@pytest.fixture
def nest() -> Iterator[UnseenHr]:
    with UnseenHr(unseen.invent(120)) as api:
        yield api


@pytest.fixture
def shell(tmp_path: Path, nest: UnseenHr, graph: GraphEmulator) -> Shell:
    for folder in ("provisioning", "sql"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    address = re.search(r"https://graph\.microsoft\.com/[^']+", PAGE)
    assert address
    replaced = {"https://nest.example/": nest.url, "the-key-of-the-api": unseen.KEY, address[0]: graph.upload_url}
    return Shell(tmp_path, replaced)


def follow(shell: Shell, before: dict[str, Callable[[], None]], page: str = PAGE) -> None:
    """Everything the page says, in its order; `before` a heading something may happen."""
    for kind, name, text, heading in BLOCK.findall(page):
        if heading:
            before.get(heading, lambda: None)()
        elif kind == "console":
            shell.follow(text)
        else:
            assert (kind, bool(name)) == ("json", True)
            (shell.folder / name).write_text(shell.said(text), encoding="utf-8")


def test_the_walk_through_ends_in_people_as_the_scim_schema_wants_them(
    shell: Shell, nest: UnseenHr, graph: GraphEmulator
) -> None:
    planned: dict[str, Any] = {}

    def something_new() -> None:
        planned.update(shell.read("plan --job create --json"))
        assert graph.calls == []  # so far nothing was sent
        nest.people = [{**p, "badge": {"number": n}} for n, p in enumerate(nest.people)]

    follow(shell, {"6  When HR changes something": something_new})
    assert len([command for command in shell.ran if command.startswith("python -m provisioning")]) >= 9
    assert planned["parked_people"] == []
    assert {p["action"] for p in planned["people"]} == {"create"}
    staff = {p["workerCode"]: p for p in nest.people}
    here = {code for code, p in staff.items() if p["employment"]["status"]["label"] == "Active"}
    assert {p["employee_id"] for p in planned["people"]} == here

    assert shell.read(f"create --limit {len(staff)}")["sent"] == len(here)
    assert {item.data["externalId"] for item in graph.accepted} == here
    for item in graph.accepted:
        check(item.data, staff[item.data["externalId"]])
    assert {MANAGER: "W00003"}.items() <= graph.directory().users["W00043"].items()
    row = shell.read("show W00043 --json")["mirror"]["row"]
    assert row["badge_number"] == 42
    assert not row.keys() & {"personal_birth_date", "personal_gender", "pay_group"}  # taken out on review


def check(data: dict[str, Any], person: dict[str, Any]) -> None:
    """A user is valid, and says of a person what the HR system says, attribute by attribute, apart from the view."""
    manager = data[scim.ENTERPRISE]["manager"]["value"]
    assert manager == person["employment"]["reports_to"]["worker_id"]
    if manager is not None:
        data = json.loads(json.dumps(data))
        data[scim.ENTERPRISE]["manager"]["$ref"] = f"../Users/{manager}"  # as in test_scim
    user = User[EnterpriseUser | HrUser].model_validate(data)
    personal, work, unit = person["personal"], person["work"], person["employment"]["unit"]
    assert user.active is True
    assert user.display_name == f"{personal['first_name']} {personal['last_name']}"
    assert user.name is not None
    assert (user.name.given_name, user.name.family_name) == (personal["first_name"], personal["last_name"])
    assert user.name.middle_name == personal["middle_name"]
    assert user.title == person["employment"]["job"]["title"]
    assert [mail.value for mail in user.emails or ()] == [work["email"]]
    assert user[EnterpriseUser].department == unit["department"]
    assert user[EnterpriseUser].division == unit["division"]
    hired = user[HrUser].HireDate
    assert hired is not None
    assert hired.date().isoformat() == person["employment"]["hire_date"]
    told = json.dumps(data, ensure_ascii=False)
    assert not any(private in told for private in ("home.example", "Duckburg", "Pond Lane", "+46 70", "05-17"))


def test_the_mapping_for_who_comes_from_powershell_can_be_sent_from() -> None:
    page = (ROOT / "docs" / "from-runbooks.md").read_text(encoding="utf-8")
    (view,) = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names = [name.strip("'") for name in re.findall(r" AS ('[^']+'|\w+)(?:,|$)", view, re.MULTILINE)]
    found = scim.compile_mapping(names, Settings.from_environ({}).extensions, explicit_nulls=True)
    assert len(found.attributes) == 15
    assert sqlfluff.lint(f"-- x\n{view}", dialect="tsql", config_path=str(ROOT / "pyproject.toml")) == []


@pytest.mark.parametrize("wrong", ["$ false", "$ echo one\ntwo", "$ echo one\ntw…"])
def test_a_page_that_does_not_hold_is_noticed(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(AssertionError):
        Shell(tmp_path, {}).follow(wrong)
