"""Running ``tc``: one process for a reading, one for a batch of writes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from tidegate.host.errors import Failed, Refused

_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_TIMEOUT = 60
"""Seconds. Ten thousand classes take less than ten (HTB makes and deletes them in linear time each)."""


def available() -> bool:
    """Whether this host has ``tc``."""
    return _find("tc") is not None


def show(*arguments: str) -> str:
    """What ``tc ARGUMENTS`` prints.

    Raises:
        Failed: tc says that it cannot, with its own words.
        Refused: there is no tc.
    """
    done = _run([_tc(), *arguments])
    if done.returncode != 0:
        raise Failed(f"tc {' '.join(arguments)}: {_first_line(done.stderr)}")
    return done.stdout


def batch(lines: Sequence[str]) -> None:
    """Carry out the lines in order, in one process that stops at the first that fails.

    Raises:
        Failed: with tc's error and the line it belongs to; the lines before it were carried out.
    """
    if not lines:
        return
    done = _run([_tc(), "-batch", "-"], "".join(f"{line}\n" for line in lines))
    if done.returncode != 0:
        raise Failed(explain(done.stderr, lines))


def ip(*arguments: str) -> str:
    """What ``ip ARGUMENTS`` prints.

    Raises:
        Failed: ip says that it cannot, with its own words.
        Refused: there is no ip.
    """
    done = _run([_found("ip"), *arguments])
    if done.returncode != 0:
        raise Failed(f"ip {' '.join(arguments)}: {_first_line(done.stderr)}")
    return done.stdout


def explain(stderr: str, lines: Sequence[str]) -> str:
    """tc's complaint and the line it is about: tc names it last, as ``Command failed -:3``."""
    number = stderr.rpartition("Command failed -:")[2].strip()
    line = lines[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(lines) else "-batch"
    return f"tc {line}: {_first_line(stderr)}"


def try_in_empty_namespace(lines: Sequence[str]) -> str | None:
    """Carry out a batch in a network namespace that exists for it alone, and is gone afterwards.

    Returns:
        ``None`` if all went well, else what went wrong. Where the caller may not make namespaces, nothing can be tried
        and nothing is claimed: ``None`` as well.
    """
    unshare = _find("unshare")
    if unshare is None or _run([unshare, "--net", "true"]).returncode != 0:
        return None
    done = _run([unshare, "--net", _tc(), "-batch", "-"], "".join(f"{line}\n" for line in lines))
    return explain(done.stderr, lines) if done.returncode != 0 else None


def try_link_in_empty_namespace(kind: str) -> str | None:
    """Make a device of a kind in a namespace that exists for it alone; returns as ``try_in_empty_namespace``."""
    unshare = _find("unshare")
    if unshare is None or _run([unshare, "--net", "true"]).returncode != 0:
        return None
    done = _run([unshare, "--net", _found("ip"), "link", "add", "name", "tgi-probe", "type", kind])
    return f"ip link add type {kind}: {_first_line(done.stderr)}" if done.returncode != 0 else None


def _tc() -> str:
    return _found("tc")


def _found(program: str) -> str:
    path = _find(program)
    if path is None:
        raise Refused(f"{program} is not installed: package iproute2")
    return path


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_PATH}")


def _run(command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)} did not end within {_TIMEOUT} s") from None


def _first_line(stderr: str) -> str:
    """The error among warnings (``Warning: sch_htb: quantum … is big``) and a page of usage."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("Command failed")]
    worth = [line for line in lines if not line.startswith("Warning:")] or lines
    return worth[0] if worth else "failed without a word"
