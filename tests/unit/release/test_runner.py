"""`salt-run release.…` as a master runs it: Salt's loader, the repository's folders, nothing installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

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
from salt.minion import load_args_and_kwargs
from salt.utils.args import parse_input
root, state, function, *arguments = sys.argv[1:]
opts = salt.config.DEFAULT_MASTER_OPTS.copy()
opts.update(
    __role="master", id="master", cachedir=state, extension_modules=state + "/ext", grains={}, optimization_order=[0],
    runner_dirs=[root + "/_runners"], utils_dirs=[root + "/_utils"], pillar_roots={"base": [root + "/pillar"]},
    tidegate={"store": state + "/store.db"},
)
class Events:
    def fire_event(self, data, tag):
        steps.append(data["message"])
steps = []
runners = salt.loader.runner(opts, utils=salt.loader.utils(opts), context={})
runner = runners[function]
# What Salt's client puts into a runner's globals before it calls it.
runner.__globals__.update({"__user__": "sudo_ann", "__jid_event__": Events()})
args, kwargs = load_args_and_kwargs(runner, parse_input(arguments))
print(json.dumps({"answer": runner(*args, **kwargs), "steps": steps}))
"""


@pytest.fixture
def run(tmp_path):
    def run(function, *arguments):
        command = [sys.executable, "-c", PROGRAM, str(REPOSITORY), str(tmp_path), f"release.{function}", *arguments]
        environment = {key: value for key, value in os.environ.items() if key != "TIDEGATE_STORE"}
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
        assert outcome.returncode == 0, outcome.stderr
        said = json.loads(outcome.stdout.splitlines()[-1])
        return said["answer"], said["steps"]

    return run


def test_a_release_from_creation_to_verification(run):
    created, steps = run("create", "note=the first")
    assert (created["retcode"], created["new"], created["who"], created["hosts"]) == (0, True, "sudo_ann", 4)
    assert "compiling 4 hosts" in steps
    assert run("create")[0]["new"] is False

    listed, _ = run("list")
    assert [release["id"] for release in listed["releases"]] == [created["id"]]

    shown, _ = run("show", "host=edge1.lhr1")
    assert shown["plan"]["host"] == "edge1.lhr1"

    changes, _ = run("delta", created["id"], created["id"])
    assert (changes["retcode"], changes["hosts"]["unchanged"]) == (0, 4)

    verified, _ = run("verify")
    assert (verified["retcode"], verified["releases"][0]["damage"]) == (0, [])


def test_failures_are_a_sentence_and_an_exit_status(run):
    answer, _ = run("list")
    assert answer["retcode"] == 1
    assert "There is no store" in answer["error"]

    answer, _ = run("create", "waive={min-pop: wanted}")
    assert answer["retcode"] == 1
    assert "no rule 'min-pop'" in answer["error"]

    run("create")
    answer, _ = run("show", "1234567")
    assert "Salt read the release's id as the number" in answer["error"]


def test_a_policy_with_errors_lists_them(run, tmp_path):
    (tmp_path / "pillar" / "traffic").mkdir(parents=True)
    (tmp_path / "pillar" / "traffic" / "all.sls").write_text("traffic: {fleet: {hosts: {}}}\n")
    answer, _ = run("create", f"pillar_dir={tmp_path}/pillar")
    assert answer["retcode"] == 1
    assert any("traffic.fleet.regions" in problem for problem in answer["problems"])
