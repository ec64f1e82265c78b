"""One run of a command within a deadline: nothing of it is left afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence

from tidegate.host.errors import Failed

_MOST = 400
"""Bytes of output that are kept for the reason."""
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def run(command: Sequence[str], user: str, seconds: float) -> tuple[int, str]:
    """Run a command, not as root and not through a shell; its exit status, and the first line that it printed.

    It gets a process group of its own, which is killed when the command ends and when its time is over.

    Raises:
        Failed: no such user, or not done in time. OSError: it cannot be started.
    """
    end = time.monotonic() + seconds
    process = _started(command, user)
    try:
        output = _read(process, end)
        status = process.poll()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
    if status is None:
        raise Failed(f"not done within {seconds:g} s")
    return status, output.decode(errors="replace").strip().partition("\n")[0][:200]


def _started(command: Sequence[str], user: str) -> subprocess.Popen[bytes]:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise Failed(f"this host has no user {user}") from None
    is_root = os.geteuid() == 0
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd="/",
        env=_ENVIRONMENT,
        user=account.pw_uid if is_root else None,
        group=account.pw_gid if is_root else None,
        extra_groups=() if is_root else None,
    )


def _read(process: subprocess.Popen[bytes], end: float) -> bytes:
    """What it prints until it is done, or its time is over. A child that it leaves behind is not waited for."""
    assert process.stdout is not None
    output = b""
    done = os.pidfd_open(process.pid)
    os.set_blocking(process.stdout.fileno(), False)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(done, selectors.EVENT_READ)
            while (left := end - time.monotonic()) > 0:
                ready = {key.fileobj for key, _ in selector.select(left)}
                if process.stdout in ready:
                    chunk = process.stdout.read(65536)
                    output = (output + (chunk or b""))[:_MOST]
                    if chunk == b"":
                        selector.unregister(process.stdout)
                elif done in ready:
                    break
    finally:
        os.close(done)
    process.poll()
    return output
