"""The way home: a round trip to the Salt master over a connection made after the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import salt.channel.client
import salt.exceptions

from tidegate.host.errors import Failed

_SECONDS = 5


def is_masterless(opts: Mapping[str, Any]) -> bool:
    """Whether this run has no master to come home to (``salt-call --local``)."""
    return opts.get("file_client") == "local"


def addresses(opts: Mapping[str, Any]) -> list[str]:
    """The master's addresses as the minion has resolved them; empty without a master."""
    if is_masterless(opts):
        return []
    found = opts.get("master_ip") or opts.get("master")
    return [str(each) for each in ([found] if isinstance(found, str) else found or [])]


def reach(opts: Mapping[str, Any]) -> None:
    """Ask the master for something only it can answer, over a new connection; return when it has.

    The request is the digest of ``top.sls``, encrypted with the session's key: an answer proves the way there, the
    way back, and that it is our master. Its content does not matter. Masterless there is nothing to reach.

    Raises:
        Failed: no answer within five seconds.
    """
    if is_masterless(opts):
        return
    load = {"cmd": "_file_hash", "path": "top.sls", "saltenv": "base"}
    channel = salt.channel.client.ReqChannel.factory(dict(opts))
    try:
        answer = channel.send(load, tries=1, timeout=_SECONDS)
    except salt.exceptions.SaltException as error:
        raise Failed(
            f"the master at {opts.get('master_uri')} did not answer: {error or type(error).__name__}"
        ) from error
    finally:
        channel.close()
    if not isinstance(answer, dict):
        raise Failed(f"the master at {opts.get('master_uri')} answered something else: {type(answer).__name__}")
