"""The fleet behind a Salt master: jobs with ids of our own to lists of hosts, returns from the master's job cache."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import salt.client
from salt.exceptions import SaltException
from salt.utils.verify import valid_id

from tidegate.host.errors import Failed, Refused
from tidegate.rollout.salt_bus import MARK, Bus
from tidegate.rollout.salt_cache import JobCache, checked_jid

log = logging.getLogger(__name__)

BETWEEN = 2.0
"""Seconds between two looks for answers while the event bus is silent."""

PUBLISHING = 15
"""Seconds that the master may take to accept a job. Salt tries three times."""


class SaltFleet:
    """`Fleet` over the master on this machine. Its methods may be called from threads."""

    def __init__(self, opts: Mapping[str, Any]) -> None:
        """Use a master.

        Args:
            opts: The master's options.

        Raises:
            Refused: The master keeps no returns.
        """
        self._opts = dict(opts)
        self._cache = JobCache(opts)
        self._bus = Bus(opts)
        self._seen = 0
        self._publishing = threading.Lock()
        self._to_nobody: set[str] = set()

    def jid(self) -> str:
        """An id as Salt makes them, by time, with a part that no host can guess before it gets the job."""
        return f"{datetime.now(timezone.utc):%Y%m%d%H%M%S%f}{MARK}{secrets.token_hex(8)}"

    def publish(self, jid: str, function: str, hosts: Sequence[str], kwargs: Mapping[str, Any]) -> None:
        """Publish a job. A minion that has had its id already does nothing, so it may be published again.

        Raises:
            Failed: The master is not there, or does not accept it.
            Refused: A host's name or the id is none.
        """
        checked_jid(jid)
        names = self._names(hosts)
        arguments = [{"__kwarg__": True, **kwargs}] if kwargs else []
        self._send(jid, function, names, arguments)

    def published(self, jid: str) -> bool:
        """Whether the master has this job, or had it and knew none of its hosts."""
        return jid in self._to_nobody or self._cache.published(jid)

    def returns(self, jid: str, hosts: Collection[str]) -> dict[str, Any]:
        """What these hosts have returned so far."""
        return self._cache.returns(jid, hosts)

    def running(self, jid: str, hosts: Sequence[str], seconds: float) -> dict[str, bool]:
        """Ask hosts whether they are at this job."""
        names, question = self._names(hosts), self.jid()
        self._send(question, "saltutil.find_job", names, [checked_jid(jid)])
        answers = self._answers(question, names, seconds)
        return {
            host: isinstance(told, Mapping) and told.get("jid") == jid
            for host, told in answers.items()
            # Neither is it an answer that the function failed.
            if isinstance(told, Mapping)
        }

    def ask(self, function: str, hosts: Sequence[str], kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Run a function and wait.

        Raises:
            Failed: It could not be published.
        """
        jid = self.jid()
        self.publish(jid, function, hosts, kwargs)
        return self._answers(jid, hosts, seconds)

    def wait(self, seconds: float) -> None:
        """Wait until one of our jobs has a return, at most so long."""
        self._seen = self._bus.wait(self._seen, seconds)

    def tell(self, tag: str, data: Mapping[str, Any]) -> None:
        """Fire an event on the master's bus."""
        self._bus.tell(tag, data)

    def close(self) -> None:
        """Stop listening."""
        self._bus.close()

    def _answers(self, jid: str, hosts: Collection[str], seconds: float) -> dict[str, Any]:
        until, answers, missing = time.monotonic() + seconds, {}, set(hosts)
        seen = self._bus.count
        while missing:
            found = self._cache.returns(jid, missing)
            answers.update({host: told["return"] for host, told in found.items()})
            missing.difference_update(found)
            left = until - time.monotonic()
            if left <= 0:
                break
            if missing:
                seen = self._bus.wait(seen, min(left, BETWEEN))
        return answers

    def _send(self, jid: str, function: str, hosts: list[str], arguments: Sequence[Any]) -> None:
        try:
            # A client of its own each time: it holds no connection, and is made for one thread.
            with self._publishing, salt.client.LocalClient(mopts=self._opts) as client:
                answer = client.pub(hosts, function, arguments, "list", jid=jid, timeout=PUBLISHING)
        except (SaltException, OSError) as error:
            raise Failed(f"The master did not take job {jid} ({function} on {len(hosts)} hosts): {error}.") from error
        if not answer:
            raise Failed(f"The master did not take job {jid} ({function}): it does not accept this user's key.")
        if not answer["jid"]:
            log.warning("The master knows none of the %d hosts of job %s.", len(hosts), jid)
            self._to_nobody.add(jid)

    def _names(self, hosts: Collection[str]) -> list[str]:
        """The hosts, each sure to be one that a minion can have: paths are made of them."""
        wrong = [host for host in hosts if not isinstance(host, str) or not host or not valid_id(self._opts, host)]
        if wrong:
            raise Refused(f"{wrong[0]!r:.60} is no minion's id.")
        return list(hosts)
