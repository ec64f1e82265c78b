"""Checks of services: what may be written, and what people are told who wrote something else."""

from __future__ import annotations

import pytest
from example import changed, errors

from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_host

WEB = "routing/services/web"
HTTP = {"http": "http://127.0.0.1:8080/health"}


def told(check, **more):
    """Everything that is said about a check, and beside what the service says."""
    return errors((f"{WEB}/check", check), *((f"{WEB}/{key}", value) for key, value in more.items()))


def planned(check, **more):
    """The service in a host's plan."""
    changes = ((f"{WEB}/check", check), *((f"{WEB}/{key}", value) for key, value in more.items()))
    (service,) = compile_host(Policy.model_validate(changed(*changes)), "edge1.lhr1").bird["services"]
    return service.get("health")


@pytest.mark.parametrize(
    "check",
    [
        HTTP,
        {"http": "https://www.example.net/", "address": "192.0.2.10", "status": 301},
        {"tcp": "127.0.0.1:443"},
        {"tcp": "[::1]:443"},
        {"dns": "127.0.0.1", "question": "www.example.net", "type": "AAAA", "answer": "2001:db8::1"},
        {"dns": "::1", "question": "example.net"},
        {"dns": "[::1]:5353", "question": "example.net"},
        {"command": ["/usr/local/bin/check", "-v"], "user": "daemon", "interval": "1m", "timeout": "30s"},
        [HTTP, {"tcp": "127.0.0.1:443"}],
        [HTTP, {**HTTP, "name": "again"}],
    ],
)
def test_what_may_be_written(check):
    assert told(check) == {}


@pytest.mark.parametrize(
    ("check", "path", "words"),
    [
        ({}, "check", "one of http, tcp, dns and command"),
        ({**HTTP, "tcp": "127.0.0.1:1"}, "check", "several checks are a list"),
        ({"http": "http://www.example.net/"}, "check", "does not ask DNS"),
        ({"http": "ftp://127.0.0.1/"}, "check.http", "http:// or https://"),
        ({"http": "http://me:secret@127.0.0.1/"}, "check.http", "no place for secrets"),
        ({"tcp": "localhost:80"}, "check.tcp", "depend on DNS"),
        ({"tcp": "127.0.0.1"}, "check.tcp", "an address with a port"),
        ({"tcp": "127.0.0.1:70000"}, "check.tcp", "an address with a port"),
        ({"dns": "127.0.0.1"}, "check", "a question beside dns"),
        ({"tcp": "127.0.0.1:1", "body": "x"}, "check", "'body' beside http alone"),
        ({"command": ["check"]}, "check", "full path"),
        ({"command": []}, "check.command", "at least one entry"),
        ({"command": "/bin/check -v"}, "check.command", "a list"),
        ({**HTTP, "interval": "1s", "timeout": "2s"}, "check", "at most the interval"),
        ({**HTTP, "interval": 2}, "check.interval", "Give the unit"),
        ({**HTTP, "interval": "0s"}, "check.interval", "from 1s to 10m"),
        ({**HTTP, "rise": 0}, "check.rise", "from 1"),
        ({**HTTP, "rais": 3}, "check.rais", "Did you mean 'rise'?"),
        ([HTTP, {"tpc": "127.0.0.1:1"}], "check[1].tpc", "Did you mean 'tcp'?"),
        ([HTTP, HTTP], "", "Two are called 'http'"),
        ([], "check", "at least one"),
        ([{**HTTP, "name": f"n{number}"} for number in range(9)], "check", "8"),
    ],
)
def test_what_may_not_be_written_says_where_and_what_to_do(check, path, words):
    found = told(check)
    where = f"traffic.routing.services.web{'.' if path else ''}{path}"
    assert where in found, found
    assert words in found[where]


@pytest.mark.parametrize(("key", "value"), [("hold", "5s"), ("on_all_down", "keep"), ("on_checker_loss", "withdraw")])
def test_what_needs_a_check_is_refused_without_one(key, value):
    found = errors((f"{WEB}/{key}", value))
    assert "beside a check" in found["traffic.routing.services.web"]


def test_a_service_without_a_check_is_planned_as_ever():
    (service,) = compile_host(Policy.model_validate(changed()), "edge1.lhr1").bird["services"]
    assert set(service) == {"name", "ipv4", "ipv6"}


def test_the_plan_has_seconds_and_every_default():
    assert planned(HTTP) == {
        "checks": [
            {
                "name": "http",
                "kind": "http",
                "target": "http://127.0.0.1:8080/health",
                "expected": {},
                "interval": 2.0,
                "timeout": 1.0,
                "rise": 3,
                "fall": 3,
            }
        ],
        "hold": 10.0,
        "on_all_down": "withdraw",
        "on_checker_loss": "keep",
    }


def test_what_is_said_is_planned():
    check = {
        "name": "own",
        "command": ["/bin/check", "-v"],
        "user": "daemon",
        "interval": "1m",
        "timeout": "30s",
        "rise": 1,
    }
    found = planned([HTTP, check], hold="0s", on_all_down="keep", on_checker_loss="withdraw")
    assert [one["name"] for one in found["checks"]] == ["http", "own"]
    assert found["checks"][1]["target"] == ["/bin/check", "-v"]
    assert found["checks"][1]["expected"] == {"user": "daemon"}
    assert (found["hold"], found["on_all_down"], found["on_checker_loss"]) == (0.0, "keep", "withdraw")
