"""How the demo looks: scenes, commands, their output and what it means, on a terminal or in a file."""

from __future__ import annotations

import re
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

WIDTH = 100
_FILE_TICK = 15.0
"""Seconds between signs of life where no line can be rewritten."""
_TRAILING = re.compile(r" +((?:\x1b\[0m)?)$", re.MULTILINE)


class Show:
    """Prints for people; nothing but plain lines when the output is no terminal."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.console.width = min(self.console.width, WIDTH) if self.console.is_terminal else WIDTH

    def title(self, text: str) -> None:
        """Begin a scene."""
        self._print("")
        self._print(Rule(Text(text, style="bold"), align="left", characters="─", style="dim"))

    def tell(self, text: str) -> None:
        """Say what comes next, or what it is for."""
        self._print(Text(text))

    def then(self, text: str) -> None:
        """Say what comes next within a scene."""
        self._print("")
        self.tell(text)

    def command(self, words: Sequence[str]) -> None:
        """Show the command that runs now, each word as a shell takes it; a long one goes on behind a backslash."""
        lines = [""]
        for word in words:
            if lines[-1] and len(f"{lines[-1]} {word}") > self.console.width - 8:
                lines.append(word)
            else:
                lines[-1] = f"{lines[-1]} {word}".lstrip()
        self._print("")
        for number, line in enumerate(lines):
            head, tail = "      " if number else "  $ ", " \\" if number < len(lines) - 1 else ""
            self._print(Text(f"{head}{line}{tail}", style="bold cyan"), whole=True)

    def output(self, text: str) -> None:
        """Show what a command printed; a line that is too long goes on below itself, indented."""
        for line in text.rstrip().splitlines():
            indent = " " * (len(line) - len(line.lstrip()))
            for part in textwrap.wrap(
                line, self.console.width - 4, subsequent_indent=f"{indent}  ", break_on_hyphens=False
            ) or [""]:
                self._print(Text(f"    {part}"))

    def skipped(self, what: str) -> None:
        """Say what was left out of an output."""
        self._print(Text(f"    … {what}", style="dim"))

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[str]], right: Iterable[int] = ()) -> None:
        """Show rows under their columns.

        Args:
            columns: the heads.
            rows: the cells, as many as columns.
            right: numbers of the columns that hold figures.
        """
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        figures = set(right)
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number in figures else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._print(Padding(table, (0, 0, 0, 4)))

    def means(self, text: str) -> None:
        """Say what the output above has shown."""
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(Text("  →", style="green"), Text(text, style="green"))
        self._print(grid)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show that something takes its time, for as long as the block runs; yields a function that says how far it is.

        On a terminal it is one line that moves and then vanishes; in a file a long wait leaves a line now and then.
        """
        started, note = time.monotonic(), ""

        def tell(how_far: str) -> None:
            nonlocal note
            note = how_far

        def line() -> str:
            return f"{text}: {note or f'{time.monotonic() - started:.0f} s'}"

        over = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(line, over), daemon=True)
        ticker.start()
        try:
            yield tell
        finally:
            over.set()
            ticker.join()

    def _tick(self, line: Callable[[], str], over: threading.Event) -> None:
        if not self.console.is_terminal:
            while not over.wait(_FILE_TICK):
                self.skipped(line())
            return
        if over.wait(0.5):
            return
        with self.console.status("") as status:
            while not over.wait(0.2):
                status.update(Text(line(), style="dim"))

    def _print(self, what: RenderableType, *, whole: bool = False) -> None:
        """Print without the blanks that fill a line up; a ``whole`` line is never broken, so that it can be copied."""
        with self.console.capture() as captured:
            self.console.print(what, soft_wrap=whole)
        self.console.file.write(_TRAILING.sub(r"\1", captured.get()))
        self.console.file.flush()
