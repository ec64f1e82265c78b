"""The ext_pillar as a master loads it: by Salt's loader, from the repository's folders, with nothing installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

# The library must come from utils_dirs alone, as on a master where nobody ran pip.
PROGRAM = """
import json, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path[:] = [path for path in sys.path if not path.rstrip("/").endswith("_utils")]
try:
    import tidegate
except ImportError:
    pass
else:
    sys.exit("the library is importable without Salt: this test would prove nothing")
import salt.config, salt.loader
root, cache = sys.argv[1:3]
opts = salt.config.DEFAULT_MASTER_OPTS.copy()
opts.update(
    __role="master", id="master", cachedir=cache, extension_modules=cache + "/ext", grains={}, optimization_order=[0],
    pillar_dirs=[root + "/_pillar"], utils_dirs=[root + "/_utils"], pillar_roots={"base": [root + "/pillar"]},
)
pillars = salt.loader.pillars(opts, {})
print(json.dumps({minion: pillars["tidegate"](minion, {}) for minion in sys.argv[3:]}))
"""


def asked(cache, store, *minions):
    """What a master with this store answers these minions."""
    command = [sys.executable, "-c", PROGRAM, str(REPOSITORY), str(cache / "master"), *minions]
    environment = {**os.environ, "TIDEGATE_STORE": str(store)}
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cache, env=environment)
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(outcome.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return asked(cache, cache / "no-store.db", "edge1.lhr1", "edge1.iad1", "stranger")


def test_a_host_of_the_fleet_receives_its_plan(answers):
    from tidegate.host.plan import Plan

    for host in ("edge1.lhr1", "edge1.iad1"):
        assert Plan.from_document(answers[host]["traffic"], host).host == host


def test_any_other_minion_receives_nothing(answers):
    assert answers["stranger"] == {}


def test_no_secrets_travel_with_the_plan(answers):
    secret = (REPOSITORY / "pillar" / "secrets" / "lhr1.sls").read_text().split("bgp/lhr1-transit:")[1].split()[0]
    assert "bgp/lhr1-transit" in json.dumps(answers)
    assert secret not in json.dumps(answers)


def test_once_something_is_rolled_out_the_store_answers_for_all(tmp_path):
    from briefs import LHR, brief
    from drafts import LHR1, draft

    from tidegate.release.location import parse
    from tidegate.release.store import Store
    from tidegate.rollout.event import Event
    from tidegate.rollout.journal import Journal
    from tidegate.rollout.lease import Leases

    path = tmp_path / "store.db"
    store = Store(parse(str(path)), create=True)
    release, _ = store.add(draft(LHR1), who="alice")
    minions = (LHR, "edge1.iad1", "stranger")
    assert asked(tmp_path, path, *minions)[LHR]["traffic"]["digest"] != store.plan(release.id, LHR).digest
    number = Journal(store).start(brief(release, (LHR,)), "alice", "")
    Journal(store).record(number, [Event("wave", {})], {LHR: release.id}, Leases(store).acquire("one", 30).epoch)
    answers = asked(tmp_path, path, *minions)
    assert answers[LHR] == {"traffic": store.plan(release.id, LHR).document}
    assert "No release is assigned" in answers["edge1.iad1"]["traffic"]["refused"]
    assert answers["stranger"] == {}
    store.close()
    path.unlink()
    again = asked(tmp_path, path, *minions)
    assert again[LHR] == answers[LHR]
    assert all("no last good plan" in again[minion]["traffic"]["refused"] for minion in minions[1:])
