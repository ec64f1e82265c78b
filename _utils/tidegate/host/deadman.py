"""The dead-man: a systemd timer of its own that restores the confirmed generation, whatever else is dead by then.

The transient units belong to PID 1, not to the minion; they run a copied runtime with the system's Python; the
service tries again every few seconds until the restore succeeds (``systemd-run(1)``, ``systemd.service(5)``).
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tidegate.host.errors import Failed
from tidegate.host.runtime import command

UNIT = "tidegate-deadman"
_RETRY_SECONDS = 5


def arm(runtime: Path, seconds: int) -> None:
    """Start the timer: in ``seconds`` the confirmed generation is restored. Replaces a timer that already runs.

    Raises:
        Failed: systemd did not take the timer; nothing may be changed without it.
    """
    argv = [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={UNIT}",
        "--description=Tidegate: restore the confirmed generation",
        f"--on-active={seconds}s",
        "--timer-property=AccuracySec=100ms",
        "--property=Type=oneshot",
        "--property=Restart=on-failure",
        f"--property=RestartSec={_RETRY_SECONDS}s",
        "--property=StartLimitIntervalSec=0",
        *command(runtime, "deadman"),
    ]
    # systemd forgets a transient unit of that name a moment after it has ended: asking again is the way to wait for it.
    for patience in (0.2, 1.0, None):
        disarm()
        try:
            _systemd(argv)
            return
        except Failed:
            if patience is None:
                raise
            time.sleep(patience)


def disarm() -> None:
    """Stop the timer, and a restore that it began and that has not succeeded. Silent if there is none."""
    for unit in (f"{UNIT}.timer", f"{UNIT}.service"):
        subprocess.run(["systemctl", "stop", unit], capture_output=True, check=False)
        subprocess.run(["systemctl", "reset-failed", unit], capture_output=True, check=False)


def stop_timer() -> None:
    """Stop the timer alone: what the dead-man itself calls, because stopping its own service would kill it."""
    subprocess.run(["systemctl", "stop", f"{UNIT}.timer"], capture_output=True, check=False)


def is_armed() -> bool:
    """Whether the timer is running, or the restore that it began has not succeeded yet."""
    units = [f"{UNIT}.timer", f"{UNIT}.service"]
    done = subprocess.run(["systemctl", "is-active", *units], capture_output=True, text=True, check=False)
    return bool({"active", "activating"} & set(done.stdout.split()))


def _systemd(argv: list[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"the dead-man could not be armed: {error}") from error
    if done.returncode != 0:
        raise Failed(f"the dead-man could not be armed: {done.stderr.strip() or done.returncode}")
    if not is_armed():
        raise Failed(f"the dead-man could not be armed: {UNIT}.timer is not active although systemd-run succeeded")
