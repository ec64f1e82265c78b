"""What people are told when tc refuses."""

import pytest

from tidegate.host.errors import Failed
from tidegate.tc import command

LINES = ["class add dev v0 …", "class change dev v0 … rate foo", "class del dev v0 …"]


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        ("RTNETLINK answers: File exists\nCommand failed -:1\n", f"tc {LINES[0]}: RTNETLINK answers: File exists"),
        ('Illegal "rate"\nUsage: ...\n more\nCommand failed -:2\n', f'tc {LINES[1]}: Illegal "rate"'),
        ("Warning: sch_htb: quantum is big.\nError: no.\nCommand failed -:3\n", f"tc {LINES[2]}: Error: no."),
        ("", "tc -batch: failed without a word"),
    ],
)
def test_the_line_and_the_reason(stderr, told):
    assert command.explain(stderr, LINES) == told


def test_a_real_tc_says_which_line_failed():
    if not command.available():
        pytest.skip("tc is not installed")
    with pytest.raises(Failed, match=r"^tc qdisc show dev no-such-device: Cannot find device"):
        command.batch(["qdisc show dev lo", "qdisc show dev no-such-device"])
