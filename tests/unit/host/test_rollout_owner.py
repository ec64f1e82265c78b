"""A change that a rollout owns: who may touch it, who confirms it, and what became of it."""

from __future__ import annotations

import pytest
from machine import NOTHING, Machine, PlugPulled, make

from tidegate.host import durable, fence, generation, handover, record, refusal, status, transaction
from tidegate.host.errors import Failed, Refused
from tidegate.host.order import PERSON, Order

TWELVE = Order("12", 100)
THIRTEEN = Order("13", 200)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    (tmp_path / "bird.conf").write_text("# as the distribution shipped it\n")
    return Machine(monkeypatch, tmp_path)


def at_home():
    return None


def cut_off():
    raise Failed("the master did not answer")


def apply_all():
    transaction.withdraw()
    for name in ("xdp", "tc", "bird"):
        transaction.apply(name)


def begin(target, order=TWELVE):
    """What a rollout's apply job does on a host."""
    transaction.make_way(target, order)
    if transaction.take_up(target, order) is None:
        transaction.arm(target, 60, order)
    apply_all()
    return transaction.prove(at_home, 0, order)


def settled(target):
    transaction.arm(target, 60)
    apply_all()
    return transaction.confirm(at_home, wait=0, settle=0)


def asked(order=TWELVE, reach=at_home):
    return handover.confirm(reach, wait=0, settle=0, order=order)


def runs(machine, target):
    return set(machine.runs.values()) == {target.id if target else NOTHING}


class TestConfirm:
    def test_an_applied_change_waits_for_its_rollout(self, machine):
        first, second = make(1), make(2)
        settled(first)
        assert begin(second).owner == "12"
        assert runs(machine, second)
        assert generation.linked("confirmed") == first
        assert machine.timer, "nothing would undo it"

    def test_its_rollout_makes_it_permanent(self, machine):
        second = make(2)
        begin(second)
        answer = asked()
        assert answer["outcome"] == "confirmed"
        assert answer["report"]["plan"] == answer["report"]["confirmed"] == second.plan
        assert answer["report"]["pending"] is None
        assert not machine.timer

    def test_asked_twice_it_says_that_nothing_was_under_way(self, machine):
        begin(make(2))
        asked()
        assert asked()["outcome"] == "nothing"
        assert generation.linked("confirmed") == make(2)

    def test_another_rollout_does_not_confirm_it(self, machine):
        begin(make(2))
        answer = asked(THIRTEEN)
        assert answer["outcome"] == "failed"
        assert "rollout 12's and not rollout 13's" in answer["reason"]
        assert record.read() is not None

    def test_a_person_may(self, machine):
        begin(make(2))
        assert transaction.confirm(at_home, wait=0, settle=0) == make(2)

    def test_nobody_confirms_half_of_it(self, machine):
        settled(make(1))
        transaction.arm(make(2), 60, TWELVE)
        transaction.apply("xdp")
        assert "not applied as a whole: tc, bird missing" in asked()["reason"]
        assert runs(machine, make(1))

    def test_a_rollout_does_not_confirm_what_a_highstate_began(self, machine):
        transaction.arm(make(2), 60)
        assert "is a highstate's and not rollout 12's" in asked()["reason"]

    def test_a_sick_change_is_undone_and_its_rollout_hears_why(self, machine):
        first, second = make(1), make(2)
        settled(first)
        begin(second)
        machine.sick.add("tc")
        answer = asked()
        assert answer["outcome"] == "failed"
        assert "tc is bad" in answer["reason"]
        assert answer["report"]["plan"] == first.plan
        assert second.plan in answer["report"]["reverted"]
        assert runs(machine, first)

    def test_a_lost_answer_is_given_again(self, machine):
        settled(make(1))
        begin(make(2))
        asked(reach=cut_off)
        answer = asked()
        assert answer["outcome"] == "failed"
        assert "no way home" in answer["reason"]

    def test_not_confirmed_in_time_is_expired(self, machine):
        first = make(1)
        settled(first)
        begin(make(2))
        machine.lose_agent()
        answer = asked()
        assert answer["outcome"] == "expired"
        assert "not confirmed within 60 s" in answer["reason"]
        assert answer["report"]["plan"] == first.plan

    def test_the_dead_man_that_comes_in_the_midst_of_it_is_expired_too(self, machine):
        settled(make(1))
        begin(make(2))

        def reach_as_the_dead_man_fires():
            machine.lose_agent()

        assert asked(reach=reach_as_the_dead_man_fires)["outcome"] == "expired"

    def test_a_change_of_another_rollout_that_expired_is_none_of_its_business(self, machine):
        settled(make(1))
        begin(make(2))
        machine.lose_agent()
        assert asked(THIRTEEN)["outcome"] == "nothing"

    def test_what_expired_and_was_done_again_is_confirmed(self, machine):
        begin(make(2))
        machine.lose_agent()
        begin(make(2), Order("12", 100, again=True))
        assert asked()["outcome"] == "confirmed"
        assert asked()["outcome"] == "nothing"

    def test_a_host_without_tidegate_says_so(self, machine):
        answer = handover.confirm(at_home, 0, 0, Order("12"))
        assert answer["outcome"] == "failed"
        assert "no generation has been applied" in answer["reason"]


