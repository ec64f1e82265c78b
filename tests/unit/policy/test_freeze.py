"""Whether a freeze holds, until when, and what clock changes do to it."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tidegate.policy.freeze import DAYS, Freeze, frozen

HOLIDAYS = {
    "name": "holidays",
    "from": "2026-12-24T16:00+01:00",
    "until": "2026-12-27T08:00+01:00",
    "why": "few people",
}
NIGHTS = {
    "name": "nights",
    "days": ["fri", "sat"],
    "from": "18:00",
    "until": "08:00",
    "zone": "Europe/London",
    "why": "z",
}


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def until(freezes, moment):
    found = frozen([Freeze.model_validate(one).settings() for one in freezes], utc(moment))
    return found and f"{found.name} {found.until:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-12-24T14:59:59", None),
        ("2026-12-24T15:00", "holidays 2026-12-27T07:00"),
        ("2026-12-27T06:59:59", "holidays 2026-12-27T07:00"),
        ("2026-12-27T07:00", None),
    ],
)
def test_once(moment, expected):
    assert until([HOLIDAYS], moment) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-01-02T17:59", None),  # a Friday
        ("2026-01-02T18:00", "nights 2026-01-03T08:00"),
        ("2026-01-03T07:59", "nights 2026-01-03T08:00"),
        ("2026-01-03T08:00", None),
        ("2026-01-04T07:00", "nights 2026-01-04T08:00"),
        ("2026-01-04T20:00", None),
        ("2026-07-03T17:00", "nights 2026-07-04T07:00"),  # summer time: 18:00 there
        ("2026-03-28T19:00", "nights 2026-03-29T07:00"),  # clocks go forward in the night: an hour less
        ("2026-10-24T18:00", "nights 2026-10-25T08:00"),  # and back
    ],
)
def test_every_week(moment, expected):
    assert until([NIGHTS], moment) == expected


def test_where_a_time_of_day_comes_twice_or_never_the_freeze_is_the_longer():
    early = {**NIGHTS, "days": "sun", "from": "01:30", "until": "05:00"}
    # 2026-10-25 01:30 comes twice, at 00:30 and 01:30 UTC; 2026-03-29 01:30 never, between 00:30 and 01:30 UTC.
    assert until([early], "2026-10-25T00:30") == "nights 2026-10-25T05:00"
    assert until([early], "2026-03-29T00:30") == "nights 2026-03-29T04:00"
    late = {**NIGHTS, "days": "sat", "from": "22:00", "until": "01:30"}
    assert until([late], "2026-10-25T01:29") == "nights 2026-10-25T01:30"


def test_windows_that_follow_each_other_are_one():
    weekend = {**NIGHTS, "days": ["sat", "sun"], "from": "00:00", "until": "00:00", "zone": "UTC", "name": "weekend"}
    assert until([weekend], "2026-01-03T12:00") == "weekend 2026-01-05T00:00"
    assert until([weekend, NIGHTS], "2026-01-02T20:00") == "nights 2026-01-05T00:00"


def test_a_freeze_of_every_day_ends_somewhere():
    always = {**NIGHTS, "days": [*DAYS], "from": "00:00", "until": "00:00", "zone": "UTC"}
    assert until([always], "2026-01-03T12:00") > "nights 2028"


def test_it_is_said_in_words():
    found = frozen([Freeze.model_validate(HOLIDAYS).settings()], utc("2026-12-25T00:00"))
    assert str(found) == "freeze 'holidays' until 2026-12-27 07:00 UTC: few people"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"from": "2026-12-24T16:00"}, "in 'from' a date and time with its offset"),
        ({"until": "tomorrow"}, "in 'until' a date and time"),
        ({"until": "2026-12-24T15:00Z"}, "'until' after 'from'"),
        ({"days": "fri"}, "days and zone, or neither"),
        ({"zone": "UTC"}, "days and zone, or neither"),
        ({"days": "fri", "zone": "UTC"}, "in 'from' a time of day"),
        ({"days": "friday", "zone": "UTC", "from": "18:00", "until": "20:00"}, "'mon', 'tue'"),
        ({"days": "fri", "zone": "Europe/Londno", "from": "18:00", "until": "20:00"}, "a time zone such as"),
        ({"days": "fri", "zone": "../etc/passwd", "from": "18:00", "until": "20:00"}, "a time zone such as"),
        ({"days": "fri", "zone": "UTC", "from": "18:00", "until": "24:30"}, "in 'until' a time of day"),
        ({"days": [], "zone": "UTC", "from": "18:00", "until": "20:00"}, "at least one"),
    ],
)
def test_a_mistake_is_named(change, words):
    with pytest.raises(ValidationError) as error:
        Freeze.model_validate({**HOLIDAYS, **change})
    assert words in str(error.value)


times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
weekly = st.fixed_dictionaries(
    {
        "name": st.just("weekly"),
        "days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
        "from": times,
        "until": times,
        "zone": st.sampled_from(["UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        "why": st.just("a law"),
    }
)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)).map(lambda one: one.replace(tzinfo=timezone.utc))


@given(st.lists(weekly, min_size=1, max_size=3), moments)
def test_a_freeze_holds_until_its_end_and_not_at_it(freezes, moment):
    found = frozen(freezes, moment)
    if found is None:
        return
    assert found.until > moment
    if found.until < moment + timedelta(days=300):
        assert frozen(freezes, found.until) is None
        last = frozen(freezes, found.until - timedelta(microseconds=1))
        assert last is not None
        assert last.until == found.until
