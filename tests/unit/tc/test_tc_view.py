"""What `tidegate show HOST --part tc` draws."""

import io

from rich.console import Console

from tests.unit.tc.section import matcher, section, shaped, traffic_class
from tidegate.cli.tc_view import trees

ONE = {**traffic_class("one", 0x20, 1, 30_000_000, 100_000_000, matcher(destination=["192.0.2.1/32"])), "queue": 1}
INSIDE = {**traffic_class("one/in", 0x21, 1, 10_000_000, 20_000_000), "parent": 0x20}
REST = {**traffic_class("rest", 0x12, 1, 10_000_000, 100_000_000, default=True), "queue": 2}


def drawn(interface):
    screen = io.StringIO()
    Console(file=screen, width=120).print(trees(section(interface)))
    return [line.rstrip() for line in screen.getvalue().splitlines() if line.strip()]


def without_queue(each):
    return {key: value for key, value in each.items() if key != "queue"}


def test_one_tree():
    assert drawn(shaped(*map(without_queue, (ONE, INSIDE, REST)))) == [
        "Shaping",
        "uplink (eth0)  100mbit",
        "├── one   priority 1  30mbit to 100mbit  1de:20",
        "│   ├── to 192.0.2.1/32",
        "│   └── in    priority 1  10mbit to 20mbit  1de:21",
        "└── rest  priority 1  10mbit to 100mbit  1de:12",
        "    └── everything else",
    ]


def test_queues_are_branches_and_no_class_has_more_than_its_queue():
    assert drawn({**shaped(ONE, INSIDE, REST), "queues": 2}) == [
        "Shaping",
        "uplink (eth0)  100mbit",
        "├── queue 1  75mbit",
        "│   └── one   priority 1  30mbit to 75mbit  1de:20",
        "│       ├── to 192.0.2.1/32",
        "│       └── in    priority 1  10mbit to 20mbit  1de:21",
        "└── queue 2  25mbit",
        "    └── rest  priority 1  10mbit to 25mbit  1df:12",
        "        └── everything else",
    ]