class TestRestart:
    def test_a_restart_before_the_confirmation_goes_back_and_is_told(self, machine):
        first = make(1)
        settled(first)
        begin(make(2))
        assert machine.lose_power() == []
        assert runs(machine, first)
        answer = asked()
        assert answer["outcome"] == "failed"
        assert "the host restarted before it was confirmed" in answer["reason"]
        assert answer["report"]["confirmed"] == first.plan

    def test_a_restart_after_it_keeps_the_change(self, machine):
        begin(make(2))
        asked()
        assert machine.lose_power() == []
        assert runs(machine, make(2))
        assert asked()["outcome"] == "nothing"

    @pytest.mark.parametrize("fault", ["lose_power", "lose_agent"])
    @pytest.mark.parametrize("act", ["apply", "confirm", "back"])
    def test_whatever_dies_at_whichever_step_the_answer_fits_what_runs(self, monkeypatch, tmp_path, act, fault):
        """The plug is pulled before every effect of each of a rollout's jobs; then its engine asks."""
        for step in range(60):
            home = tmp_path / str(step)
            home.mkdir()
            with monkeypatch.context() as patch:
                machine = Machine(patch, home)
                settled(make(1))
                job = prepared(act)
                machine.steps_left = step
                try:
                    job()
                except PlugPulled:
                    assert getattr(machine, fault)() == []
                else:
                    assert step > 5, "a step of the job is not being counted"
                    return
                answer = asked(Order("12", 300))
                confirmed = generation.linked("confirmed")
                assert runs(machine, confirmed)
                assert answer["report"]["plan"] == confirmed.plan
                if confirmed == make(1):
                    assert answer["outcome"] in ("expired", "failed", "nothing")
                else:
                    assert answer["outcome"] in ("confirmed", "nothing")
        pytest.fail("the job never came to its end")


def prepared(act):
    """What one job does on the host, after the jobs that come before it."""
    if act == "apply":
        return lambda: begin(make(2))
    begin(make(2))
    if act == "confirm":
        return asked

    def back():
        transaction.make_way(make(1), THIRTEEN)
        assert transaction.diff(make(1)) == {}

    return back


class TestWay:
    def test_a_rollout_goes_on_where_it_was_under_the_dead_man_it_has(self, machine):
        begin(make(2))
        before = record.read()
        begin(make(2))
        assert record.read().armed_at == before.armed_at

    def test_a_rollout_takes_up_what_a_highstate_began(self, machine):
        transaction.arm(make(2), 60)
        assert transaction.take_up(make(2), TWELVE).owner == "12"
        apply_all()
        assert asked()["outcome"] == "confirmed"

    def test_a_highstate_goes_on_with_a_rollouts_change_and_leaves_it_the_rollouts(self, machine):
        begin(make(2))
        assert transaction.take_up(make(2), PERSON).owner == "12"
        assert record.read().owner == "12"

    def test_nothing_to_take_up(self, machine):
        assert transaction.take_up(make(2), TWELVE) is None

    def test_a_change_to_something_else_makes_way_for_a_rollout(self, machine):
        first, second, third = make(1), make(2), make(3)
        settled(first)
        begin(second)
        assert transaction.make_way(third, THIRTEEN).generation == second.id
        assert runs(machine, first)
        assert record.reverted()[second.id]["reason"] == "overtaken by rollout 13"
        assert begin(third, THIRTEEN).generation == third.id

    def test_it_makes_way_for_nobody_else(self, machine):
        begin(make(2))
        assert transaction.make_way(make(3), PERSON) is None
        with pytest.raises(Refused, match="under way and not confirmed"):
            transaction.arm(make(3), 60)

    def test_what_was_only_overtaken_is_free_to_come_back(self, machine):
        settled(make(1))
        begin(make(2))
        transaction.make_way(make(1), THIRTEEN)
        assert status.report()["reverted"] == {}
        assert begin(make(2), THIRTEEN)

    def test_what_was_undone_comes_back_only_if_the_rollout_says_again(self, machine):
        begin(make(2))
        machine.lose_agent()
        with pytest.raises(Refused, match="It is not tried again"):
            begin(make(2))
        assert begin(make(2), Order("12", 100, again=True))
        assert record.reverted() == {}

    def test_again_knows_equal_content_of_another_library(self, machine):
        begin(make(2))
        machine.lose_agent()
        assert begin(make(2, runtime="r2"), Order("12", 100, again=True))


