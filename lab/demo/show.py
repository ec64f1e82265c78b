"""How the demo looks: scenes, commands, their output and what it means, on a terminal or in a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

WIDTH = 100
_FILE_TICK = 15.0
"""Seconds between signs of life where no line can be rewritten."""


class Show:
    """Prints for people; nothing but plain lines when the output is no terminal."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.console.width = min(self.console.width, WIDTH) if self.console.is_terminal else WIDTH

    def title(self, text: str) -> None:
        """Begin a scene."""
        self.console.print()
        self.console.print(Rule(Text(text, style="bold"), align="left", characters="─", style="dim"))

    def tell(self, text: str) -> None:
        """Say what comes next, or what it is for."""
        self.console.print(Padding(Text(text), (0, 0, 0, 0)))

    def command(self, text: str) -> None:
        """Show the command that runs now."""
        self.console.print()
        self.console.print(Text(f"  $ {text}", style="bold cyan"), soft_wrap=True)

    def output(self, text: str) -> None:
        """Show what a command printed, as it is."""
        for line in text.rstrip().splitlines():
            self.console.print(Text(f"    {line.rstrip()}"), soft_wrap=True)

    def skipped(self, what: str) -> None:
        """Say what was left out of an output."""
        self.console.print(Text(f"    … {what}", style="dim"))

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[str]], right: Iterable[int] = ()) -> None:
        """Show rows under their columns.

        Args:
            columns: the heads.
            rows: the cells, as many as columns.
            right: numbers of the columns that hold figures.
        """
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", pad_edge=False)
        figures = set(right)
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number in figures else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(Padding(table, (0, 0, 0, 4)))

    def means(self, text: str) -> None:
        """Say what the output above has shown."""
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(Text("  →", style="green"), Text(text, style="green"))
        self.console.print(grid)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show that something takes its time, for as long as the block runs; yields a function that says how far it is.

        On a terminal the seconds run in a line that vanishes; in a file a long wait leaves a line now and then.
        """
        note = ""

        def tell(how_far: str) -> None:
            nonlocal note
            note = how_far

        def head(started: float) -> str:
            return f"{text}{', ' + note if note else ''} … {time.monotonic() - started:.0f} s"

        over = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(head, over), daemon=True)
        ticker.start()
        try:
            yield tell
        finally:
            over.set()
            ticker.join()

    def _tick(self, head: Callable[[float], str], over: threading.Event) -> None:
        started = time.monotonic()
        if not self.console.is_terminal:
            while not over.wait(_FILE_TICK):
                self.skipped(head(started))
            return
        with self.console.status(Text("")) as status:
            while not over.wait(0.5):
                status.update(Text(head(started), style="dim"))
