"""Where the store is: told on the command line, in the environment or in the master's configuration, or the default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tidegate.release.errors import StoreError

DEFAULT = Path("/var/lib/tidegate-master/store.db")
VARIABLE = "TIDEGATE_STORE"
MASTER_CONFIG = Path("/etc/salt/master")


def location(told: str | None = None, opts: Mapping[str, Any] | None = None) -> URL:
    """The store's URL, from the first that says it.

    Args:
        told: What the caller was told: a URL, or a path for SQLite.
        opts: The master's options; without, ``/etc/salt/master`` is read if nothing before it decides.

    Raises:
        StoreError: It is no URL of a database that Tidegate uses.
    """
    return parse(told or os.environ.get(VARIABLE) or _configured(opts) or str(DEFAULT))


def parse(text: str) -> URL:
    """A URL, or the path of a SQLite file, as a URL with the driver that Tidegate uses."""
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).absolute()))
    try:
        url = make_url(text)
    except ArgumentError:
        raise StoreError(f"'{VARIABLE}' or the option says no store's URL: expected {_EXPECTED}") from None
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:":
            return url
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
    raise StoreError(f"No store can be in {url.render_as_string(hide_password=True)}: expected {_EXPECTED}")


_EXPECTED = "a path, sqlite:////path or postgresql://user@host/database"


def _configured(opts: Mapping[str, Any] | None) -> str | None:
    if opts is None:
        if not MASTER_CONFIG.exists():
            return None
        from salt.config import master_config

        opts = master_config(str(MASTER_CONFIG))
    section = opts.get("tidegate")
    store = section.get("store") if isinstance(section, Mapping) else None
    return str(store) if store else None
