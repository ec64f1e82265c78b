"""A generation's rules in the kernel's terms, and the trial they stand before they are put in force."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tidegate.bpf import libbpf
from tidegate.bpf.matcher import Entry, Tables, tables
from tidegate.bpf.prefixes import Conditions
from tidegate.host.device import addresses as device_addresses
from tidegate.host.device import index as device_index
from tidegate.xdp import limits
from tidegate.xdp.desired import Desired, Masters
from tidegate.xdp.packet import frame
from tidegate.xdp.section import Rule
from tidegate.xdp.verdict import Flow, management_packets, verdict

XDP_DROP, XDP_PASS = 1, 2
COUNTS, MARKS, LIMITS = 1 << 8, 1 << 9, 1 << 10
"""``enum rule_kind``."""
_VERDICTS = {"allow": XDP_PASS, "drop": XDP_DROP}


def compile_tables(desired: Desired, counters: Mapping[str, int], attached: Iterable[str]) -> Tables:
    """The tables of a generation's rules.

    Args:
        desired: The generation.
        counters: Each rule's counter by name.
        attached: Devices that run the program now. A rule that applies to all of them and to all that will need not
            ask where a packet came in.

    A device that is not on this host matches nothing.
    """
    everywhere = {interface["device"] for interface in desired["interfaces"]} | set(attached)
    index = {device: device_index(device) for device in everywhere}
    compiled = tables(
        [
            Entry(
                matcher=rule,
                value=_value(rule),
                counter=counters[rule["name"]],
                devices=None
                if everywhere <= set(rule["devices"])
                else frozenset(found for device in rule["devices"] if (found := index[device]) is not None),
                decides=rule["action"] in _VERDICTS,
                drops=rule["action"] in ("drop", "limit"),
            )
            for rule in desired["rules"]
        ]
    )
    return replace(compiled, limits=limits.table(desired["rules"]))


def addresses(desired: Desired) -> dict[str, Conditions]:
    """The prefixes of a generation's rules, by side, as ``Tables.addresses`` has them."""
    return {
        "source": [rule["source"] for rule in desired["rules"]],
        "destination": [rule["destination"] for rule in desired["rules"]],
    }


def _value(rule: Rule) -> int:
    """What the program reads as the entry's action."""
    if rule["action"] in _VERDICTS:
        return _VERDICTS[rule["action"]]
    limited = LIMITS if "limit" in rule else 0
    if rule["action"] == "count-only":
        return COUNTS | limited
    return MARKS | rule["mark"] if rule["action"] == "mark" else limited


def trial_flows(desired: Desired, masters: Masters, ssh: Sequence[str]) -> list[Flow]:
    """What must get through for this host to stay reachable, as it would come in on its filtered interfaces."""
    return management_packets(
        desired, device_addresses(), masters=masters.addresses, master_ports=masters.ports, ssh_peers=ssh
    )


def preflight(maps: Mapping[str, int], program: int, slot: int, desired: Desired, flows: Iterable[Flow]) -> list[str]:
    """Run flows through the program on a slot that need not be in force: why it must not be, a sentence each."""
    lost: dict[tuple[str | None, str], list[str]] = {}
    for flow in flows:
        trial = struct.pack("=II", slot, device_index(flow.packet.device) or 0)
        libbpf.map_update(maps["trials"], struct.pack("=I", 0), trial)
        result, _ = libbpf.test_run(program, frame(flow.packet))
        if result != XDP_PASS:
            _, rule = verdict(desired, flow.packet)
            lost.setdefault((rule, flow.packet.device), []).append(flow.name)
    return [
        f"filtering rule {rule!r} would drop {', '.join(dict.fromkeys(names))} on {device}: "
        "narrow it, or put a rule before it that allows this"
        for (rule, device), names in lost.items()
    ]
