"""``python3 -m tidegate.xdp.export``: the filter's counters on standard output, for a textfile collector."""

from __future__ import annotations

import sys

from tidegate.host.errors import TidegateError
from tidegate.xdp.live import exported


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
