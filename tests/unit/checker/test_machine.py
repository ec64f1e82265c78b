"""Rise, fall, hold, and failing open: laws of the state machine, with time passed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.checker import machine
from tidegate.checker.machine import AT_ONCE, Pulse, Standing
from tidegate.checker.rules import CheckRule, ServiceRule

LOOKS = st.lists(st.booleans(), max_size=60)
TURNS = st.integers(1, 5)


def check(rise=2, fall=2):
    return CheckRule("http", "http", "http://127.0.0.1/", 1.0, 1.0, rise, fall)


def service(on_all_down="withdraw", hold=0.0):
    return ServiceRule((check(),), hold, on_all_down, "keep")


def pulses(looks, rise, fall):
    """The check after each look."""
    found, pulse = [], Pulse()
    for good in looks:
        pulse = pulse.after(good, check(rise, fall))
        found.append(pulse)
    return found


def standings(looks, hold, rise=1, fall=1):
    """The service of one check after each look, one a second."""
    found, standing = [], Standing()
    for second, pulse in enumerate(pulses(looks, rise, fall)):
        standing = standing.after([pulse], hold, float(second))
        found.append(standing)
    return found


class TestCheck:
    @given(LOOKS.filter(bool), TURNS, TURNS)
    def test_the_first_look_decides(self, looks, rise, fall):
        assert pulses(looks, rise, fall)[0].well is looks[0]

    @given(LOOKS, TURNS, TURNS)
    def test_it_turns_exactly_with_the_last_of_so_many_looks_in_a_row(self, looks, rise, fall):
        """Held against the plain words, written another way: over the whole history instead of a counter."""
        well = None
        for number, pulse in enumerate(pulses(looks, rise, fall)):
            if number == 0:
                well = looks[0]
            else:
                needed = fall if well else rise
                last = looks[max(0, number - needed + 1) : number + 1]
                if len(last) == needed and set(last) == {not well}:
                    well = not well
            assert pulse.well is well

    @given(LOOKS, TURNS, TURNS)
    def test_it_never_counts_further_than_it_must(self, looks, rise, fall):
        assert all(0 <= pulse.streak < max(rise, fall) for pulse in pulses(looks, rise, fall))

    @given(st.integers(2, 5), st.integers(1, 40))
    def test_one_bad_look_now_and_then_makes_nothing_sick(self, fall, times):
        assert all(pulse.well for pulse in pulses([True, *([False, True] * times)], 2, fall))


class TestService:
    @given(LOOKS, st.sampled_from([0.0, 1.0, 3.0, 10.0]), TURNS, TURNS)
    def test_it_is_up_only_when_every_check_is_well(self, looks, hold, rise, fall):
        for standing, pulse in zip(standings(looks, hold, rise, fall), pulses(looks, rise, fall), strict=True):
            assert standing.state != "up" or pulse.well
            assert (standing.state == "down") == (pulse.well is False)

    @given(LOOKS, st.integers(1, 6))
    def test_what_was_down_is_up_only_after_being_well_for_the_whole_hold(self, looks, hold):
        been_down = False
        for second, standing in enumerate(standings(looks, float(hold))):
            been_down = been_down or standing.state == "down"
            if standing.state == "up" and been_down:
                last = looks[max(0, second - hold) : second + 1]
                assert all(last)
                assert len(last) == hold + 1

    def test_what_has_never_been_looked_at_is_up_with_the_first_good_look(self):
        assert Standing().after([Pulse(True)], hold=60, now=5.0) == Standing("up", 5.0)

    def test_all_checks_must_be_well(self):
        up = Standing("up", 0.0)
        assert up.after([Pulse(True), Pulse(False)], 0, 1.0).state == "down"
        assert Standing().after([Pulse(True), Pulse()], 0, 1.0).state == "unproven"
        assert Standing("down", 0.0).after([Pulse(True), Pulse()], 0, 1.0).state == "down"

    def test_down_remembers_since_when(self):
        down = Standing("up", 0.0).after([Pulse(False)], 0, 7.0)
        assert down.after([Pulse(False)], 0, 9.0) == down == Standing("down", 7.0)

    @given(LOOKS, st.sampled_from([0.0, 3.0]))
    def test_the_same_again_changes_nothing(self, looks, hold):
        for second, (standing, pulse) in enumerate(zip(standings(looks, hold), pulses(looks, 1, 1), strict=True)):
            assert standing.after([pulse], hold, float(second)) == standing

    @pytest.mark.parametrize("state", ["down", "held"])
    def test_a_restart_of_the_host_makes_nothing_well(self, state):
        assert machine.after_boot(Standing(state, 3.0), 0.0) == Standing("down", 0.0)

    def test_a_restart_of_the_host_asks_for_proof(self):
        once = machine.after_boot(Standing("up", 3.0), 0.0)
        assert once == Standing("unproven", 0.0, was_up=True)
        assert machine.after_boot(once, 1.0).was_up


STANDINGS = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(Standing, st.sampled_from(["unproven", "up", "down", "held"]), st.floats(0, 500)),
    min_size=1,
)
ELSEWHERE = st.one_of(st.none(), st.integers(0, 5))


class TestFailingOpen:
    @given(STANDINGS, ELSEWHERE)
    def test_who_does_not_ask_for_it_is_announced_when_up_and_only_then(self, found, elsewhere):
        for name, standing in found.items():
            assert machine.announced(name, found, service(), elsewhere) == (standing.state == "up")

    @given(STANDINGS, ELSEWHERE)
    def test_it_announces_more_and_never_less(self, found, elsewhere):
        for name in found:
            plain = machine.announced(name, found, service(), elsewhere)
            assert machine.announced(name, found, service("keep"), elsewhere) >= plain

    @given(STANDINGS, st.integers(1, 5))
    def test_a_service_that_is_up_elsewhere_is_never_kept(self, found, elsewhere):
        for name, standing in found.items():
            assert machine.announced(name, found, service("keep"), elsewhere) == (standing.state == "up")

    @given(STANDINGS)
    def test_a_service_that_is_up_nowhere_else_is_kept_but_never_without_a_look(self, found):
        for name, standing in found.items():
            assert machine.announced(name, found, service("keep"), 0) == (standing.state != "unproven")

    def test_without_word_from_the_master_all_must_have_gone_down_at_once(self):
        both = {"a": Standing("down", 100.0), "b": Standing("down", 100.0 + AT_ONCE)}
        assert machine.announced("a", both, service("keep"), None)
        late = {"a": Standing("down", 100.0), "b": Standing("down", 101.0 + AT_ONCE)}
        assert not machine.announced("b", late, service("keep"), None)
        some = {"a": Standing("down", 100.0), "b": Standing("up", 0.0)}
        assert not machine.announced("a", some, service("keep"), None)

    def test_a_single_service_says_nothing_about_the_host(self):
        assert not machine.announced("a", {"a": Standing("down", 1.0)}, service("keep"), None)
