"""Rates in bit/s."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy.rates import bits


@pytest.mark.parametrize(
    ("text", "whole", "rate"),
    [
        ("10gbit", 0, 10_000_000_000),
        ("2.5mbit", 0, 2_500_000),
        ("8000bit", 0, 8_000),
        ("60%", 20_000_000, 12_000_000),
        ("0.1%", 1_000_000, 1_000),
        ("33.3%", 1_000, 333),
        ("100%", 12_345, 12_345),
    ],
)
def test_what_a_rate_means(text, whole, rate):
    assert bits(text, whole) == rate


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=8).filter(lambda s: sum(s) <= 100), st.integers(8_000, 10**13)
)
def test_shares_that_add_up_on_paper_add_up_in_bits(shares, whole):
    assert sum(bits(f"{share}%", whole) for share in shares) <= whole
