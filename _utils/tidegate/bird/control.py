"""BIRD's control socket: one command, one reply, with codes and deadlines. Version 2.0.12 to 3.x alike.

The protocol is described in BIRD's programmer's documentation (*Command line interface*): a banner, then for each
command lines ``NNNN-text`` that continue and one ``NNNN text`` that ends; a leading space repeats the code; a leading
``+`` is an asynchronous message that belongs to no command. Codes from 8000 are run-time
errors, from 9000 syntax errors.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tidegate.host.errors import Failed

_LINE = re.compile(r"(\d{4})([- ])(.*)", re.DOTALL)
_FIRST_ERROR = 8000


class NotRunning(Failed):
    """Nobody answers on the control socket."""


class Rejected(Failed):
    """BIRD answered a command with an error; ``code`` is its number, for example 8002 for a bad configuration."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"BIRD answered {code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Line:
    """One line of a reply; ``text`` keeps its indentation."""

    code: int
    text: str


@dataclass(frozen=True)
class Reply:
    """A whole reply; the last line's code says how it went."""

    lines: tuple[Line, ...]

    @property
    def code(self) -> int:
        """The code of the ending line."""
        return self.lines[-1].code

    def text(self, code: int) -> str:
        """The lines with this code, joined."""
        return "\n".join(line.text for line in self.lines if line.code == code)


class Control:
    """A connection to a running BIRD; a context manager.

    Args:
        path: The control socket.
        timeout: Seconds that connecting, and each command unless it says otherwise, may take in all.

    Raises:
        NotRunning: Nobody listens there, or whoever does is not BIRD.
    """

    def __init__(self, path: Path, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._buffer = b""
        self._code = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(str(path))
            banner = self._reply(time.monotonic() + timeout)
        except (OSError, Failed) as error:
            self._socket.close()
            raise NotRunning(f"BIRD does not answer on {path}: {error}") from None
        self.banner = banner.lines[-1].text

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def command(self, text: str, timeout: float | None = None) -> Reply:
        """Send one command and read its reply.

        Raises:
            Rejected: BIRD answered with an error.
            Failed: The connection broke, or the reply did not come in time.
        """
        if "\n" in text:
            raise ValueError("a command is one line")
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._socket.sendall(text.encode() + b"\n")
            reply = self._reply(deadline)
        except TimeoutError:
            raise Failed(f"BIRD did not answer {text!r} in time") from None
        except OSError as error:
            raise Failed(f"the connection to BIRD broke at {text!r}: {error}") from None
        if reply.code >= _FIRST_ERROR:
            raise Rejected(reply.code, reply.text(reply.code))
        return reply

    def _reply(self, deadline: float) -> Reply:
        lines: list[Line] = []
        while True:
            raw = self._line(deadline)
            if raw.startswith("+"):
                continue
            if raw.startswith(" "):
                lines.append(Line(self._code, raw[1:]))
                continue
            match = _LINE.fullmatch(raw)
            if match is None:
                raise Failed(f"not a line of BIRD's: {raw[:80]!r}")
            self._code = int(match[1])
            lines.append(Line(self._code, match[3]))
            if match[2] == " ":
                return Reply(tuple(lines))

    def _line(self, deadline: float) -> str:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no reply in time")
            self._socket.settimeout(left)
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ConnectionResetError("BIRD closed it")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace")
