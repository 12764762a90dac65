"""A process that has imported `provisioning` once, and becomes a command's process by forking for each.

`tests.processes` runs this file. It takes requests from the socket that stands on the file descriptor of its only
argument: JSON, and with it three descriptors: the command's stdout and stderr, and where to tell what it cost. What it
forks is a whole process, with memory, signals, a session and an end of its own; only the importing is over.
"""

import contextlib
import gc
import json
import os
import runpy
import signal
import socket
import sys
import time
from typing import Any

import jsonschema  # noqa: F401 - what HR_SOURCE is checked with, once it is

import provisioning.__main__


def next_request(channel: socket.socket) -> tuple[dict[str, Any], int, int, int]:
    text, (out, err, told), *_ = socket.recv_fds(channel, 10_000_000, 3)
    length, _, request = text.partition(b"\n")
    while len(request) < int(length):
        request += channel.recv(1_000_000)
    return json.loads(request), out, err, told


def reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def watch(child: int, began: float, told: int) -> None:
    """Wait for the command, and tell: its exit code, seconds, seconds of work, and memory as wait4 has it."""
    _, status, used = os.wait4(child, 0)
    costs = [os.waitstatus_to_exitcode(status), time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss]
    os.write(told, f"{json.dumps(costs)}\n".encode())


def become(request: dict[str, Any], out: int, err: int) -> None:
    """Take the command's place: its arguments, its environment, its stdout and stderr."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(request["environ"])
    sys.argv[1:] = request["verb"]


def wait_to_become_one(channel: socket.socket) -> None:
    """Serve until the other end is closed; whatever returns from here is a command's process."""
    while True:
        if not channel.recv(1, socket.MSG_PEEK):
            sys.exit()
        request, *descriptors = next_request(channel)
        began = time.monotonic()
        if os.fork():  # here it goes on serving
            for one in descriptors:
                os.close(one)
            reap()
            continue
        channel.close()
        *streams, told = descriptors
        if child := os.fork():  # who waits for the command
            for one in (*streams, 1, 2):
                os.close(one)
            os.write(told, f"{child}\n".encode())
            watch(child, began, told)
            os._exit(0)
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        become(request, *streams)
        for one in descriptors:
            os.close(one)
        return


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for whoever runs the tests
    del sys.modules[provisioning.__main__.__name__]
    gc.freeze()
    wait_to_become_one(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("provisioning", run_name="__main__", alter_sys=True)
