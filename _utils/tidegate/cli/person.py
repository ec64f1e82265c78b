"""Who gives a command."""

from __future__ import annotations

import getpass
import os


def who() -> str:
    """The person, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
