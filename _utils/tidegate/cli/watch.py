"""Following a rollout until it ends or needs people: a live page on a terminal, lines in a pipe, JSON for programs.

Whoever watches only reads. Leaving changes nothing, and neither does a store that cannot be reached for a while.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tidegate.cli import rollout_status_view
from tidegate.release.errors import StoreError
from tidegate.rollout.event import Event
from tidegate.rollout.following import Following
from tidegate.rollout.narrative import sentence
from tidegate.rollout.outlook import next_step
from tidegate.rollout.standing import Standing
from tidegate.rollout.view import View

EVERY = 1.0
"""Seconds between two looks at the journal."""

RECENT = 4
"""Events under the live page."""

Sleep = Callable[[float], None]


class Screen(Protocol):
    """What shows it."""

    def show(self, view: View, events: Sequence[Event]) -> None:
        """Show where it is, and what is new."""

    def note(self, text: str) -> None:
        """Say something that is not in the journal."""

    def end(self, view: View) -> None:
        """Show how it stands when nobody watches any more."""


def follow(following: Following, screen: Screen, limit: float | None = None, sleep: Sleep = time.sleep) -> Standing:
    """Show a rollout until it ends or needs people.

    Args:
        following: It, read once.
        screen: What shows it.
        limit: Seconds after which it is left; ``None`` for none.
        sleep: How to wait.

    Returns:
        How it stands.
    """
    begin = time.monotonic()
    events: Sequence[Event] = following.events
    view = following.view()
    lost = False
    while True:
        if not lost:
            screen.show(view, events)
            if view.standing is not Standing.GOING:
                break
        if limit is not None and time.monotonic() - begin > limit:
            break
        sleep(EVERY)
        try:
            events, view = following.read(), following.view()
        except StoreError as error:
            if not lost:
                screen.note(f"{error} The rollout itself does not need this command; trying again.")
            lost = True
            continue
        if lost:
            screen.note("The store is there again.")
        lost = False
    screen.end(view)
    return view.standing


class Lines:
    """One line for each event, for logs and pipes."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._engine = True

    def show(self, view: View, events: Sequence[Event]) -> None:
        """What is new."""
        for event in events:
            at = f"{event.at:%H:%M:%S}  " if event.at else ""
            typer.echo(f"{at}{sentence(event)}")
        there = view.engine is not None or view.ended
        if self._engine and not there:
            self.note("No engine holds the lease: nothing moves until a master runs one.")
        self._engine = there

    def note(self, text: str) -> None:
        """On standard error: it is no event."""
        typer.echo(text, err=True)

    def end(self, view: View) -> None:
        """How it stands."""
        typer.echo(f"Rollout {self._number} {view.status}{f': {view.reason}' if view.reason else ''}")
        if view.standing is Standing.PEOPLE:
            typer.echo(f"{next_step(view)} 'tidegate rollout explain {self._number}' says what you can do.")


class JsonLines:
    """The same as JSON, one object a line; the last one is the rollout, with ``kind`` ``view``."""

    def show(self, view: View, events: Sequence[Event]) -> None:
        """What is new."""
        for event in events:
            typer.echo(json.dumps({"rollout": view.number, **event.as_dict()}, ensure_ascii=False))

    def note(self, text: str) -> None:
        """On standard error: programs read events alone."""
        typer.echo(text, err=True)

    def end(self, view: View) -> None:
        """The whole of it."""
        typer.echo(json.dumps({"kind": "view", **view.as_dict()}, ensure_ascii=False))


class LivePage:
    """A page that is drawn anew, with the last events below it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._recent: list[Event] = []
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()
        self._noted = ""

    def show(self, view: View, events: Sequence[Event]) -> None:
        """The page as it is now."""
        self._recent = [*self._recent, *events][-RECENT:]
        self._noted = ""
        self._live.update(self._page(view), refresh=True)
        self._view = view

    def note(self, text: str) -> None:
        """Below the page, until there is something to show again."""
        self._noted = text
        self._live.update(self._page(self._view), refresh=True)

    def end(self, view: View) -> None:
        """Leave the page where it is."""
        self._live.update(rollout_status_view.page(view), refresh=True)
        self.close()
        if view.standing is Standing.PEOPLE:
            told = f"'tidegate rollout explain {view.number}' says what you can do."
            self._console.print(Text(told, style="bold"))

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def _page(self, view: View) -> Group:
        lines = [Text(f"{event.at:%H:%M:%S}  {sentence(event)}", style="dim") for event in self._recent if event.at]
        note = [Text(self._noted, style="yellow")] if self._noted else []
        leave = Text("Ctrl-C leaves the rollout running.", style="dim")
        return Group(rollout_status_view.page(view), Text(), *lines, *note, leave)
