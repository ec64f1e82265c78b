"""Queries are templates: ``{{ hosts }}`` and ``{{ window }}`` are what a round fills in."""

from __future__ import annotations

import re
from collections.abc import Collection

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tidegate.host.errors import Refused

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_SPECIAL = re.compile(r"[.+*?()|{}$]")
_PLAIN = re.compile(r"[A-Za-z0-9_.+*?()|{}$:@/-]+")


def render(template: str, hosts: Collection[str], window: float) -> str:
    """A query with its blanks filled in.

    Args:
        template: PromQL with ``{{ hosts }}`` (a regular expression that matches exactly these hosts' ids, good within
            any of PromQL's quotes) and ``{{ window }}`` (such as ``300s``).
        hosts: Host ids.
        window: Seconds; what is left over from a whole one is cut off.

    Raises:
        Refused: The template is none, or wants something else filled in.
    """
    try:
        return _ENVIRONMENT.from_string(template).render(hosts=pattern(hosts), window=f"{int(window)}s")
    except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
        raise Refused(f"the query {template!r} cannot be filled in: {error}; there are hosts and window") from error


def pattern(hosts: Collection[str]) -> str:
    """A regular expression for exactly these hosts.

    Special characters are put into a class, ``[.]``, instead of behind a backslash: that is the same in backquotes,
    where PromQL leaves backslashes alone, and in other quotes, where it does not. RE2 makes a plain letter of it, so
    that Prometheus looks the hosts up in its index instead of trying every value.

    Raises:
        Refused: There is no host, which would match nothing, or an id that no minion can have.
    """
    if not hosts:
        raise Refused("there is no host to ask for")
    strange = next((host for host in hosts if not _PLAIN.fullmatch(host)), None)
    if strange is not None:
        raise Refused(f"{strange!r} is no host's id")
    return f"(?:{'|'.join(_SPECIAL.sub(lambda found: f'[{found[0]}]', host) for host in sorted(hosts))})"
