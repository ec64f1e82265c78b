"""Who is told what a rollout does: Salt's event bus of everything, webhooks of what the policy says.

Telling never holds a rollout up, and a rollout rests on nobody being told: what cannot be delivered is logged and lost.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tidegate.rollout.event import Event
from tidegate.rollout.fleet import Fleet

log = logging.getLogger(__name__)

TAG = "tidegate/rollout"
"""Tags of Salt events begin so: ``tidegate/rollout/12/stopped``."""

SIGNATURE = "X-Tidegate-Signature"
"""Header with the HMAC-SHA256 of the body, in hex after ``sha256=``, keyed with the secret that the policy names."""

TIME = 10.0
"""Seconds that a server may take to answer."""

PAUSES = (1.0, 5.0, 25.0)
"""Seconds before each further try."""

MOST_WAITING = 1000
"""Messages that may wait to be delivered; more are dropped."""

NAMED = 5
"""Hosts of an event that are told by name."""


@dataclass(frozen=True)
class Message:
    """A webhook's message: where to, what, and signed with what."""

    url: str
    body: bytes
    secret: str | None


class Notifier:
    """Tells of events, in a thread of its own."""

    def __init__(self, fleet: Fleet, secrets: Mapping[str, Any], pauses: Sequence[float] = PAUSES) -> None:
        """Prepare.

        Args:
            fleet: On whose bus events are fired.
            secrets: Name, as the policy has it, → secret: ``webhooks`` in the master's ``tidegate`` section.
            pauses: Seconds before each further try to deliver.
        """
        self._fleet, self._secrets, self._pauses = fleet, secrets, pauses
        self._waiting: queue.Queue[Callable[[], None]] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None

    def tell(self, number: int, release: str, notify: Sequence[Mapping[str, Any]], events: Sequence[Event]) -> None:
        """Tell of a rollout's events; returns at once.

        Args:
            number: Of the rollout.
            release: Its release's id.
            notify: Its webhooks, as `policy.rollout.Notification.settings` has them.
            events: What happened.
        """
        for event in events:
            told = summary(number, release, event)
            self._later(partial(self._fleet.tell, f"{TAG}/{number}/{event.kind}", told))
            for entry in notify:
                if event.kind in entry["events"]:
                    self._webhook(entry, told)

    def drained(self, seconds: float) -> bool:
        """Wait until everything is told, at most so long; whether it is."""
        until = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.01)
        return not self._waiting.unfinished_tasks

    def _webhook(self, entry: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        name = entry.get("secret")
        secret = self._secrets.get(name) if name else None
        if name and secret is None:
            log.error("Nothing is sent to %s: the master has no tidegate:webhooks:%s", _host(entry), name)
            return
        body = json.dumps(told, sort_keys=True).encode()
        message = Message(entry["webhook"], body, None if secret is None else str(secret))
        self._later(lambda: self._deliver(message))

    def _later(self, call: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tidegate-notify", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(call)
        except queue.Full:
            log.error("Too much waits to be told of rollouts: an event is told to nobody.")

    def _run(self) -> None:
        while True:
            call = self._waiting.get()
            try:
                call()
            except Exception as error:
                log.warning("Nobody could be told of an event: %s", error)
            finally:
                self._waiting.task_done()

    def _deliver(self, message: Message) -> None:
        for pause in (0.0, *self._pauses):
            time.sleep(pause)
            reason, again = post(message)
            if not reason:
                return
            if not again:
                break
        log.warning("The webhook %s was not told: %s", message.url.partition("?")[0], reason)


def summary(number: int, release: str, event: Event) -> dict[str, Any]:
    """An event as it is told: few names and no evidence, however many hosts it is about."""
    body = {key: _short(value) for key, value in event.body.items() if key != "verdicts"}
    if "verdicts" in event.body:
        body["verdicts"] = [
            {key: verdict[key] for key in ("gate", "outcome", "reason")} for verdict in event.body["verdicts"]
        ]
    at = event.at.isoformat(timespec="seconds") if event.at else None
    told = {"rollout": number, "release": release, "seq": event.seq, "at": at, "kind": event.kind}
    return {**told, "who": event.who, "why": event.why, **body}


def post(message: Message) -> tuple[str, bool]:
    """Deliver once.

    Returns:
        Why it failed, empty if it did not; and whether to try again.
    """
    headers = {"Content-Type": "application/json", "User-Agent": "tidegate"}
    if message.secret is not None:
        headers[SIGNATURE] = f"sha256={signature(message.secret, message.body)}"
    request = urllib.request.Request(message.url, message.body, headers, method="POST")
    try:
        with _OPENER.open(request, timeout=TIME):
            return "", False
    except urllib.error.HTTPError as error:
        # What is wrong with the request stays wrong.
        return f"HTTP {error.code}", error.code >= 500 or error.code in (408, 425, 429)
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__, True


def signature(secret: str, body: bytes) -> str:
    """What the receiver has to work out too, to know that it was we who sent this body."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A webhook that sends us elsewhere is not followed: nobody has said that elsewhere may know."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def _short(value: Any) -> Any:
    """Many hosts as their number and a few names."""
    if isinstance(value, (list, Mapping)) and len(value) > NAMED:
        return {"count": len(value), "some": list(value)[:NAMED]}
    return value


def _host(entry: Mapping[str, Any]) -> str:
    return str(entry["webhook"]).partition("?")[0]
