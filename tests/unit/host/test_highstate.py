"""What the states say to Salt: a rollout's change is left to the rollout, and a host left alone stays as it is."""

from __future__ import annotations

import pytest
from machine import NOTHING, Machine, make

from tidegate.host import boot, generation, record, status, transaction
from tidegate.host.errors import Failed
from tidegate.host.order import Order
from tidegate.minion import highstate, master, sources, stage

MASTERLESS = {"file_client": "local"}
OPERATION = {"who": "ada", "why": "new optics", "until": "2026-12-01T00:00:00+00:00"}
TWELVE = {"owner": 12, "fence": 100}


@pytest.fixture
def machine(monkeypatch, tmp_path):
    (tmp_path / "bird.conf").write_text("# as the distribution shipped it\n")
    return Machine(monkeypatch, tmp_path)


@pytest.fixture
def rendered(monkeypatch):
    """Staging finds this generation, whatever the plan: rendering needs a BIRD."""

    create = generation.create

    def give(number):
        monkeypatch.setattr(generation, "create", create)
        target = make(number)
        monkeypatch.setattr(stage, "render", lambda plan, sources, key: {})
        monkeypatch.setattr(stage.runtime, "install", lambda: "r1")
        monkeypatch.setattr(generation, "create", lambda files, plan, runtime: target)
        return target

    return give


class Plan:
    digest = "plan"


def staged(order=None, operations=None, context=None, test=False):
    given = order or {}
    made = {} if context is None else context
    return highstate.staged("staged", Plan, object, 60, given, operations or {}, test, made)


def confirmed(by="host", order=None, test=False):
    return highstate.confirmed("confirmed", MASTERLESS, 0, 0, by, order or {}, test)


def apply_all():
    for name in ("xdp", "tc", "bird"):
        transaction.apply(name)


class TestOwned:
    def test_a_rollouts_highstate_leaves_the_change_to_its_engine(self, machine, rendered):
        second = rendered(2)
        assert staged(TWELVE)["changes"] == {"generation": {"old": "initial", "new": second.id}}
        apply_all()
        done = confirmed("engine", TWELVE)
        assert done["result"] is True
        assert "waits for rollout 12 to confirm it; undone in" in done["comment"]
        assert done["changes"] == {}
        assert record.read().owner == "12"
        assert machine.timer

    def test_a_plain_highstate_in_between_decides_nothing(self, machine, rendered):
        rendered(2)
        staged(TWELVE)
        apply_all()
        staged()
        apply_all()
        done = confirmed()
        assert done["result"] is True
        assert "waits for rollout 12" in done["comment"]
        assert record.read().owner == "12"

    def test_a_rollback_confirms_by_itself(self, machine, rendered):
        second = rendered(2)
        staged(TWELVE)
        apply_all()
        assert confirmed("host", TWELVE)["changes"] == {"generation": {"old": "initial", "new": second.id}}
        assert generation.linked("confirmed") == second

    def test_a_sick_change_is_undone_before_its_engine_hears_of_it(self, machine, rendered):
        rendered(2)
        staged(TWELVE)
        apply_all()
        machine.sick.add("tc")
        done = confirmed("engine", TWELVE)
        assert done["result"] is False
        assert "undone" in done["comment"]
        assert set(machine.runs.values()) == {NOTHING}

    def test_no_way_home_is_undone_too(self, machine, rendered, monkeypatch):
        def cut_off(opts):
            raise Failed("the master did not answer")

        monkeypatch.setattr(master, "reach", cut_off)
        rendered(2)
        staged(TWELVE)
        apply_all()
        assert "no way home" in confirmed("engine", TWELVE)["comment"]
        assert record.read() is None

    def test_nothing_to_do(self, machine, rendered):
        rendered(2)
        staged()
        apply_all()
        confirmed()
        assert staged(TWELVE)["changes"] == {}
        assert "nothing was under way" in confirmed("engine", TWELVE)["comment"]

    def test_what_made_way_is_told(self, machine, rendered):
        rendered(1)
        staged()
        apply_all()
        confirmed()
        second = rendered(2)
        staged(TWELVE)
        apply_all()
        first = rendered(1)
        done = staged({"owner": "13", "fence": 200})
        assert f"the change to generation {second.id} made way and was undone" in done["comment"]
        assert done["changes"] == {"generation": {"old": second.id, "new": first.id}}
        assert set(machine.runs.values()) == {first.id}
        assert record.read() is None

    @pytest.mark.parametrize("order", [{"owner": "12", "fence": "soon"}, {"again": "perhaps"}])
    def test_a_wrong_argument_changes_nothing(self, machine, rendered, order):
        rendered(2)
        done = staged(order)
        assert done["result"] is False
        assert record.read() is None

    def test_who_confirms_is_host_or_engine(self, machine, rendered):
        rendered(2)
        staged()
        apply_all()
        assert "host or engine" in confirmed("nobody")["comment"]
        assert record.read() is not None


