"""The difference between two trees, and the law it must obey: carried out, nothing differs any more."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tc.kernel import Kernel
from tests.unit.tc.section import BULK, CONTROL, EDGE, WEB, shaped
from tidegate.tc import change, show
from tidegate.tc.tree import LINK, HtbClass, Tree, plant

RATES = st.integers(min_value=1_000, max_value=50_000_000_000).map(lambda rate: rate * 8)
MINORS = st.integers(min_value=0x10, max_value=0x18)


@st.composite
def trees(draw):
    """Flat or nested: any class may hang below the link or below a class before it."""
    classes = []
    for minor in [LINK, *draw(st.lists(MINORS, unique=True, max_size=6))]:
        rate, extra = draw(RATES), draw(st.just(0) | RATES)
        above = 0 if minor == LINK else draw(st.sampled_from([each.minor for each in classes]))
        size = st.integers(min_value=1_600, max_value=2_000_000)
        priority, quantum = draw(st.integers(0, 7)), draw(st.integers(1514, 10**6))
        classes.append(
            HtbClass(f"c{minor:x}", minor, above, priority, rate, rate + extra, draw(size), draw(size), quantum)
        )
    return Tree("uplink", "eth0", tuple(classes), LINK, (), "")


def grown(tree):
    """A kernel that was given a tree and nothing else."""
    kernel = Kernel()
    for line in change.difference(tree, {}).growing():
        kernel.run(line)
    return kernel


def differs(tree, kernel):
    return change.difference(tree, show.classes(kernel.text()))


@given(trees())
def test_a_tree_just_made_does_not_differ(tree):
    assert differs(tree, grown(tree)).lines() == []


def carry_out(tree, kernel):
    """As ``live.apply`` does: twice, for a class that had children shows and takes its quantum only without them."""
    for _ in range(2):
        step = differs(tree, kernel)
        for line in (*step.growing(), *step.shrinking()):
            kernel.run(line)


@given(trees(), trees())
def test_a_difference_carried_out_leaves_none(old, new):
    kernel = grown(old)

    carry_out(new, kernel)

    assert not differs(new, kernel)
    assert set(kernel.classes) == {each.minor for each in new.classes}


@given(trees(), trees(), st.data())
def test_a_batch_cut_short_anywhere_is_completed_by_the_next(old, new, data):
    kernel = grown(old)
    first = differs(new, kernel)
    lines = [*first.growing(), *first.shrinking()]
    for line in lines[: data.draw(st.integers(0, len(lines)))]:
        kernel.run(line)

    carry_out(new, kernel)

    assert not differs(new, kernel)


@given(trees())
def test_what_is_equal_is_not_written(tree):
    step = differs(tree, grown(tree))

    assert (step.growing(), step.shrinking(), bool(step)) == ([], [], False)


@given(trees(), trees())
def test_the_quick_comparison_says_what_the_words_say(old, new):
    live = show.classes(grown(old).text())

    for each in new.classes:
        if each.minor in live:
            assert change.agrees(live[each.minor], each) == (not change.deviations(live[each.minor], each))


def test_only_the_class_that_differs_is_changed():
    kernel = grown(plant(EDGE))
    wanted = plant(shaped(CONTROL, WEB, {**BULK, "guarantee": 10_000_000}))

    step = differs(wanted, kernel)

    assert step.lines() == ["~ eth0 class bulk guarantee 5mbit → 10mbit, quantum 6250 → 12500"]
    assert step.growing() == [
        "class change dev eth0 parent 1de:1 classid 1de:fffe htb rate 10000000bit ceil 100000000bit prio 3"
        " burst 1600b cburst 12500b quantum 12500"
    ]
    assert step.shrinking() == []


def test_added_and_gone_read_as_people_say_it():
    kernel = grown(plant(shaped(CONTROL, BULK)))

    step = change.difference(plant(shaped(WEB, BULK)), show.classes(kernel.text()), {0x11: "control"})

    assert step.lines() == ["+ eth0 class web 60mbit..100mbit prio 1", "- eth0 class control"]
    assert step.shrinking() == ["class del dev eth0 classid 1de:11"]


def test_a_class_nobody_knows_is_named_by_its_id():
    kernel = grown(plant(EDGE))
    kernel.classes[0x99] = replace(kernel.classes[0x11], minor=0x99)

    assert differs(plant(EDGE), kernel).lines() == ["- eth0 class 1de:99"]


def test_a_reparented_class_is_deleted_and_made_again():
    kernel = grown(plant(EDGE))
    kernel.classes[0x11] = replace(kernel.classes[0x11], parent=0)

    step = differs(plant(EDGE), kernel)

    assert step.lines() == ["~ eth0 class control parent 1de: → 1de:1"]
    assert [line.split()[1] for line in step.growing()] == ["del", "add"]


def test_rates_in_words():
    assert [change.bits(rate) for rate in (800, 8_000, 2_500_000_000, 12_345_678)] == [
        "800bit",
        "8kbit",
        "2.5gbit",
        "12.35mbit",
    ]
