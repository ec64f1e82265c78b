"""What the state files make of pillar and configuration, through Salt's own rendering (``salt-call --local``)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
ROLLOUT = {"confirm": "engine", "owner": "12", "fence": 1770000000, "again": True, "timeout": 240}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """``shown(pillar, **configuration)``: the arguments of ``traffic.staged`` and ``traffic.confirmed``."""

    def show(pillar, **configuration):
        home = tmp_path_factory.mktemp("minion")
        config = {
            "root_dir": str(home),
            "id": "edge1.lhr1",
            "file_client": "local",
            "file_roots": {"base": [str(REPO / "salt")]},
            "log_file": str(home / "log"),
            **configuration,
        }
        (home / "minion").write_text(json.dumps(config))
        command = [str(Path(sys.executable).parent / "salt-call"), "--local", f"--config-dir={home}", "--out=json"]
        done = subprocess.run(
            [*command, "state.show_sls", "traffic", f"pillar={json.dumps(pillar)}"],
            capture_output=True,
            text=True,
            check=True,
        )
        states = json.loads(done.stdout)["local"]
        return arguments(states, "this host's plan is staged"), arguments(states, "the change is proven")

    return show


def arguments(states, name):
    given = [each for each in states[name]["traffic"] if isinstance(each, dict)]
    return {key: value for each in given for key, value in each.items() if key not in ("order", "require")}


def test_a_plain_highstate_is_nobodys(shown):
    staged, confirmed = shown({})
    assert staged == {"timeout": 180, "owner": None, "fence": None, "again": False}
    assert confirmed == {"wait": 30, "settle": 10, "by": "host", "owner": None, "fence": None}


def test_a_rollouts_job_says_who_it_is(shown):
    staged, confirmed = shown({"tidegate": ROLLOUT})
    assert staged == {"timeout": 240, "owner": "12", "fence": 1770000000, "again": True}
    assert confirmed == {"wait": 30, "settle": 10, "by": "engine", "owner": "12", "fence": 1770000000}


def test_a_host_that_is_known_to_be_slow_stays_slow(shown):
    staged, confirmed = shown({"tidegate": ROLLOUT}, tidegate={"timeout": 600, "wait": 90})
    assert staged == {"timeout": 600, "owner": "12", "fence": 1770000000, "again": True}
    assert confirmed["wait"] == 90
    assert confirmed["by"] == "engine"
