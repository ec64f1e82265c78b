"""What a host's return means; whatever is not plainly success is not success."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rollout.outcomes import read

PLAN, OTHER = "a" * 64, "b" * 64


def state(name, result=True, comment="done", changes=None, number=0):
    return {f"traffic_|-{name}_|-{name}_|-{name}": {"result": result, "comment": comment, "changes": changes or {},
                                                    "__run_num__": number}}  # fmt: skip


NAMED = f"generation 2 (plan {PLAN[:12]}) changes bird; it is undone in 240 s unless it is confirmed"
STAGED = state("staged", comment=NAMED, changes={"generation": {"old": "1", "new": "2"}})
SAME = state("staged", comment=f"generation 2 (plan {PLAN[:12]}) is what this host runs")
STALE = state("staged", comment=f"generation 1 (plan {OTHER[:12]}) is what this host runs")


@pytest.mark.parametrize(
    ("act", "returned", "outcome"),
    [
        ("apply", {**STAGED, **state("confirmed")}, "applied"),
        ("back", {**STAGED, **state("confirmed")}, "changed"),
        ("apply", SAME, "ok"),
        ("back", SAME, "ok"),
        ("apply", STALE, "expired"),
        ("back", STALE, "ok"),
        ("apply", state("staged"), "expired"),
        ("apply", {**STAGED, **state("applied", False, "tc: no such device", number=3)}, "failed"),
        ("apply", {**STAGED, **state("applied", False, "not healthy. The change was undone: …")}, "reverted"),
        ("apply", {**state("staged", None)}, "failed"),
        ("apply", state("applied"), "failed"),
        ("apply", {}, "failed"),
        ("apply", None, "failed"),
        ("apply", True, "failed"),
        ("apply", ["Rendering SLS 'base:traffic' failed"], "failed"),
        ("apply", "Minion did not return. [No response]", "failed"),
    ],
)
def test_what_a_highstate_returns(act, returned, outcome):
    assert read(act, returned, PLAN)[0] == outcome


def confirmed(outcome, plan=PLAN, confirmed=PLAN):
    return {"outcome": outcome, "reason": "so it is", "report": {"plan": plan, "confirmed": confirmed}}


@pytest.mark.parametrize(
    ("returned", "outcome"),
    [
        (confirmed("confirmed"), "changed"),
        (confirmed("nothing"), "changed"),
        (confirmed("confirmed", OTHER, OTHER), "failed"),
        (confirmed("confirmed", PLAN, OTHER), "failed"),
        (confirmed("nothing", OTHER, OTHER), "failed"),
        (confirmed("expired", OTHER, OTHER), "expired"),
        (confirmed("failed", OTHER, OTHER), "reverted"),
        (confirmed("failed"), "failed"),
        (confirmed("wonderful"), "failed"),
        ("ERROR: traffic.confirm is not available", "failed"),
        (None, "failed"),
    ],
)
def test_what_a_confirmation_returns(returned, outcome):
    assert read("confirm", returned, PLAN)[0] == outcome


def test_a_host_that_lies_about_its_digest_is_told_so():
    assert read("confirm", confirmed("confirmed", OTHER, OTHER), PLAN)[1] == (
        "it says that it runs plan bbbbbbbbbbbb, and was to run aaaaaaaaaaaa"
    )


def test_a_master_that_cannot_read_its_store_gives_another_plan_and_that_is_no_success():
    assert read("apply", STALE, PLAN)[1] == (
        "the master gave it plan bbbbbbbbbbbb, and was to give aaaaaaaaaaaa: could it not read its store?"
    )


def test_the_first_state_that_failed_is_the_reason():
    returned = {**state("bird", False, "because of that", number=9), **state("xdp", False, "this", number=2)}
    assert read("apply", returned, PLAN) == ("failed", "this")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["outcome", "report", "plan", "confirmed", "result", "changes", "comment", "x_|-staged"]), inner
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(["apply", "confirm", "back"]), anything)
def test_nothing_that_a_host_returns_breaks_the_engine_or_passes_for_success(act, returned):
    outcome, _ = read(act, returned, PLAN)
    assert outcome in ("failed", "reverted", "expired") or "staged" in str(returned)
