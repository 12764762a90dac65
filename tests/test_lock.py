"""The locked requirements: they fit what people wrote, for every interpreter and system, and nothing comes unhashed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pathspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements", "requirements-dev", "requirements-worker", "requirements-tools")
PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "mac": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}
MACHINES = [(python, system) for python in PYTHONS for system in SYSTEMS]


@dataclass(frozen=True)
class Locked:
    """One entry of a lock: the requirement and its hashes."""

    requirement: Requirement
    hashes: tuple[str, ...]


def entries(text: str) -> Iterator[str]:
    """Logical lines: without comments, continued ones joined."""
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)(^|\s)#.*$", "", text)).splitlines()
    return (line.strip() for line in lines if line.strip())


def written(name: str) -> list[Requirement]:
    """What people wrote into NAME.in."""
    lines = entries((ROOT / f"{name}.in").read_text("utf-8"))
    return [Requirement(line) for line in lines if not line.startswith("-c ")]


def locked(name: str) -> list[Locked]:
    """NAME.txt. Fails on whatever is neither a requirement nor a hash: an index, a link, a folder, another file."""
    found = []
    for line in entries((ROOT / f"{name}.txt").read_text("utf-8")):
        wanted, *hashes = line.split("--hash=")
        found.append(Locked(Requirement(wanted.strip()), tuple(text.strip() for text in hashes)))
    return found


def machine(python: str, system: str) -> dict[str, Any]:
    cpython = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    return {"python_version": python, "python_full_version": f"{python}.1", **cpython, **SYSTEMS[system]}


def applies(requirement: Requirement, where: dict[str, Any]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**where, "extra": ""})


def pins(name: str, where: dict[str, Any]) -> dict[str, Version]:
    """What a machine installs from NAME.txt; fails where one name would be installed twice."""
    found: dict[str, Version] = {}
    for requirement in (entry.requirement for entry in locked(name) if applies(entry.requirement, where)):
        key = canonicalize_name(requirement.name)
        assert key not in found, f"{key} is there twice on {where}"
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        found[key] = Version(specifier.version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_of_a_lock_is_one_version_with_hashes_of_its_files(name: str) -> None:
    found = locked(name)
    assert found
    for entry in found:
        assert entry.requirement.url is None
        assert re.fullmatch(r"==[^*,]+", str(entry.requirement.specifier)), entry
        assert entry.hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in entry.hashes), entry


@pytest.mark.parametrize("name", LOCKS)
@pytest.mark.parametrize(("python", "system"), MACHINES)
def test_what_people_wrote_is_locked_for_each_machine_in_a_version_that_fits(
    name: str, python: str, system: str
) -> None:
    where = machine(python, system)
    found = pins(name, where)
    for requirement in written(name):
        key = canonicalize_name(requirement.name)
        if applies(requirement, where):
            assert requirement.specifier.contains(found[key], prereleases=True), requirement


@pytest.mark.parametrize("system", SYSTEMS)
def test_azure_functions_is_of_the_line_that_its_python_takes(system: str) -> None:
    lines = {python: pins("requirements", machine(python, system))["azure-functions"] for python in PYTHONS}
    assert {python: (version.major, version.minor) for python, version in lines.items()} == {
        "3.11": (1, 26),
        "3.12": (1, 26),
        "3.13": (2, 3),
    }


@pytest.mark.parametrize(("python", "system"), MACHINES)
def test_the_locks_agree_where_they_are_installed_together(python: str, system: str) -> None:
    where = machine(python, system)
    deployed, tests, tools = (pins(name, where) for name in ("requirements", "requirements-dev", "requirements-tools"))
    for others in (tests, tools):
        assert {key: others[key] for key in deployed.keys() & others} == {
            key: deployed[key] for key in deployed.keys() & others
        }
    assert {key: tools[key] for key in tests.keys() & tools} == {key: tests[key] for key in tests.keys() & tools}


def test_nothing_that_is_deployed_needs_something_unlocked() -> None:
    """By what the installed packages themselves say they need, on the interpreter that runs this."""
    where: dict[str, Any] = {}
    found = pins("requirements", where)
    for key, version in found.items():
        assert Version(metadata.version(key)) == version, f"{key}: another version is installed than is locked"
        for requirement in map(Requirement, metadata.requires(key) or []):
            if applies(requirement, where):
                assert requirement.specifier.contains(found[canonicalize_name(requirement.name)], prereleases=True)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_says_the_command_that_makes_it_which_make_lock_runs(name: str) -> None:
    """Dependabot reads its options there."""
    head = (ROOT / f"{name}.txt").read_text("utf-8").splitlines()[1].removeprefix("#    ")
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\nlock:")[2].partition("\n\n")[0]
    options = head.removeprefix("uv pip compile --generate-hashes ")
    assert options != head
    assert options.endswith(f" {name}.in -o {name}.txt")
    assert f"$(LOCK) {options}\n" in recipe + "\n"
    assert ("--universal --python-version 3.11" in options) == (name != "requirements-worker")


def test_make_installs_by_hash_only() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    assert re.findall(r"^INSTALL = .* --require-hashes$", text, re.MULTILINE)
    assert re.findall(r"pip install", text) == ["pip install"]
    assert re.findall(r"\$\(INSTALL\) .*?-r (\S+)", text) == [
        "requirements.txt",
        "requirements-worker.txt",
        "requirements-tools.txt",
    ]


def test_what_git_ignores_is_not_deployed_either() -> None:
    """azd packs the folder as it lies there and asks .funcignore alone: caches, databases and keys of a laptop."""
    git, func = ((ROOT / name).read_text("utf-8").splitlines() for name in (".gitignore", ".funcignore"))
    unwanted = pathspec.GitIgnoreSpec.from_lines(func)
    examples = [re.sub(r"\*", "x", line) for line in git if line and not line.startswith("#")]
    assert len(examples) > 15
    assert [name for name in examples if not unwanted.match_file(name)] == []


def test_what_is_deployed_is_the_app_and_nothing_else() -> None:
    unwanted = pathspec.GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text("utf-8").splitlines())
    tops = [p for p in ROOT.iterdir() if not unwanted.match_file(f"{p.name}/" if p.is_dir() else p.name)]
    paths = [p.relative_to(ROOT) for top in tops for p in (top, *top.rglob("*")) if p.is_file()]
    left = {path.as_posix() for path in paths if not unwanted.match_file(path)}
    found = {path.split("/")[0] for path in left}
    needed = {"LICENSE", "function_app.py", "host.json", "requirements.txt", "provisioning"}
    assert needed <= found
    assert all(name.endswith(".json") for name in found - needed)  # an HR_SOURCE that somebody keeps in a file
    kinds = {Path(path).suffix for path in left if path.startswith("provisioning/")}
    assert kinds <= {".py", ".sql", ".json", ".css", ".js", ".html", ".svg"}, kinds
    assert {"provisioning/jobs.py", "provisioning/queries/accept_mapping.sql"} <= left
