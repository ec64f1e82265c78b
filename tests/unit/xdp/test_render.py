"""``xdp.json``: the same section, the same bytes; what cannot run is refused by name."""

from __future__ import annotations

import json

import pytest

from tidegate.host.errors import Refused
from tidegate.xdp.render import render

ANY = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))


def section(*rules, devices=("eth0",), neighbors=()):
    return {
        "interfaces": [{"name": "uplink", "device": device, "mode": "native"} for device in devices],
        "rules": [{"name": "r", "action": "drop", "devices": list(devices), **ANY, **rule} for rule in rules],
        "management": {"neighbors": list(neighbors)},
    }


def marker(made) -> str:
    return json.loads(render(made)["xdp.json"])["marker"]


def test_it_holds_the_section_and_its_marker():
    text = render(section({"source": ["10.0.0.0/8"]}, neighbors=["192.0.2.1"]))["xdp.json"]
    document = json.loads(text)
    assert len(document.pop("marker")) == 16
    assert document == section({"source": ["10.0.0.0/8"]}, neighbors=["192.0.2.1"])


def test_order_and_repetition_inside_a_condition_mean_nothing():
    one = section({"source": ["10.0.0.0/8", "192.0.2.0/24"], "destination_port": [[80, 80], [22, 22]], "dscp": [9, 8]})
    other = section(
        {
            "source": ["192.0.2.0/24", "10.0.0.0/8", "10.0.0.0/8"],
            "destination_port": [[22, 22], [80, 80]],
            "dscp": [8, 9],
        }
    )
    assert render(one) == render(other)


def test_the_order_of_rules_means_everything():
    a, b = {"name": "a", "protocol": 6}, {"name": "b", "protocol": 17}
    assert marker(section(a, b)) != marker(section(b, a))


def test_any_and_nothing_differ():
    assert marker(section({"source": None})) != marker(section({"source": []}))


def test_the_section_is_not_touched():
    made = section({"source": ["b::/16", "a::/16"]})
    render(made)
    assert made["rules"][0]["source"] == ["b::/16", "a::/16"]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (section(*[{}] * 65), "65 rules on one host, at most 64 fit"),
        (section(devices=[f"eth{number}" for number in range(65)]), "65 filtered interfaces"),
        (section({}, devices=("eth0", "eth0")), "listed twice"),
        (section({"name": "ü" * 32}), "longer than 63 bytes"),
        (section({"devices": ["eth9"]}), "eth9 is not a filtered interface"),
        (section({"source": ["10.0.0.0/33"]}), "'10.0.0.0/33' is not a prefix"),
    ],
)
def test_what_cannot_run_is_refused(made, why):
    with pytest.raises(Refused, match=why):
        render(made)
