"""The shape of HR_SOURCE: hr_source.schema.json, and what is wrong with a document by it.

The schema is for editors as much as for the app; `errorMessage` in it says what is allowed, in the app's errors, too.
What a schema cannot say (secrets by reference, origins, tables) is looked at by `provisioning.source`.
"""

import copy
import difflib
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).with_name("hr_source.schema.json")

Step = str | int
Problems = dict[tuple[Step, ...], str]
"""What is wrong, by its place in the document."""


def place(steps: Iterable[Step]) -> str:
    """A place as errors write it: resources[0].endpoint.path."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


@functools.cache
def schema() -> Mapping[str, Any]:
    """The schema itself."""
    found: Mapping[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found


def options(kind: str) -> Mapping[str, Mapping[str, Any]]:
    """The options of one definition: name → schema; `kind` such as paginator_offset or since."""
    definition = schema()["$defs"][kind]
    return {name: s for name, s in definition["properties"].items() if isinstance(s, Mapping)}


def defaults(kind: str) -> dict[str, Any]:
    """The options of one definition that have a default, and it."""
    return {name: _default(s) for name, s in options(kind).items() if _default(s) is not None}


def _default(option: Mapping[str, Any]) -> Any:
    referred = option.get("$ref", "").rpartition("/")[2]
    return option.get("default", schema()["$defs"].get(referred, {}).get("default"))


def checked(document: dict[str, Any]) -> tuple[dict[str, Any], Problems]:
    """A copy of the document without what is wrong in it, and what is wrong: the rest can still be looked at."""
    written = _in_full(document)
    problems = dict(_wrong(json.dumps(written)))
    for steps in sorted(problems, key=len, reverse=True):
        _take_out(written, steps)
    return written, problems


@functools.lru_cache(maxsize=16)
def _wrong(written: str) -> tuple[tuple[tuple[Step, ...], str], ...]:
    """What is wrong where in a document, as JSON; each run reads its settings anew, and they are what they were."""
    import jsonschema  # noqa: PLC0415 - slow to import, and needed only where HR_SOURCE is set

    problems: Problems = {}
    for error in jsonschema.Draft202012Validator(schema()).iter_errors(json.loads(written)):
        for steps, told in _told(error):
            problems.setdefault(steps, told)
    return tuple(problems.items())


def _in_full(document: dict[str, Any]) -> dict[str, Any]:
    """Short forms written out: "offset" for {"type": "offset"}, a path for an endpoint, {"token": …} for bearer."""
    written = copy.deepcopy(document)
    client = written.get("client")
    if isinstance(client, dict):
        _write_out(client, "auth", "type")
        _write_out(client, "paginator", "type")
        auth = client.get("auth")
        if isinstance(auth, dict):
            auth.setdefault("type", "bearer" if "token" in auth else "none")
    resources = written.get("resources")
    for resource in resources if isinstance(resources, list) else ():
        if isinstance(resource, dict):
            _write_out(resource, "endpoint", "path")
            if isinstance(resource.get("endpoint"), dict):
                _write_out(resource["endpoint"], "paginator", "type")
                _write_out(resource["endpoint"], "format", "type")
    return written


def _write_out(node: dict[str, Any], key: str, short: str) -> None:
    if isinstance(node.get(key), str):
        node[key] = {short: node[key]}


def _told(error: Any) -> Iterator[tuple[tuple[Step, ...], str]]:
    """What one of jsonschema's errors says, in our words; its own would repeat values."""
    steps = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        known = list(error.schema["properties"])
        for name in error.instance.keys() - error.schema["properties"].keys():
            yield (*steps, name), _unknown(name, known)
    elif error.validator == "required":
        for name in (n for n in error.validator_value if n not in error.instance):
            yield (*steps, name), f"is missing{_allowed(error.schema, name)}."
    elif "propertyNames" in error.absolute_schema_path:
        yield (*steps, error.instance), f"{error.schema['errorMessage']}."
    else:
        yield steps, f"{_message(error)}."


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"is not known here{f' (did you mean {near[0]}?)' if near else ''}; known are {', '.join(known)}."


def _allowed(parent: Mapping[str, Any], name: str) -> str:
    option = parent.get("properties", {}).get(name, {})
    referred = schema()["$defs"].get(option.get("$ref", "").rpartition("/")[2], {}) if option is not True else {}
    message = option.get("errorMessage", referred.get("errorMessage")) if option is not True else None
    return f"; it {message}" if message else ""


def _message(error: Any) -> str:
    told = error.schema.get("errorMessage") if isinstance(error.schema, Mapping) else None
    if told:
        return str(told)
    if error.validator == "enum":
        return f"must be one of {', '.join(str(v) for v in error.validator_value)}"
    return "is not allowed here"


def _take_out(document: Any, steps: tuple[Step, ...]) -> None:
    """Take out what is wrong: of the resources one leaves an empty object, of any other list the whole goes."""
    for step in steps[:-1]:
        try:
            document = document[step]
        except (LookupError, TypeError):
            return
    if isinstance(document, dict):
        document.pop(steps[-1], None)
    elif steps[0] == "resources" and len(steps) == 2:
        document[steps[-1]] = {}
    elif isinstance(document, list):
        document.clear()
