"""What a run of pytest found, read from its JUnit report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from tidegate.rollout.gates.gate import brief

HOST = "tidegate-host"
UNREACHED = "tidegate-unreached"
"""Properties of a test that `attribution` writes: its host, and that the connection to it broke."""

Result = Literal["passed", "failed", "skipped", "unreached"]


@dataclass(frozen=True)
class Case:
    """One test on one host.

    Attributes:
        host: The host, by the name its connection gives it; empty for a test that is about none.
        test: Its name.
        result: ``unreached`` if the connection to the host broke, which says nothing about it.
        message: Why it failed, was skipped or broke.
    """

    host: str
    test: str
    result: Result
    message: str = ""


def read(report: Path) -> list[Case]:
    """The cases of a report.

    Raises:
        OSError: There is none.
        ValueError: It is no report.
    """
    try:
        root = ElementTree.parse(report).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"pytest left a damaged report: {error}") from error
    return [_case(element) for element in root.iter("testcase")]


def _case(element: ElementTree.Element) -> Case:
    properties = {one.get("name"): one.get("value", "") for one in element.iter("property")}
    host, test = properties.get(HOST, ""), brief(element.get("name", "?"), 120)
    for kind in ("failure", "error"):
        if (bad := element.find(kind)) is not None:
            return Case(host, test, "unreached" if UNREACHED in properties else "failed", brief(bad.get("message")))
    if (skipped := element.find("skipped")) is not None:
        return Case(host, test, "skipped", brief(skipped.get("message")))
    return Case(host, test, "passed")
