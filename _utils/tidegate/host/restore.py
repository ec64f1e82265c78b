"""What runs from the copied runtime with the system's Python: the dead-man, the restore at boot, the checker of the
services, a look at health."""

from __future__ import annotations

import json
import sys
import time

from tidegate.checker import daemon, loss, report
from tidegate.host import device, durable, generation, record, status, transaction
from tidegate.host.errors import TidegateError

_DEVICES_WAIT = 30.0


def main() -> int:
    """Run a verb; 0 when the host runs the confirmed generation (``health``: and is healthy), 1 otherwise."""
    verbs = {
        "boot": boot,
        "deadman": undo_expired,
        "checker": daemon.run,
        "checker-lost": loss.lost,
        "health": tell_health,
        "status": tell_status,
        "services": tell_services,
    }
    verb = sys.argv[1] if len(sys.argv) == 2 else ""
    if verb not in verbs:
        print(f"usage: python3 RUNTIME {'|'.join(verbs)}", file=sys.stderr)
        return 2
    try:
        failures = verbs[verb]()
    except (TidegateError, OSError, ValueError) as error:
        failures = [str(error)]
    for failure in failures:
        print(f"tidegate {verb}: {failure}", file=sys.stderr)
    return 1 if failures else 0


def tell_health() -> list[str]:
    """Print every check of the running generation as JSON, for who has no Salt at hand."""
    found = status.health()
    print(json.dumps(found, indent=2))
    return [f"{check['name']}: {check['reason']}" for check in found["checks"] if check["status"] != "ok"]


def tell_status() -> list[str]:
    """Print what this host runs, would go back to, and is changing to, as JSON."""
    print(json.dumps(status.status(), indent=2))
    return []


def tell_services() -> list[str]:
    """Print what the checker knows of every service, as JSON."""
    print(json.dumps(report.services(), indent=2))
    return []


def undo_expired() -> list[str]:
    """The dead-man: the change was not confirmed in time."""
    change = record.read()
    within = f" within {change.timeout} s" if change else ""
    return transaction.undo_unattended(f"it was not confirmed{within} and the dead-man undid it", "expired")


def boot() -> list[str]:
    """The boot: before BIRD starts, make the host run the confirmed generation."""
    confirmed = generation.linked("confirmed")
    if confirmed is None or (confirmed.is_initial and record.read() is None):
        return []
    _await_devices(confirmed)
    return transaction.undo_unattended("the host restarted before it was confirmed", "restarted")


def _await_devices(confirmed: generation.Generation) -> None:
    """Wait for the interfaces a generation needs: drivers and cables may be later than this unit."""
    end = time.monotonic() + _DEVICES_WAIT
    needed = _devices(confirmed)
    while time.monotonic() < end and not all(device.index(name) is not None for name in needed):
        time.sleep(0.1)


def _devices(confirmed: generation.Generation) -> set[str]:
    sections = [durable.read_json(confirmed.directory / name) or {} for name in ("xdp.json", "tc.json")]
    return {each["device"] for section in sections for each in section.get("interfaces", [])}
