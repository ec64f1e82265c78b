"""Reading tc: the same tree, captured from iproute2 6.1 and 6.15 on one kernel, must read the same."""

from pathlib import Path

import pytest

from tidegate.tc import show

SAMPLES = Path(__file__).parent / "samples"
OLD = "class-iproute2-6.1.txt"
CLASS_SAMPLES = [OLD, "class-iproute2-6.15.json", "class-iproute2-6.15.txt"]


def read(name):
    return show.classes((SAMPLES / name).read_text())


@pytest.mark.parametrize("sample", CLASS_SAMPLES)
def test_every_version_shows_our_classes_and_no_others(sample):
    live = read(sample)

    assert sorted(live) == [0x1, 0x11, 0x9C2, 0xFFFE]
    assert {minor: each.parent for minor, each in live.items()} == {0x1: 0, 0x11: 1, 0x9C2: 1, 0xFFFE: 1}
    assert {minor: each.priority for minor, each in live.items()} == {0x1: None, 0x11: 0, 0x9C2: 1, 0xFFFE: 3}
    assert {minor: each.quantum for minor, each in live.items()} == {0x1: None, 0x11: 1543, 0x9C2: 75000, 0xFFFE: 1514}


@pytest.mark.parametrize("sample", CLASS_SAMPLES)
def test_what_was_asked_for_is_within_what_is_shown(sample):
    live = read(sample)

    for minor, rate, ceiling, burst, cburst in [
        (0x1, 100_000_000, 100_000_000, 12_500, 12_500),
        (0x11, 1_234_560, 100_000_000, 1_600, 12_500),
        (0x9C2, 60_000_000, 100_000_000, 7_500, 12_500),
        (0xFFFE, 8_000, 10_000_000_000, 1_600, 1_250_000),
    ]:
        assert rate in live[minor].rate
        assert ceiling in live[minor].ceiling
        assert burst in live[minor].burst
        assert cburst in live[minor].cburst


@pytest.mark.parametrize("sample", CLASS_SAMPLES)
def test_counters(sample):
    assert read(sample)[0x9C2].counters == show.Counters(
        bytes=1070, packets=5, drops=0, overlimits=0, backlog=0, queued=0
    )


def test_json_tells_rates_apart_that_text_rounds_to_the_same():
    assert 1_234_000 in read(OLD)[0x11].rate
    assert 1_234_000 not in read("class-iproute2-6.15.json")[0x11].rate


@pytest.mark.parametrize("output", ["", "[]", "[]\n", "\n"])
def test_no_classes(output):
    assert show.classes(output) == {}


@pytest.mark.parametrize("output", ["Usage: tc …", '[{"class":"htb"', "class htb 1de:11 root rate fast ceil 1Kbit"])
def test_anything_else_is_an_error_and_never_an_empty_tree(output):
    with pytest.raises((ValueError, KeyError)):
        show.classes(output)


@pytest.mark.parametrize("sample", ["qdisc-iproute2-6.1.txt", "qdisc-iproute2-6.15.txt"])
def test_qdiscs(sample):
    found = {each.device: each for each in show.qdiscs((SAMPLES / sample).read_text()) if each.root}

    assert found["v0"] == show.Qdisc("htb", "1de:", "v0", root=True)
    assert found["v0"].ours and not found["v0"].foreign
    assert found["lo"].foreign
    assert not found["v1"].foreign, "noqueue 0: is the kernel's own"
