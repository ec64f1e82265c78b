"""What a host should be, taken from the plan that it confirmed itself, or from a policy (``--pillar``).

Run it against any fleet, over any testinfra connection:

    pytest tests/verify --hosts='salt://edge*'                      # on the master
    pytest tests/verify --hosts=podman://edge1.lhr1,docker://edge2  # containers
    pytest tests/verify --hosts=local://                            # the host itself
    pytest tests/verify --hosts=… --pillar pillar                   # and it must be what this policy says
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

STATE = "/var/lib/tidegate"


def pytest_addoption(parser):
    group = parser.getgroup("tidegate")
    group.addoption("--pillar", help="compare each host's plan with what the policy in this pillar folder compiles to")


@pytest.fixture(scope="module")
def generation(host):
    """The confirmed generation's directory on the host; a host without one fails, it is never skipped."""
    link = host.run(f"readlink -f {STATE}/confirmed")
    assert link.rc == 0, f"no generation is confirmed on this host: {STATE}/confirmed is missing"
    return link.stdout.strip()


@pytest.fixture(scope="module")
def plan(host, generation):
    """The plan of the confirmed generation."""
    return document(host, f"{generation}/plan.json")


@pytest.fixture(scope="module")
def checks(host):
    """The host's own health checks by name, run by the dead-man's runtime: the code that would restore it."""
    done = host.run(f"/usr/bin/python3 -E -s -B {STATE}/restore health")
    assert done.rc in (0, 1), done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


@pytest.fixture(scope="session")
def policy_plan(request):
    """Plan of a host by name from ``--pillar``; skips without the option."""
    folder = request.config.getoption("--pillar")
    if folder is None:
        pytest.skip("no --pillar: nothing but the host's own plan to compare with")
    from tidegate.policy.load import load
    from tidegate.policy.plans import compile_host

    loaded = load(Path(folder))
    assert loaded.policy is not None, f"the policy in {folder} has errors: tidegate check {folder}"
    return lambda name: compile_host(loaded.policy, name)


def document(host, path):
    """A JSON file of the host as data."""
    read = host.run(f"cat {path}")
    assert read.rc == 0, f"{path} cannot be read: {read.stderr}"
    return json.loads(read.stdout)