class TestRevert:
    def test_a_rollout_undoes_its_own_change(self, machine):
        settled(make(1))
        begin(make(2))
        assert transaction.revert("gate metrics failed", TWELVE) == make(1)
        assert record.reverted()[make(2).id]["kind"] == "asked"

    def test_and_no_other(self, machine):
        begin(make(2))
        with pytest.raises(Refused, match="rollout 12's"):
            transaction.revert("asked for", THIRTEEN)
        assert record.read() is not None

    def test_a_person_undoes_any(self, machine):
        begin(make(2))
        assert transaction.revert("asked for")


class TestFence:
    def test_an_engine_that_lost_its_lease_begins_nothing(self, machine):
        settled(make(1))
        begin(make(2), THIRTEEN)
        asked(THIRTEEN)
        with pytest.raises(Refused, match="lost its lease: its fence is 100, and 200 has been here"):
            begin(make(3), TWELVE)
        assert runs(machine, make(2))

    @pytest.mark.parametrize("act", ["confirm", "revert", "make way"])
    def test_nor_does_it_end_anything(self, machine, act):
        begin(make(2), Order("12", 200))
        stale = Order("12", 100)
        acts = {
            "confirm": lambda: transaction.confirm(at_home, 0, 0, stale),
            "revert": lambda: transaction.revert("late", stale),
            "make way": lambda: transaction.make_way(make(3), stale),
        }
        with pytest.raises(Refused, match="lost its lease"):
            acts[act]()
        assert record.read().generation == make(2).id

    def test_one_that_loses_it_while_it_waits_does_not_confirm(self, machine):
        begin(make(2))

        def another_comes():
            fence.admit(200)

        with pytest.raises(Refused, match="lost its lease"):
            transaction.confirm(another_comes, wait=0, settle=0, order=TWELVE)
        assert record.read() is not None

    def test_people_need_none(self, machine):
        begin(make(2), THIRTEEN)
        assert transaction.confirm(at_home, wait=0, settle=0) == make(2)

    def test_the_same_engine_is_followed_on_and_a_new_one_from_then(self, machine):
        make(1)
        for number in (100, 100, 200):
            fence.admit(number)
        assert fence.highest() == 200

    def test_it_outlives_a_restart(self, machine):
        begin(make(2), THIRTEEN)
        machine.lose_power()
        assert fence.highest() == 200

    def test_a_damaged_file_is_refused_and_can_be_forgotten(self, machine):
        make(1)
        (generation.paths().state / "fence").write_text("17700")
        assert fence.highest() == 17700
        (generation.paths().state / "fence").write_text("?")
        with pytest.raises(Refused, match=r"traffic\.forget_fence"):
            fence.admit(1)
        fence.forget()
        fence.admit(1)
        assert fence.highest() == 1


class TestOrder:
    def test_numbers_and_texts_mean_the_same(self):
        assert Order.of(12, "1770000000") == Order.of("12", 1770000000) == Order("12", 1770000000)

    def test_nothing_is_a_person(self):
        assert Order.of() == Order.of("", "") == PERSON

    @pytest.mark.parametrize("given", [{"fence": "soon"}, {"fence": True}, {"fence": 1.5}, {"again": "no"}])
    def test_what_is_neither_is_refused(self, given):
        with pytest.raises(Refused):
            Order.of("12", **given)


class TestRecord:
    def test_an_older_library_reads_what_a_newer_one_wrote(self, machine):
        """The dead-man runs the confirmed generation's library: what a record has in it must not stop it."""
        begin(make(2))
        path = generation.paths().state / "transaction.json"
        durable.write_json(path, {**durable.read_json(path), "of the future": 1})
        assert record.read().generation == make(2).id

    def test_a_newer_library_reads_what_an_older_one_wrote(self, machine):
        begin(make(2))
        path = generation.paths().state / "transaction.json"
        document = durable.read_json(path)
        del document["owner"]
        durable.write_json(path, document)
        assert record.read().owner is None

    def test_entries_without_a_kind_forbid_as_before(self, machine):
        second = make(2)
        entry = {"plan": second.plan, "content": second.content, "reason": "sick", "at": 1}
        durable.write_json(generation.paths().state / "reverted.json", {second.id: entry})
        with pytest.raises(Refused, match="sick"):
            refusal.of_a_second_change(second)
        assert record.last_reverted("12") is None
