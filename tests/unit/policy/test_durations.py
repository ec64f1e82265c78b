"""Durations in seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tidegate.policy.durations import Duration, seconds

READER: TypeAdapter[str] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0s", 0), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("1d1h1m1s", 90_061), ("90m", 5400)],
)
def test_what_a_duration_means(text, expected):
    assert READER.validate_python(text) == text
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (60, "Give the unit"),
        (1.5, "Give the unit"),
        ("60", "Give the unit"),
        ("5 m", "Did you mean 5m?"),
        ("5M", "Did you mean 5m?"),
        ("5min", "Did you mean 5m?"),
        ("90 seconds", "Did you mean 90s?"),
        ("1 hour 30 minutes", "Did you mean 1h30m?"),
        ("30m1h", "longest first"),
        ("", "Units are"),
        ("-5m", "Units are"),
        ("soon", "Units are"),
    ],
)
def test_a_slip_is_explained(wrong, hint):
    with pytest.raises(ValidationError) as error:
        READER.validate_python(wrong)
    assert hint in error.value.errors()[0]["ctx"]["hint"]


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_parts_add_up(days, hours, minutes, rest):
    assert seconds(f"{days}d{hours}h{minutes}m{rest}s") == ((days * 24 + hours) * 60 + minutes) * 60 + rest
