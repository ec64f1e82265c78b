"""The verify gate: real pytest and testinfra in shards, and everything that must not be taken for success."""

import os
import sys
import time
from pathlib import Path

import pytest
from asked import judged
from hypothesis import given
from hypothesis import strategies as st
from metered import until
from suites import made

from tidegate.rollout.gates.shard import Suite
from tidegate.rollout.gates.verify import MOST_HOSTS, shards

HOSTS = ("edge1.lhr1", "edge2.lhr1", "edge1.ams1")
GOOD = """
    import pytest

    def test_it_is_there(host):
        assert host.run("echo up").stdout == "up\\n"

    @pytest.mark.parametrize("what", ["a-b", "c"])
    def test_it_has(host, what):
        assert host.file("/").is_directory
"""
BAD_ON_ONE = """
    def test_it_is_not_the_second(host):
        assert host.run("echo $HOST").stdout != "edge2.lhr1\\n", "it is the <second> & last"
"""
SKIPPED = """
    import pytest

    def test_some_day(host):
        pytest.skip("no --pillar")
"""


def verify(suite, hosts=HOSTS, over="imitated://{host}", **settings):
    options = {"tidegate": {"verify": str(suite), "verify_over": over}}
    return judged("verify", hosts, settings={"time": 60, "workers": 2, **settings}, options=options)


def test_every_host_passes(tmp_path):
    verdict = verify(made(tmp_path, good=GOOD))
    assert (verdict.outcome, verdict.reason) == ("pass", "9 tests passed on 3 hosts")
    assert verdict.evidence["tests"] == {"passed": 9, "failed": 0, "skipped": 0, "unreached": 0}


def test_one_test_that_fails_on_one_host_is_named(tmp_path):
    verdict = verify(made(tmp_path, good=GOOD, bad=BAD_ON_ONE))
    assert verdict.outcome == "fail"
    assert verdict.reason.startswith("edge2.lhr1: test_it_is_not_the_second[imitated://edge2.lhr1]: AssertionError: it")
    [failure] = verdict.evidence["failures"]
    assert failure["host"] == "edge2.lhr1"
    assert "it is the <second> & last" in failure["message"]
    assert (verdict.evidence["pass"], verdict.evidence["fail"]) == (2, 1)


def test_a_fixture_that_fails_is_a_failure(tmp_path):
    source = """
        import pytest

        @pytest.fixture(scope="module")
        def generation(host):
            assert host.run("false").rc == 0, "no generation is confirmed"

        def test_it(generation):
            pass
    """
    verdict = verify(made(tmp_path, bad=source), HOSTS[:1])
    assert verdict.outcome == "fail"
    assert "no generation is confirmed" in verdict.reason


@pytest.mark.parametrize("gone", [("gone.lhr1",), ("edge1.lhr1", "gone.lhr1")])
def test_a_host_that_is_not_reached_is_unknown_and_not_bad(tmp_path, gone):
    verdict = verify(made(tmp_path, good=GOOD), gone, workers=1)
    assert verdict.outcome == "inconclusive"
    assert "gone.lhr1: was not reached" in verdict.reason
    assert verdict.evidence["tests"]["unreached"] == 3
    assert verdict.evidence["pass"] == len(gone) - 1


def test_the_machine_itself_over_local(tmp_path):
    verdict = verify(made(tmp_path, good=GOOD), HOSTS[:1], "local://")
    assert (verdict.outcome, verdict.evidence["tests"]["passed"]) == ("pass", 3)


def test_only_the_parts_that_were_asked_for(tmp_path):
    suite = made(tmp_path, good=GOOD, bad=BAD_ON_ONE)
    assert verify(suite, HOSTS[1:2], parts=["good"]).outcome == "pass"
    assert verify(suite, HOSTS[1:2], parts=["bad"]).outcome == "fail"
    assert verify(suite, HOSTS[1:2], parts=[]).outcome == "fail"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"skipped": SKIPPED}, "1 tests, all skipped"),
        ({"empty": "x = 1"}, "status 5: no tests ran"),
        ({"broken": "import there_is_no_such_module"}, "No module named 'there_is_no_such_module'"),
        ({"hostless": "def test_nothing(): pass"}, "no test ran"),
        ({"gone": "def test_it(host):\n    import os; os._exit(0)"}, "No such file or directory"),
    ],
)
def test_no_test_that_passed_is_no_success(tmp_path, parts, said):
    verdict = verify(made(tmp_path, **parts), HOSTS[:2], workers=1)
    assert verdict.outcome == "inconclusive"
    assert said in verdict.reason


def test_a_suite_that_hangs_is_killed_in_time_with_all_that_it_started(tmp_path):
    source = f"""
        def test_it_hangs(host):
            host.run("echo $$ >> {tmp_path}/pids; sleep 1000; true")
    """
    began = time.monotonic()
    verdict = verify(made(tmp_path, hangs=source), HOSTS[:2], time=4)
    assert time.monotonic() - began < 8
    assert verdict.outcome == "inconclusive"
    assert "was killed" in verdict.reason
    pids = (tmp_path / "pids").read_text().split()
    assert pids
    until(lambda: not any(alive(int(pid)) for pid in pids), seconds=5)


def test_what_failed_in_time_counts_though_others_hang(tmp_path):
    source = """
        def test_it(host):
            assert host.run("echo $HOST").stdout != "edge1.lhr1\\n"
            host.run("sleep 1000")
    """
    verdict = verify(made(tmp_path, it=source), HOSTS[:2], time=6)
    assert (verdict.outcome, verdict.evidence["inconclusive"]) == ("fail", 1)


def test_shards_that_do_not_get_a_turn_are_unknown(tmp_path):
    hosts = tuple(f"edge{number}" for number in range(2 * MOST_HOSTS))
    verdict = verify(made(tmp_path, slow="import time; time.sleep(1000)"), hosts, workers=1, time=1)
    assert (verdict.outcome, verdict.evidence["inconclusive"]) == ("inconclusive", len(hosts))


@pytest.mark.parametrize("setting", [{"parts": ["nothing"]}, {"parts": ["good", "nothing"]}])
def test_parts_that_are_not_there(tmp_path, setting):
    assert verify(made(tmp_path, good=GOOD), **setting).outcome == "inconclusive"


def test_a_suite_that_is_not_there(tmp_path):
    verdict = verify(tmp_path / "none")
    assert verdict.outcome == "inconclusive"
    assert "set tidegate: {verify: FOLDER}" in verdict.reason


def test_a_python_without_pytest_is_told(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho '/opt/python: No module named pytest' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    verdict = verify(made(tmp_path, good=GOOD), HOSTS[:1])
    assert verdict.outcome == "inconclusive"
    assert "No module named pytest" in verdict.reason


def test_over_salt_the_suite_beside_the_library_is_what_runs():
    suite = Suite((Path("tests/verify"),), "salt://{host}", "/etc/other/master")
    assert "--hosts=salt://edge1.lhr1,salt://edge2.lhr1" in suite.command(HOSTS[:2], Path("report.xml"))
    assert suite.environment()["SALT_MASTER_CONFIG"] == "/etc/other/master"


@given(st.lists(st.text(max_size=3), unique=True, max_size=200), st.integers(1, 16))
def test_every_host_is_in_one_shard_and_none_is_large(hosts, workers):
    made_of = shards(tuple(hosts), workers)
    assert sorted(host for share in made_of for host in share) == sorted(hosts)
    sizes = [len(share) for share in made_of]
    assert not sizes or (max(sizes) <= MOST_HOSTS and max(sizes) - min(sizes) <= 1)
    assert len(made_of) >= min(workers, len(hosts))


def alive(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
