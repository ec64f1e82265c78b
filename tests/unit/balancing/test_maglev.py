"""Maglev's table and the two hops of its buckets: shares, little that moves, and who is never chosen."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.balancing import hops, maglev

SMALL = 1009
POOLS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=6), st.integers(1, 500), min_size=1, max_size=8)


def names(backends, size=maglev.SIZE):
    return [backends[number][0] for number in maglev.table(backends, size)]


@settings(max_examples=50, deadline=None)
@given(POOLS)
def test_shares_follow_weights(pool):
    found, whole = Counter(names(list(pool.items()), SMALL)), sum(pool.values())
    assert all(abs(found[name] - SMALL * weight / whole) <= len(pool) + 1 for name, weight in pool.items())


@settings(max_examples=50, deadline=None)
@given(POOLS, st.randoms())
def test_the_order_in_which_backends_are_told_means_nothing(pool, random):
    told = list(pool.items())
    random.shuffle(told)
    assert names(told, SMALL) == names(list(pool.items()), SMALL)


def test_one_of_a_hundred_that_goes_comes_or_weighs_more_moves_little_of_the_others():
    pool = [(f"server{number}.lhr1", 100) for number in range(100)]
    changes = [pool[:50] + pool[51:], [*pool, ("new", 100)], [*pool[:50], ("server50.lhr1", 200), *pool[51:]]]
    before = names(pool)
    for after in changes:
        changed = {"server50.lhr1", "new"}
        moved = sum(x != y and not {x, y} & changed for x, y in zip(before, names(after), strict=True))
        assert moved <= 0.015 * maglev.SIZE


def test_no_weight_is_no_bucket():
    assert maglev.table([("a", 0)]) == []
    assert set(maglev.table([("a", 0), ("b", 1)], SMALL)) == {1}


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8), st.data())
def test_hops(count, data):
    owners = maglev.table([(str(number), 100) for number in range(count)], SMALL)
    alive = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    takes = data.draw(st.sets(st.sampled_from(sorted(alive)), min_size=1))
    for owner, word in zip(owners, hops.hops(owners, takes, alive), strict=True):
        first, second = word & 0xFFFF, word >> 16
        assert first in takes
        assert second in alive - {first} or (second == hops.NONE and alive == {first})
        if owner in takes:
            assert first == owner
        elif owner in alive:
            assert second == owner  # a draining server's connections are found


def test_a_drain_moves_nobody_else():
    owners = maglev.table([(str(number), 100) for number in range(8)], SMALL)
    everyone = set(range(8))
    for owner, word in zip(owners, hops.hops(owners, everyone - {3}, everyone), strict=True):
        assert word & 0xFFFF == owner or (owner == 3 and word >> 16 == 3)
