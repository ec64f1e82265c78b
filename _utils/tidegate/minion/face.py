"""What every execution function does with a failure: one clear sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from salt.exceptions import CommandExecutionError

from tidegate.host.errors import TidegateError

T = TypeVar("T")


def told(act: Callable[[], T]) -> T:
    """Return what ``act`` returns.

    Raises:
        CommandExecutionError: with the text of what Tidegate raised; Salt prints it and fails the job.
    """
    try:
        return act()
    except TidegateError as error:
        raise CommandExecutionError(str(error)) from error
