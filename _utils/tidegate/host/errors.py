"""What can go wrong on a host, by kind: callers decide on the kind, people read the text."""


class TidegateError(Exception):
    """Any failure that Tidegate reports in one clear sentence instead of a traceback."""


class Refused(TidegateError):
    """The change was not begun: nothing on the host was touched. The text says what to do."""


class Failed(TidegateError):
    """An effect did not happen as planned: what is live must be read again before it is trusted."""
