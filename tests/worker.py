"""Load and invoke a `function_app.py` through Microsoft's own Python worker library, as the Functions host does.

The library (`azure-functions-runtime`) indexes the app, decodes the trigger, runs the function in its thread pool and
encodes the answer. Only the messages, gRPC in production, are plain objects here. What belongs to the host stays
outside: keys, NCRONTAB, `%SETTING%` and timeouts.
"""

import asyncio
import contextlib
import importlib
import io
import json
import logging
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import pytest

INSTALL = "pip install --no-deps --ignore-requires-python -r requirements-worker.txt"


class FunctionError(Exception):
    """What the worker reports as a failure; message and traceback both end up in Application Insights."""

    stack_trace: str


class _Message(SimpleNamespace):
    """Stands in for every protobuf message, with the enumerators of BindingInfo and StatusResult."""

    undefined, out, inout = 0, 1, 2
    Failure, Success = 0, 1

    def WhichOneof(self, group: str) -> str | None:
        """Name the field that is set: a ParameterBinding holds `data`, a TypedData its only field."""
        return "data" if group == "rpc_data" else next(iter(vars(self)), None)


class _Protos:
    """The message classes the library asks its caller for."""

    def __getattr__(self, name: str) -> type[_Message]:
        return _Message


class Worker:
    """One function app, indexed; only the newest Worker of a process can invoke (the library keeps one registry)."""

    _newest: ClassVar["Worker | None"] = None

    def __init__(self, app_directory: str | Path) -> None:
        """Import `function_app.py` afresh and index it; FunctionError if it fails, skip without the library."""
        try:
            self._library = importlib.import_module("azure_functions_runtime")
        except ImportError as error:
            pytest.skip(f"FUNCTIONS ARE NOT TESTED ({error}): {INSTALL}", allow_module_level=True)
        self.directory = Path(app_directory).resolve()
        if not (self.directory / "function_app.py").is_file():
            raise FileNotFoundError(self.directory / "function_app.py")
        self.logs = ""  # of the last call: every record from INFO up, tracebacks included, as production ships them
        sys.modules.pop("function_app", None)
        Worker._newest = self
        self._send("worker_init_request", capabilities={}, function_app_directory=str(self.directory))
        found = self._send("functions_metadata_request").function_metadata_results or []
        self._ids = {function.name: function.function_id for function in found}
        self.functions: dict[str, list[dict[str, Any]]] = {
            function.name: [json.loads(binding) for binding in function.raw_bindings] for function in found
        }
        for function_id in self._ids.values():
            self._send("function_load_request", function_id=function_id)

    def call_timer(self, name: str, past_due: bool = False) -> None:
        """Fire a timer; raise FunctionError if the function raises or returns a value."""
        status = dict.fromkeys(("Last", "Next", "LastUpdated"), "2026-01-01T00:00:00+00:00")
        info = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
        self._invoke(name, self._trigger(name, "timerTrigger"), _Message(json=json.dumps(info)))

    def call_http(
        self,
        name: str,
        method: str = "GET",
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        url: str = "https://app.test",
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request that the host let through; FunctionError is what a caller sees as an empty 500."""
        trigger, path, query = self._trigger(name, "httpTrigger"), path or {}, query or {}
        route = trigger.get("route") or name
        if method not in (trigger.get("methods") or [method]) or set(path) != set(re.findall(r"{(\w+)", route)):
            raise ValueError(f"the host would answer 404: {method} {route} with {sorted(path)}")
        host_json = self.directory / "host.json"
        host = json.loads(host_json.read_text("utf-8")) if host_json.exists() else {}
        prefix = host.get("extensions", {}).get("http", {}).get("routePrefix", "api")
        where = re.sub(r"{(\w+)[^}]*}", lambda found: quote(path[found[1]], safe=""), f"{prefix}/{route}".lstrip("/"))
        request = _Message(
            method=method,
            url=f"{url}/{where}" + (f"?{urlencode(query)}" if query else ""),
            headers={key.lower(): value for key, value in (headers or {}).items()},
            params=dict(path),
            query={key: value for key, value in query.items() if value},  # the host drops empty ones
            body=_Message(bytes=body) if body else _Message(),
        )
        answer = self._invoke(name, trigger, _Message(http=request))
        if not hasattr(answer, "http"):
            return 200, {"content-type": "text/plain; charset=utf-8"}, answer.string.encode()
        return int(answer.http.status_code), dict(answer.http.headers), answer.http.body.bytes

    def _trigger(self, name: str, kind: str) -> dict[str, Any]:
        (trigger,) = [binding for binding in self.functions[name] if binding["type"] == kind]
        return trigger

    def _invoke(self, name: str, trigger: dict[str, Any], data: _Message) -> Any:
        if Worker._newest is not self:
            raise RuntimeError("a newer Worker has replaced this one")
        self.logs = ""
        response = self._send(
            "invocation_request",
            invocation_id=str(uuid.uuid4()),
            function_id=self._ids[name],
            input_data=[_Message(name=trigger["name"], data=data)],
            trigger_metadata={},
            trace_context=_Message(trace_parent="", trace_state="", attributes={}),
            retry_context=_Message(retry_count=0, max_retry_count=0, exception=None),
        )
        return response.return_value

    def _send(self, kind: str, **fields: Any) -> Any:
        properties = {"host": "127.0.0.1", "protos": _Protos()}
        request = _Message(request=_Message(**{kind: _Message(**fields)}), properties=properties)
        with self._as_in_production():
            response = asyncio.run(getattr(self._library, kind)(request))
        if response.result.status != _Message.Success:
            error = FunctionError(response.result.exception.message)
            error.stack_trace = response.result.exception.stack_trace
            raise error
        return response

    @contextlib.contextmanager
    def _as_in_production(self) -> Iterator[None]:
        """Put the app's directory on the path, start the worker's thread pool, set the root logger to INFO."""
        root = logging.getLogger()
        level, handler = root.level, logging.StreamHandler(stream := io.StringIO())
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        handler.addFilter(lambda record: not record.name.startswith("azure.functions"))  # the worker's own
        sys.path.insert(0, str(self.directory))
        self._library.start_threadpool_executor()
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
            self.logs += stream.getvalue()
            self._library.stop_threadpool_executor()
            sys.path.remove(str(self.directory))
