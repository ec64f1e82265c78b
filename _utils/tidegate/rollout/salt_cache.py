"""The master's job cache: which jobs were published, and what hosts have returned. It is the truth about both."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import salt.payload
from salt.returners import local_cache
from salt.utils.jid import jid_dir

from tidegate.host.errors import Failed, Refused

LOCAL = "local_cache"
"""The returner that most masters have: one folder for each job, one in it for each host."""

LARGEST = 8 << 20
"""Bytes of a return that are still read. What `traffic` returns is far smaller, and a host may be hostile."""

_JID = re.compile(r"[0-9]{20}(_[0-9a-z]{1,40})?")


def checked_jid(jid: str) -> str:
    """A job id, sure to be one: paths are made of it.

    Raises:
        Refused: It is none.
    """
    if not isinstance(jid, str) or not _JID.fullmatch(jid):
        raise Refused(f"{jid!r:.60} is no id of a job.")
    return jid


class JobCache:
    """The job cache that the master is configured to keep."""

    def __init__(self, opts: Mapping[str, Any]) -> None:
        """Find the returner that the master stores jobs with.

        Raises:
            Refused: The master keeps no returns.
        """
        self._opts = dict(opts)
        self._name: str = opts.get("ext_job_cache") or opts["master_job_cache"]
        self._minion: Any = None
        if not opts.get("job_cache", True) and not opts.get("ext_job_cache"):
            raise Refused("The master keeps no returns: rollouts need 'job_cache: True' in its configuration.")

    def published(self, jid: str) -> bool:
        """Whether the master has this job. Ids of ours cannot be guessed: a host cannot have made it up."""
        checked_jid(jid)
        try:
            if self._name == LOCAL:
                return Path(self._folder(jid), str(local_cache.LOAD_P)).exists()
            return bool(self._returner("get_load")(jid))
        except Exception as error:
            raise _unreadable(jid, error) from error

    def returns(self, jid: str, hosts: Collection[str]) -> dict[str, Any]:
        """What these hosts have returned: host → ``{"return": …, "retcode": …}``. The others' returns are not read."""
        checked_jid(jid)
        try:
            if self._name == LOCAL:
                return self._from_files(self._folder(jid), frozenset(hosts))
            found = self._returner("get_jid")(jid) or {}
            return {host: found[host] for host in hosts if host in found}
        except Exception as error:
            raise _unreadable(jid, error) from error

    def _from_files(self, folder: Path, hosts: frozenset[str]) -> dict[str, Any]:
        """Read in `local_cache`'s own layout: its ``get_jid`` reads every return of the job, each time."""
        try:
            names = hosts.intersection(each.name for each in os.scandir(folder))
        except FileNotFoundError:
            return {}
        found = {host: _returned(folder / host / local_cache.RETURN_P) for host in names}
        return {host: answer for host, answer in found.items() if answer is not None}

    def _folder(self, jid: str) -> Path:
        return Path(jid_dir(jid, str(Path(self._opts["cachedir"], "jobs")), self._opts["hash_type"]))

    def _returner(self, function: str) -> Any:
        if self._minion is None:
            from salt.minion import MasterMinion

            self._minion = MasterMinion(self._opts, states=False, rend=False)
        return self._minion.returners[f"{self._name}.{function}"]


def _returned(path: Path) -> dict[str, Any] | None:
    """One host's return; ``None`` until it is there as a whole."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            return {"return": f"what it returned is too large: {size} bytes", "retcode": 255}
        answer = salt.payload.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except Exception as error:
        return {"return": f"what it returned cannot be read: {error}", "retcode": 255}
    return answer if isinstance(answer, dict) and "return" in answer else {"return": answer, "retcode": 0}


def _unreadable(jid: str, error: Exception) -> Failed:
    return Failed(f"The job cache cannot be read for job {jid}: {error}.")
