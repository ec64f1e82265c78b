"""Health of the filter: attached where and how it was planned, running the planned rules, counting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidegate.bpf.loader import pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.host.check import Check
from tidegate.host.device import index as device_index
from tidegate.host.errors import Refused, TidegateError
from tidegate.xdp import attachment, counters
from tidegate.xdp.attachment import Attachment
from tidegate.xdp.desired import OBJECT, Desired, read
from tidegate.xdp.section import FilteredInterface


def baseline() -> dict[str, Any]:
    """Packets and bytes so far, by what became of them; empty if nothing runs or it cannot be read."""
    try:
        with pinned_maps(attachment.maps_directory()) as maps:
            found = counters.totals(maps) if maps else {}
    except TidegateError:
        return {}
    return {"totals": {name: tally._asdict() for name, tally in found.items()}}


def checks(generation: Path, before: dict[str, Any]) -> list[Check]:
    """Every planned interface, the rules in force, and the counters."""
    try:
        desired = read(generation)
        program = attachment.program_id(generation / OBJECT) if desired["interfaces"] else None
        attached = attachment.attachments()
    except Refused as error:
        return [Check("xdp.generation", "bad", str(error))]
    except TidegateError as error:
        return [Check("xdp.generation", "unknown", str(error))]
    if not desired["interfaces"]:
        return [_nothing_of_ours(attached)]
    interfaces = [_interface(one, attached.get(one["device"]), program) for one in desired["interfaces"]]
    return [*interfaces, *_in_kernel(desired, before)]


def _nothing_of_ours(attached: dict[str, Attachment]) -> Check:
    if attached:
        return Check("xdp.absent", "bad", f"nothing is to be filtered, but {', '.join(sorted(attached))} still is")
    return Check("xdp.absent", "ok", "nothing is to be filtered and nothing is")


def _interface(interface: FilteredInterface, attached: Attachment | None, program: int | None) -> Check:
    device, mode = interface["device"], interface["mode"]
    name = f"xdp.{device}.attached"
    if attached is None:
        return Check(name, "bad", f"no program of ours is attached to {device}")
    if attached.ifindex == 0 or attached.ifindex != device_index(device):
        return Check(name, "bad", f"{device} was made anew since the program was attached to it")
    if attached.program != program:
        return Check(
            name, "bad", f"program {attached.program} is attached, the generation's is {program or 'not loaded'}"
        )
    if attached.mode != mode:
        return Check(name, "bad", f"attached in {attached.mode or 'no'} mode, planned is {mode}")
    return Check(name, "ok", f"program {program} in {mode} mode", program)


def _in_kernel(desired: Desired, before: dict[str, Any]) -> list[Check]:
    try:
        with pinned_maps(attachment.maps_directory()) as maps:
            if not maps:
                return [Check("xdp.rules", "bad", "the kernel holds no filter rules of ours")]
            slots = Slots(maps)
            return [_rules(slots, desired), _dropped(counters.totals(maps), before)]
    except TidegateError as error:
        return [Check("xdp.rules", "unknown", str(error))]


def _rules(slots: Slots, desired: Desired) -> Check:
    number, pending = slots.now()
    marker = slots.marker(number)
    if marker != desired["marker"]:
        return Check("xdp.rules", "bad", f"the kernel runs {marker or 'no rules'}, planned is {desired['marker']}")
    if pending is not None:
        return Check("xdp.rules", "ok", f"{marker}, unconfirmed: it ends by itself in {pending:.0f} s", pending)
    return Check("xdp.rules", "ok", f"{marker}, {len(desired['rules'])} rules")


def _dropped(totals: dict[str, counters.Tally], before: dict[str, Any]) -> Check:
    """How much was dropped since ``before``: a figure for whoever judges; by itself it is neither good nor bad."""
    earlier = before.get("totals", {}).get("dropped", {}).get("packets", 0)
    dropped = totals["dropped"].packets - earlier
    return Check(
        "xdp.counters", "ok", f"{dropped} packets dropped {'since the change' if before else 'so far'}", dropped
    )