class TestLeftAlone:
    def test_a_highstate_does_nothing(self, machine, rendered, monkeypatch):
        monkeypatch.setattr(boot, "ensure", lambda with_bird: pytest.fail("the boot unit was touched"))
        rendered(2)
        context = {}
        done = staged(operations={"left_alone": OPERATION}, context=context)
        assert done["result"] is True
        assert done["comment"] == "left alone: ada, new optics, until 2026-12-01T00:00:00+00:00"
        apply_all()
        assert highstate.restored_at_boot("boot", False, context)["comment"].startswith("left alone")
        assert confirmed()["result"] is True
        assert set(machine.runs.values()) == {NOTHING}
        assert record.read() is None

    def test_a_rollout_is_told_that_it_did_not_arrive(self, machine, rendered):
        rendered(2)
        done = staged(TWELVE, {"left_alone": OPERATION})
        assert done["result"] is False
        assert done["comment"].startswith("left alone: ada")

    def test_the_report_says_so_until_a_highstate_finds_it_over(self, machine, rendered):
        rendered(2)
        staged(operations={"left_alone": OPERATION})
        assert status.report()["left_alone"] is True
        staged(operations={"left_alone": OPERATION}, test=True)
        staged()
        assert status.report()["left_alone"] is False

    def test_what_salt_serves(self):
        assert sources.operations({}) == {}
        assert sources.operations({"traffic_operations": {"left_alone": OPERATION}}) == {"left_alone": OPERATION}
        assert sources.operations({"traffic_operations": None}) == {}


class TestReport:
    def test_a_host_that_has_nothing(self, machine):
        found = status.report()
        assert found["plan"] is found["confirmed"] is found["pending"] is None
        assert found["health"]["status"] == "unknown"
        assert found["drift"] is None
        assert "no generation has been confirmed" in found["drift_reason"]

    def test_a_host_at_peace(self, machine, rendered):
        first = rendered(1)
        staged()
        apply_all()
        confirmed()
        found = status.report()
        assert found["plan"] == found["confirmed"] == first.plan
        assert found["health"]["status"] == "ok"
        assert (found["drift"], found["drift_id"]) == ({}, None)
        assert found["boot"] == "0"

    def test_a_host_changed_by_hand_has_a_name_for_it(self, machine, rendered):
        rendered(1)
        staged()
        apply_all()
        confirmed()
        machine.runs["tc"] = "by hand"
        found = status.report()
        assert found["drift"] == {"tc": ["~ tc"]}
        assert found["drift_id"]
        assert status.report()["drift_id"] == found["drift_id"]

    def test_a_change_under_way_is_no_drift(self, machine, rendered):
        rendered(1)
        staged()
        apply_all()
        confirmed()
        rendered(2)
        staged(TWELVE)
        apply_all()
        found = status.report()
        assert found["pending"]["owner"] == "12"
        assert found["drift"] is None
        assert "under way" in found["drift_reason"]

    def test_what_cannot_be_read_is_told_and_not_raised(self, machine, rendered, monkeypatch):
        rendered(1)
        staged()
        apply_all()
        confirmed()

        def broken(*_):
            raise OSError("no BPF file system")

        for each in transaction.SUBSYSTEMS:
            monkeypatch.setattr(each.live, "diff", broken)
        found = status.report()
        assert found["drift"] is None
        assert found["drift_reason"] == "no BPF file system"

    def test_a_damaged_generation_is_told(self, machine, rendered):
        first = rendered(1)
        staged()
        apply_all()
        confirmed()
        (first.directory / "manifest.json").unlink()
        found = status.report()
        assert found["plan"] is None
        assert found["health"]["status"] == "unknown"
        assert "manifest.json is damaged" in found["health"]["reason"]

    def test_what_was_undone_is_told_by_plan(self, machine, rendered):
        second = rendered(2)
        staged(TWELVE)
        transaction.revert("gate failed", Order("12", 100))
        assert status.report()["reverted"] == {second.plan: "gate failed"}
