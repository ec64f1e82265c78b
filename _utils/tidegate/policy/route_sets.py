"""``routing.sets``: prefixes and AS numbers under one name, written in the policy or read from files beside it.

A file may be what ``bgpq4`` writes as JSON (``-j``) or for BIRD (``-b``), or one entry a line. Whatever is not
understood is an error: a set that lost half of its entries on the way would let in the wrong half.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self

from tidegate.policy.addresses import prefix
from tidegate.policy.errors import Problem, unlike
from tidegate.policy.strict import Listed, Strict, spelt

PATTERN = re.compile(r"(?P<prefix>[0-9a-fA-F:./]+?)\s*(?:\{\s*(?P<low>\d+)\s*,\s*(?P<high>\d+)\s*\}|(?P<longer>\+))?")
FILE = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*"
LARGEST = 32 << 20
"""Bytes of a set's file; the largest IRR sets have a tenth of that."""


def pattern(text: str) -> str:
    """A prefix, or a prefix with the lengths of those inside it that are meant, canonical: ``192.0.2.0/24{24,28}``.

    ``192.0.2.0/24+`` means it and everything inside it.

    Raises:
        PydanticCustomError: It is none, or the lengths are not between the prefix's own and its family's.
    """
    match = PATTERN.fullmatch(text.strip())
    if match is None:
        raise unlike("a prefix such as 192.0.2.0/24, 192.0.2.0/24+ or 192.0.2.0/24{24,28}")
    net = ip_network(prefix(match["prefix"]))
    if match["longer"]:
        low, high = int(net.prefixlen), int(net.max_prefixlen)
    elif match["low"]:
        low, high = int(match["low"]), int(match["high"])
    else:
        return str(net)
    if not net.prefixlen <= low <= high <= net.max_prefixlen:
        raise unlike(f"lengths from {net.prefixlen} to {net.max_prefixlen}, the shorter first")
    return str(net) if low == high == net.prefixlen else f"{net}{{{low},{high}}}"


def _member(value: int) -> int:
    if not 0 <= value < 2**32:
        raise unlike("an AS number")
    return value


class RouteSet(Strict):
    """Prefixes, or AS numbers, under one name."""

    prefixes: Listed[Annotated[str, AfterValidator(pattern)]] | None = Field(
        default=None,
        description="Prefixes of either family: 192.0.2.0/24 alone, 192.0.2.0/24+ with all inside it, or "
        "192.0.2.0/24{24,28} with the lengths meant.",
    )
    asns: Listed[Annotated[int, AfterValidator(_member)]] | None = Field(default=None, description="AS numbers.")
    file: Annotated[str, spelt(FILE, "a file below the policy's folder, such as sets/customer.json")] | None = Field(
        default=None,
        description="A file below the policy's folder that holds them: bgpq4's output (-j or -b), or one entry a line.",
    )
    allow_empty: bool = Field(
        default=False, description="Whether the set may be empty. It then matches nothing, never everything."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in (self.prefixes, self.asns) if kind is not None]
        if len(kinds) != 1:
            raise unlike("exactly one of prefixes, asns and file")
        if not kinds[0] and not self.allow_empty:
            raise unlike("at least one entry", "Say allow_empty: true if it may be empty; it then matches nothing.")
        return self

    def holds(self, kind: Literal["prefixes", "asns"]) -> bool:
        """Whether these are its entries; an empty set may be of either kind."""
        return bool(getattr(self, kind)) or not (self.prefixes or self.asns)


def load(document: dict[str, Any], folder: Path) -> list[Problem]:
    """Put what the sets' files hold into a policy's document, so that it means the same wherever it is read again.

    Args:
        document: The merged policy; sets that name a file get their entries beside the name.
        folder: The policy's folder.

    Returns:
        What is wrong with the files; sets of unreadable ones are left without entries.
    """
    routing = document.get("routing")
    sets = routing.get("sets") if isinstance(routing, dict) else None
    problems = []
    for name, entry in (sets if isinstance(sets, dict) else {}).items():
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            continue
        path = ("routing", "sets", str(name), "file")
        if entry.keys() & {"prefixes", "asns"}:
            problems.append(Problem("the set has entries of its own too", path, entry["file"], "one or the other"))
            continue
        try:
            entry.update(_read(folder, entry["file"]))
        except ValueError as error:
            problems.append(Problem(str(error), path, entry["file"], "a whole file of prefixes or of AS numbers"))
            # Stands in, so that the rest can be looked at; the policy is refused for the problem above.
            entry.update(prefixes=[], allow_empty=True)
    return problems


def _read(folder: Path, name: str) -> dict[str, Any]:
    if not re.fullmatch(FILE, name):
        raise ValueError("this is not a file below the policy's folder")
    path = folder / name
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"the file is larger than {LARGEST >> 20} MiB")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text") from None
    return parse(text)


def parse(text: str) -> dict[str, Any]:
    """The entries in a file's text: ``{"prefixes": […]}`` or ``{"asns": […]}``, sorted, each once.

    Raises:
        ValueError: The text is cut off, or holds what is neither; the line is named.
    """
    if text.lstrip().startswith("{"):
        return _sorted(_of_json(text))
    if re.match(r"\s*(define\s+)?\S+\s*=\s*\[", text):
        return _sorted(_of_bird(text))
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end: the file is cut off")
    return _sorted(_of_lines(text))


def _of_json(text: str) -> Iterator[Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the JSON is broken or cut off: {error}") from None
    if len(document) != 1 or not isinstance(entries := next(iter(document.values())), list):
        raise ValueError("the JSON is not one list under one name, as bgpq4 -j writes it")
    for position, entry in enumerate(entries):
        if isinstance(entry, dict) and isinstance(entry.get("prefix"), str):
            low = entry.get("greater-equal", None)
            high = entry.get("less-equal", None)
            length = entry["prefix"].rpartition("/")[2]
            bounds = "" if entry.get("exact") or high is None else f"{{{low or length},{high}}}"
            yield f"{entry['prefix']}{bounds}", f"entry {position + 1}"
        else:
            yield entry, f"entry {position + 1}"


def _of_bird(text: str) -> Iterator[Any]:
    body, closed, rest = text.partition("[")[2].partition("]")
    if not closed or not rest.strip().startswith(";"):
        raise ValueError("the list has no end: the file is cut off")
    if rest.strip() != ";":
        raise ValueError("there is something behind the list")
    for number, line in enumerate(body.splitlines(), text[: text.index("[")].count("\n") + 1):
        # A comma inside braces belongs to the entry.
        for entry in re.split(r",(?![^{]*\})", line.partition("#")[0]):
            if entry.strip():
                yield entry.strip(), f"line {number}"


def _of_lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if entry := line.partition("#")[0].strip():
            yield entry, f"line {number}"


def _sorted(entries: Iterator[Any]) -> dict[str, Any]:
    prefixes, asns = set[str](), set[int]()
    for entry, place in entries:
        try:
            if isinstance(entry, int) or re.fullmatch(r"(AS)?[0-9]{1,10}", entry):
                asns.add(_member(int(str(entry).removeprefix("AS"))))
            else:
                prefixes.add(pattern(entry))
        except (ValueError, TypeError):
            raise ValueError(f"{place}: {str(entry)[:60]!r} is neither a prefix nor an AS number") from None
    if prefixes and asns:
        raise ValueError("the file mixes prefixes and AS numbers")
    return {"asns": sorted(asns)} if asns else {"prefixes": sorted(prefixes)}
