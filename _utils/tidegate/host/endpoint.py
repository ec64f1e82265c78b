"""An address with a port, as people write it."""

from __future__ import annotations

from tidegate.host.errors import Refused


def endpoint(text: str, default: int | None) -> tuple[str, int]:
    """Address and port of ``192.0.2.1:53``, ``[2001:db8::1]:53``, or either without a port if there is a default.

    Raises:
        Refused: It is not like that.
    """
    host, separator, port = text.rpartition(":")
    bare = not separator or (":" in host and not host.endswith("]")) or text.endswith("]")
    if bare:
        host, port = text, str(default or "")
    if not port.isdecimal() or not 0 < int(port) < 65536 or not host.strip("[]"):
        raise Refused(f"{text!r} is not ADDRESS:PORT (an IPv6 address stands in brackets)")
    return host.strip("[]"), int(port)
