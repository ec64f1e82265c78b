"""``python3 -m tidegate.xdp.export``: the filter's counters on standard output, for a textfile collector."""

from __future__ import annotations

import sys

from tidegate.bpf.loader import pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.host.errors import TidegateError
from tidegate.xdp import attachment, counters, metrics


def exported() -> str:
    """All counters in the Prometheus text format; empty if nothing runs."""
    with pinned_maps(attachment.maps_directory()) as maps:
        if not maps:
            return ""
        slots = Slots(maps)
        number, pending = slots.now()
        state = metrics.State(slots.marker(number) or "", pending is None, _modes())
        return metrics.text(state, counters.of_rules(maps, slots), counters.totals(maps))


def _modes() -> dict[str, str]:
    return {device: one.mode or "none" for device, one in attachment.attachments().items()}


def main() -> int:
    """Print; the exit status is 1, with the reason, if the kernel could not be asked."""
    try:
        sys.stdout.write(exported())
    except TidegateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
