"""What one matcher leaves of another, held against packets: never said to be nothing if there is one."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.bpf.covers import covers
from tidegate.xdp.verdict import Packet, matches

PREFIXES = ["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.0.0.1/32", "0.0.0.0/0", "::/0", "2001:db8::/32"]
PORTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)).map(sorted), min_size=1, max_size=2)
FLAGS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7)).map(lambda p: [p[0] & p[1], p[1]]), min_size=1, max_size=2
)


def maybe(values):
    return st.none() | values


matchers = st.fixed_dictionaries(
    {
        "source": maybe(st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3)),
        "destination": maybe(st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3)),
        "protocol": maybe(st.sampled_from([6, 17])),
        "source_port": maybe(PORTS),
        "destination_port": st.none(),
        "dscp": maybe(st.lists(st.integers(0, 2), min_size=1)),
    },
    optional={
        "tcp_flags": FLAGS,
        "fragment": st.lists(st.sampled_from(["whole", "first", "later"]), min_size=1),
        "length": PORTS,
    },
)


def packet(pick):
    pair = pick.choice([("10.0.0.1", "10.200.0.1"), ("10.0.0.2", "11.0.0.1"), ("2001:db8::1", "2001:db9::1")])
    source, destination = pick.sample(pair, 2)
    later = pick.random() < 0.3
    return Packet(
        "lo",
        source,
        destination,
        pick.choice([6, 17]),
        pick.randrange(5),
        9,
        pick.randrange(4),
        later,
        not later and pick.random() < 0.3,
        pick.randrange(8),
        None,
        pick.randrange(5),
    )


@settings(max_examples=400, deadline=None)
@given(outer=matchers, inner=matchers, seed=st.integers(0, 2**32 - 1))
def test_what_is_covered_leaves_no_packet(outer, inner, seed):
    if not covers(outer, inner):
        return
    pick = random.Random(seed)
    for one in (packet(pick) for _ in range(100)):
        assert matches(outer, one) or not matches(inner, one), one


@given(matcher=matchers)
def test_every_matcher_covers_itself(matcher):
    assert covers(matcher, matcher)


def test_two_halves_of_one_matcher_cover_the_whole():
    whole = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))
    halves = {**whole, "source": ["10.0.0.0/9", "10.128.0.0/9"], "source_port": [[0, 99], [100, 200]]}
    assert covers(halves, {**whole, "source": ["10.0.0.0/8"], "source_port": [[50, 150]]})
    assert not covers(halves, {**whole, "source": ["10.0.0.0/7"], "source_port": [[50, 150]]})
    assert not covers(halves, {**whole, "source": ["10.0.0.0/8"]})
