"""What the engine can do to hosts, and ask of them: the one seam between its decisions and Salt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol


class Fleet(Protocol):
    """Jobs for hosts. `rollout.salt_fleet` is the one over a Salt master; tests and the bench have others."""

    def jid(self) -> str:
        """A new job's id, which no job has had."""

    def publish(self, jid: str, function: str, hosts: Sequence[str], kwargs: Mapping[str, Any]) -> None:
        """Publish a job to exactly these hosts, and do not wait.

        Raises:
            Failed: It could not be published; nothing is known of who has it.
        """

    def published(self, jid: str) -> bool:
        """Whether the master has published this job: read from the job cache, so it is true after a restart too."""

    def returns(self, jid: str, hosts: Collection[str]) -> dict[str, Any]:
        """What these hosts have returned so far, from the job cache: host → ``{"return": …, "retcode": …}``."""

    def running(self, jid: str, hosts: Sequence[str], seconds: float) -> dict[str, bool]:
        """Ask hosts whether they are at this job (`saltutil.find_job`): host → answer. Who is silent is missing."""

    def ask(self, function: str, hosts: Sequence[str], kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Run a function that changes nothing and wait: host → what it returned. Who is silent is missing."""

    def wait(self, seconds: float) -> None:
        """Wait until a return may have come, at most so long. Events are only wake-ups: nothing is read from them."""

    def tell(self, tag: str, data: Mapping[str, Any]) -> None:
        """Fire an event on the master's bus; a failure is logged and otherwise without effect."""
