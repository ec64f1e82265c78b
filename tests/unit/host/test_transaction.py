"""A generation is all or nothing, whatever dies and whenever."""

from __future__ import annotations

import pytest
from machine import NOTHING, Machine, PlugPulled, make

from tidegate.host import generation, record, transaction
from tidegate.host.errors import Failed, Refused


@pytest.fixture
def machine(monkeypatch, tmp_path):
    (tmp_path / "bird.conf").write_text("# as the distribution shipped it\n")
    return Machine(monkeypatch, tmp_path)


def at_home():
    return None


def cut_off():
    raise Failed("the master did not answer")


def change_to(target, reach=at_home):
    transaction.arm(target, 60)
    transaction.withdraw()
    for name in ("xdp", "tc", "bird"):
        transaction.apply(name)
    return transaction.confirm(reach, wait=0, settle=0)


def is_whole(machine, allowed):
    """All three subsystems run one generation, it is the confirmed one, and it is one of those allowed."""
    confirmed = generation.linked("confirmed")
    expected = NOTHING if confirmed.is_initial else confirmed.id
    return set(machine.runs.values()) == {expected} and confirmed.id in allowed


def test_a_healthy_change_with_a_way_home_is_permanent(machine):
    first = make(1)
    assert change_to(first) == first
    assert is_whole(machine, {first.id})
    assert not machine.timer
    assert record.read() is None


def test_a_change_without_a_way_home_is_undone_and_remembered(machine):
    first, second = make(1), make(2)
    change_to(first)
    with pytest.raises(Failed, match="no way home: the master did not answer"):
        change_to(second, cut_off)
    assert is_whole(machine, {first.id})
    assert not machine.timer
    assert second.id in record.reverted()


def test_a_way_home_that_is_lost_a_moment_later_does_not_count(machine):
    """Found in the lab: an import policy that cuts the host off does so when the neighbor has sent its routes again."""
    first, second = make(1), make(2)
    change_to(first)
    answers = iter([True, True, False])

    def soon_cut_off():
        if not next(answers, False):
            cut_off()

    transaction.arm(second, 60)
    for name in ("xdp", "tc", "bird"):
        transaction.apply(name)
    with pytest.raises(Failed, match="no way home"):
        transaction.confirm(soon_cut_off, wait=0.1, settle=5)
    assert is_whole(machine, {first.id})


def test_a_sick_change_is_undone_with_the_reason(machine):
    first, second = make(1), make(2)
    change_to(first)
    machine.sick.add("tc")
    with pytest.raises(Failed, match="tc is bad: as the test says"):
        change_to(second)
    assert is_whole(machine, {first.id})


@pytest.mark.parametrize("name", ["xdp", "tc", "bird"])
def test_a_subsystem_that_refuses_undoes_the_others(machine, name):
    first, second = make(1), make(2)
    change_to(first)
    machine.refuses.add(name)
    with pytest.raises(Failed, match=f"{name} refuses"):
        change_to(second)
    assert is_whole(machine, {first.id})
    assert record.reverted()[second.id]["reason"] == f"{name} could not be applied: {name} refuses"


def test_an_undone_generation_is_not_tried_again_until_somebody_says_so(machine):
    first, second = make(1), make(2)
    change_to(first)
    with pytest.raises(Failed):
        change_to(second, cut_off)
    with pytest.raises(Refused, match=f"traffic.retry {second.id}"):
        change_to(second)
    assert record.forget_reverted(second.id[:8]) == [second.id]
    assert change_to(second) == second


def test_an_upgraded_library_does_not_try_it_again_either(machine):
    first, second = make(1), make(2)
    change_to(first)
    with pytest.raises(Failed):
        change_to(second, cut_off)
    with pytest.raises(Refused, match="It is not tried again"):
        change_to(make(2, runtime="r2"))
    record.forget_reverted(second.id)
    assert change_to(make(2, runtime="r2"))


def test_a_second_change_does_not_overtake_the_first(machine):
    first, second = make(1), make(2)
    transaction.arm(first, 60)
    with pytest.raises(Refused, match="under way and not confirmed"):
        transaction.arm(second, 60)


def test_a_step_that_comes_after_the_dead_man_does_nothing(machine):
    first, second = make(1), make(2)
    change_to(first)
    transaction.arm(second, 60)
    transaction.apply("xdp")
    machine.lose_agent()
    assert transaction.apply("tc") == []
    assert transaction.confirm(at_home, wait=0, settle=0) is None
    assert is_whole(machine, {first.id})


def test_a_first_change_that_is_undone_leaves_nothing_of_ours(machine):
    with pytest.raises(Failed):
        change_to(make(1), cut_off)
    assert set(machine.runs.values()) == {NOTHING}
    assert generation.linked("confirmed").is_initial


def test_reapplying_the_confirmed_generation_after_drift_can_fail_without_being_forbidden(machine):
    first = make(1)
    change_to(first)
    machine.runs["tc"] = NOTHING
    with pytest.raises(Failed):
        change_to(first, cut_off)
    assert record.reverted() == {}


def steps_of_a_change(machine):
    target = make(2)
    machine.steps_left = 10_000
    change_to(target)
    return 10_000 - machine.steps_left


@pytest.mark.parametrize("has_predecessor", [True, False], ids=["second change", "first change"])
@pytest.mark.parametrize("fault", ["lose_power", "lose_agent"])
def test_whatever_dies_at_whichever_step_the_host_runs_one_generation_whole(
    monkeypatch, tmp_path, fault, has_predecessor
):
    """The plug is pulled before every single effect of a change, one run each."""
    (tmp_path / "count").mkdir()
    counting = Machine(monkeypatch, tmp_path / "count")
    if has_predecessor:
        change_to(make(1))
    total = steps_of_a_change(counting)
    assert total >= 15, "a step of the change is not being counted"
    for step in range(total):
        home = tmp_path / str(step)
        home.mkdir()
        with monkeypatch.context() as patch:
            machine = Machine(patch, home)
            make(1)
            if has_predecessor:
                change_to(make(1))
            allowed = {make(2).id, make(1).id if has_predecessor else generation.INITIAL}
            machine.steps_left = step
            with pytest.raises(PlugPulled):
                change_to(make(2))
            assert getattr(machine, fault)() == []
            assert is_whole(machine, allowed), f"{fault} at step {step}: {machine.runs}"
            assert machine.bird_file in {*allowed, NOTHING}


@pytest.mark.parametrize("second_fault", range(12))
def test_power_lost_again_during_the_restore(machine, second_fault):
    first, second = make(1), make(2)
    change_to(first)
    transaction.arm(second, 60)
    transaction.apply("xdp")
    machine.steps_left = second_fault
    with pytest.raises(PlugPulled):
        transaction.revert("asked for")
        raise PlugPulled
    assert machine.lose_power() == []
    assert is_whole(machine, {first.id})
