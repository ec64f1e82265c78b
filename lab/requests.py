"""The client's requests to the anycast addresses: started, left running while things are tried, stopped, counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface
from subprocess import CompletedProcess
from typing import Any

HOST = "client"
RATE = 20.0
"""Requests a second."""
_UNIT, _PROGRAM, _REPORT = "lab-requests", "/usr/local/lib/lab-requests.py", "/run/lab-requests.json"

Exec = Callable[..., "CompletedProcess[str]"]
"""``Fleet.exec``."""


@dataclass(frozen=True)
class Requests:
    """What became of the client's requests.

    Attributes:
        sent: All of them; each is over a connection of its own and is not tried again.
        lost: Those without an answer within two seconds, refused, reset, or answered with an error.
        answered: Host → number of requests that it answered.
        losses: The first of those lost: ``at`` (seconds from the start), ``url``, ``why``.
        slowest: Seconds that the slowest answer took.
        seconds: How long it went on.
    """

    sent: int
    lost: int
    answered: Mapping[str, int] = field(default_factory=dict)
    losses: tuple[Mapping[str, Any], ...] = ()
    slowest: float = 0.0
    seconds: float = 0.0


class RequestsError(Exception):
    """The client does not send, or did not say what became of it."""


def start(run: Exec, vips: tuple[str, ...], rate: float = RATE, path: str = "/") -> None:
    """Begin; what was sent before is forgotten.

    Args:
        run: Runs a command on a host.
        vips: Whom to ask, in turn.
        rate: Requests a second.
        path: What for: ``/`` is answered in a line, ``/page`` in 40 kB.

    Raises:
        RequestsError: They were started before, or cannot be.
    """
    urls = [_url(vip) + path for vip in vips]
    run(HOST, "rm", "-f", _REPORT)
    command = ["systemd-run", "--quiet", f"--unit={_UNIT}", "--collect", "/usr/bin/python3", _PROGRAM]
    done = run(HOST, *command, str(rate), _REPORT, *urls)
    if done.returncode:
        raise RequestsError(f"{HOST} sends no requests: {done.stderr.strip()}")


def so_far(run: Exec) -> Requests:
    """What became of them until about a second ago.

    Raises:
        RequestsError: None were sent.
    """
    return _read(run)[0]


def stop(run: Exec) -> Requests:
    """End, wait for those under way, and count.

    Raises:
        RequestsError: None were started, or they ended by themselves.
    """
    run(HOST, "systemctl", "stop", _UNIT)
    for _ in range(50):
        counted, over = _read(run)
        if over:
            return counted
        time.sleep(0.1)
    raise RequestsError(f"{HOST} stopped sending before it was told to: {counted}")


def _read(run: Exec) -> tuple[Requests, bool]:
    done = run(HOST, "cat", _REPORT)
    if done.returncode:
        raise RequestsError(f"{HOST} has sent no requests: start them first")
    document = json.loads(done.stdout)
    over = document.pop("over", False)
    return Requests(**{**document, "losses": tuple(document["losses"])}), over


def _url(vip: str) -> str:
    address = ip_interface(vip).ip
    return f"http://[{address}]" if address.version == 6 else f"http://{address}"
