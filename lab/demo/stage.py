"""What a scene plays on: a lab, a way to run commands in view of the person, and a way to claim things."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lab.demo.show import Show
from lab.fleet import DEFAULT_NAME, REPO, Fleet

PILLAR = REPO / "pillar"
EDGES = "edge*"
"""All hosts that the policy lists, as Salt's target; the client is a minion too."""
_SALT_TIMEOUT = 180
"""Seconds for a job; a first highstate on a busy machine takes a while."""


class DemoError(Exception):
    """A scene did not show what it claims."""

    def __init__(self, claim: str, seen: str, advice: str) -> None:
        super().__init__(claim)
        self.claim, self.seen, self.advice = claim, seen, advice


@dataclass(frozen=True)
class Stage:
    """One lab and one audience."""

    fleet: Fleet
    show: Show

    @property
    def lab(self) -> str:
        """The command that the person would type for this lab."""
        return "lab/lab" if self.fleet.name == DEFAULT_NAME else f"lab/lab --name {self.fleet.name}"

    def claim(self, holds: object, claim: str, seen: object, advice: str = "") -> None:
        """End the demo unless ``holds``.

        Args:
            holds: whether what was seen is what the scene claims.
            claim: what should have been seen, and where.
            seen: what was seen instead.
            advice: the command that tells more.

        Raises:
            DemoError: it does not hold.
        """
        if not holds:
            self.fail(claim, seen, advice)

    def fail(self, claim: str, seen: object, advice: str = "") -> NoReturn:
        """End the demo: ``claim`` should have been seen, and was not.

        Raises:
            DemoError: always.
        """
        raise DemoError(claim, str(seen), advice or f"{self.lab} status")

    def run(self, host: str, *command: str, trim: Callable[[str], str] = str, timeout: float = 120) -> str:
        """Run a command on a host, in view.

        Args:
            host: where.
            command: its words.
            trim: leaves the lines worth showing.
            timeout: seconds.

        Returns:
            All that it printed.

        Raises:
            DemoError: it failed.
        """
        line = self.shown_exec(host, *command)
        with self.show.waiting(command[0]):
            done = self.fleet.exec(host, *command, timeout=timeout)
        self.claim(done.returncode == 0, f"`{line}` succeeds", done.stdout + done.stderr, f"{self.lab} logs {host}")
        self.show.output(trim(done.stdout))
        return done.stdout

    def follow(self, host: str, *command: str) -> int:
        """Run a command on a host and show each line as it comes; its exit code is the caller's to judge."""
        self.shown_exec(host, *command)
        words = self.fleet.engine.exec_command(self.fleet.container(self.fleet.topology.host(host)), command)
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
        ) as running:
            for line in running.stdout or ():
                self.show.output(line)
        return running.returncode

    def shown_exec(self, host: str, *command: str) -> str:
        """Show a command that is about to run on a host; returns it as the person would type it."""
        return self.shown("exec", host, *command)

    def shown(self, *words: str) -> str:
        """Show a command of the lab that is about to run; returns it as the person would type it."""
        quoted = [*self.lab.split(), *map(shlex.quote, words)]
        self.show.command(quoted)
        return " ".join(quoted)

    def quietly(self, host: str, *command: str) -> str:
        """What a command prints on a host, out of view: for watching, and for setting a scene."""
        return self.fleet.exec(host, *command).stdout

    def until(self, look: Callable[[], object], claim: str, seconds: float = 45) -> None:
        """Wait until ``look`` returns something true.

        Raises:
            DemoError: it did not within ``seconds``.
        """
        end = time.monotonic() + seconds
        with self.show.waiting(f"until {claim}"):
            while not (seen := look()):
                self.claim(time.monotonic() < end, f"{claim}, within {seconds:.0f} s", seen)
                time.sleep(0.2)

    def salt(self, target: str, function: str, *arguments: str, shown: bool = True) -> dict[str, Any]:
        """Run ``salt`` on the master and return what each minion returned; the caller shows what matters of it.

        Raises:
            DemoError: a minion did not answer.
        """
        words = ("salt", target, function, *arguments)
        if shown:
            self.shown_exec("master", *words)
        with self.show.waiting(f"{function} on {target}"):
            told = self.fleet.salt(target, function, *arguments, timeout=_SALT_TIMEOUT)
        wanted = {host.name for host in self.fleet.topology.edges} if target == EDGES else {target}
        self.claim(
            set(told) == wanted,
            f"`{shlex.join(words)}` is answered by {', '.join(sorted(wanted))}",
            f"answers from {', '.join(sorted(told)) or 'none'}",
            f"{self.lab} exec master salt '{EDGES}' test.ping",
        )
        return told

    def check(self, pillar: str) -> subprocess.CompletedProcess[str]:
        """Run ``tidegate check`` on a pillar folder, in view; its exit code is the caller's to judge."""
        self.show.command([".venv/bin/tidegate", "check", pillar])
        environment = {**os.environ, "COLUMNS": str(self.show.console.width - 4), "NO_COLOR": "1"}
        command: list[str | Path] = [Path(sys.executable).with_name("tidegate"), "check", pillar]
        with self.show.waiting("check"):
            done = subprocess.run(
                command,
                cwd=REPO,
                capture_output=True,
                text=True,
                check=False,
                env=environment,
                stdin=subprocess.DEVNULL,
            )
        self.show.output(done.stdout + done.stderr)
        return done
