"""PromQL in a policy: a template with two blanks. What a round fills in is in `rollout.gates.query`."""

from __future__ import annotations

from typing import Annotated

from jinja2 import TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment
from pydantic import AfterValidator, Field

from tidegate.policy.errors import unlike

LONGEST_QUERY = 4000
VARIABLES = frozenset(("hosts", "window"))
"""What a query may ask for: hosts as a regular expression, and the window as PromQL writes it."""


def _query(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_QUERY or not text.replace("\n", " ").isprintable():
        raise unlike(f"a PromQL query of at most {LONGEST_QUERY} characters")
    try:
        unknown = sorted(meta.find_undeclared_variables(SandboxedEnvironment().parse(text)) - VARIABLES)
    except TemplateError as error:
        raise unlike(f"a query that is a good template ({error.message})") from None
    if unknown:
        raise unlike("a query that asks for {{ hosts }} and {{ window }} alone", f"It asks for {', '.join(unknown)}.")
    return text


def _of_hosts(text: str) -> str:
    if "hosts" not in meta.find_undeclared_variables(SandboxedEnvironment().parse(text)):
        raise unlike("a query that asks for {{ hosts }}", "Hosts are compared, so it has to be about them.")
    return text


Query = Annotated[str, AfterValidator(_query)]
HostsQuery = Annotated[str, AfterValidator(_query), AfterValidator(_of_hosts)]
"""A query that cannot do without hosts."""
Number = Annotated[float, Field(allow_inf_nan=False)]
