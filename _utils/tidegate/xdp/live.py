"""The filter in the kernel: what it has now, what would change, and the change itself.

The order of ``apply`` keeps every intermediate state safe: programs and maps are pinned; the idle slot is filled; the
management allow-list grows; the pre-flight passes on the idle slot; one store puts it in force, with a deadline after
which the kernel goes back by itself; only then is the program attached where it was not. Interfaces and programs that
are no longer ours are let go last, when nothing can go back to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tidegate.balancing import addresses, fitness, pools, volumes
from tidegate.balancing import maps as balancing
from tidegate.balancing.volumes import Volume
from tidegate.bpf import pins
from tidegate.bpf.loader import load, pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.host.device import index as device_index
from tidegate.host.errors import Failed, Refused, TidegateError
from tidegate.host.paths import paths
from tidegate.xdp import attachment, counters, guard, limits, management, policy
from tidegate.xdp import device as devices
from tidegate.xdp.changes import changes
from tidegate.xdp.counters import RuleTally, Tally
from tidegate.xdp.desired import FILE, OBJECT, Desired, balances, masters, read


def problems(generation: Path) -> list[str]:
    """Why this host cannot run the generation: tried on a private instance that is pinned and attached nowhere.

    What runs already is not tried again.
    """
    try:
        desired = read(generation)
        if not desired["interfaces"] or not diff(generation):
            return []
        wired = fitness.problems(desired.get("balancing"), [one["device"] for one in desired["interfaces"]])
        return [*_interface_problems(desired), *wired, *_trial_problems(generation, desired)]
    except TidegateError as error:
        return [str(error)]


def _interface_problems(desired: Desired) -> list[str]:
    found: list[str] = []
    if pins.mount_point(paths().bpffs) is None and not pins.may_mount():
        found.append(f"no BPF file system is mounted on {paths().bpffs.parent}, and this process may not mount one")
    for interface in desired["interfaces"]:
        device, mode = interface["device"], interface["mode"]
        ifindex = device_index(device)
        if ifindex is None:
            found.append(f"interface {device} ({interface['name']}) is not on this host")
        elif other := attachment.foreign(device, ifindex):
            found.append(
                f"{device} already runs an XDP program that is not Tidegate's: {other}; it is left alone: "
                "detach it, or take the interface out of filtering"
            )
        elif reason := devices.refuses(device, ifindex, mode):
            found.append(f"{device} cannot run an XDP program in {mode} mode: {reason}")
    return found


def _trial_problems(generation: Path, desired: Desired) -> list[str]:
    guard.memory(desired)
    with load(generation / OBJECT, None, attachment.needed(balances(desired)).values()) as loaded:
        slots = Slots(loaded.maps)
        reserved = {rule["name"]: 0 for rule in desired["rules"]}
        slot = slots.prepare(
            policy.compile_tables(desired, reserved, ()), desired["marker"], _beside(loaded.maps, desired)
        )
        flows = policy.trial_flows(desired, masters(generation), management.ssh_peers())
        return policy.preflight(loaded.maps, loaded.programs[attachment.PREFLIGHT], slot, desired, flows)


def diff(generation: Path) -> list[str]:
    """What ``apply`` would change, a line each; empty if the host runs exactly this."""
    desired = read(generation)
    attached = attachment.attachments()
    lines: list[str] = []
    for interface in desired["interfaces"]:
        device, mode = interface["device"], interface["mode"]
        current = attached.get(device)
        if current is None or current.ifindex != device_index(device) or current.mode is None:
            lines.append(f"+ attach to {device} ({mode})")
        elif current.mode != mode:
            lines.append(f"~ attach to {device}: {current.mode} → {mode}")
        elif current.program != attachment.program_id(generation / OBJECT):
            lines.append(
                f"~ program on {device}: replaced by the one of {OBJECT} {attachment.digest(generation / OBJECT)}"
            )
    wanted = {interface["device"] for interface in desired["interfaces"]}
    lines += [f"- detach from {device}" for device in sorted(set(attached) - wanted)]
    return lines + _address_diff(desired) + _policy_diff(generation, desired)


def _address_diff(desired: Desired) -> list[str]:
    wanted = addresses.wanted(desired.get("balancing"))
    if not wanted and not attachment.root().is_dir():
        return []
    live = addresses.live()
    return [
        *(f"+ answer for {vip}" for vip in sorted(wanted - live)),
        *(f"- answer for {vip}" for vip in sorted(live - wanted)),
    ]


def _policy_diff(generation: Path, desired: Desired) -> list[str]:
    with pinned_maps(attachment.maps_directory()) as maps:
        if not maps:
            return changes(None, desired)
        slots = Slots(maps)
        number, pending = slots.now()
        marker = slots.marker(number)
    if not desired["interfaces"]:
        return ["- maps and programs"]
    if marker == desired["marker"]:
        return [f"~ rules: for good (they would end by themselves in {pending:.0f} s)"] if pending else []
    if marker is None:
        return changes(None, desired)
    running = _generation_of(marker, generation)
    if running is None:
        return [f"~ rules: the kernel runs {marker}, which no generation here explains", *changes(None, desired)]
    return changes(running, desired)


def _generation_of(marker: str, generation: Path) -> Desired | None:
    """The generation that the kernel's marker names, searched where generations are kept."""
    for path in sorted({*paths().generations.glob(f"*/{FILE}"), generation / FILE}):
        try:
            if marker not in path.read_text():  # a tenth of what it takes to understand a hundred thousand prefixes
                continue
            found = read(path.parent)
        except (OSError, Refused):
            continue
        if found["marker"] == marker:
            return found
    return None


def apply(generation: Path, timeout: int | None) -> None:
    """Put the generation's rules in force and attach the program; see the module for the order.

    The pre-flight belongs to a change that may be refused. Without a timeout this is the way back to what was proven,
    which nothing may refuse: who has logged in since from an address that it drops is spared by the allow-list.

    Raises:
        Refused: The pre-flight lost a management packet; the rules that were in force are.
        Failed: The kernel refused a step.
    """
    desired = read(generation)
    if not desired["interfaces"] and (timeout is None or not attachment.root().is_dir()):
        remove()
        return
    ssh = management.ssh_peers()
    with (
        attachment.programs(generation / OBJECT, balances=balances(desired)) as programs,
        pinned_maps(attachment.maps_directory()) as maps,
    ):
        slots = Slots(maps)
        slot = _prepare(maps, slots, desired, generation)
        management.add(maps, management.peers(desired["management"]["neighbors"], masters(generation), ssh))
        if timeout is not None:
            flows = policy.trial_flows(desired, masters(generation), ssh)
            if refusals := policy.preflight(maps, programs.preflight, slot, desired, flows):
                raise Refused("; ".join(refusals))
        before = guard.reading(maps, desired)
        addresses.add(addresses.wanted(desired.get("balancing")) - addresses.live())
        slots.flip(slot, timeout)
        _attach(desired, programs.filter)
        if timeout is not None:
            guard.watch(maps, slots, desired, before)
    if timeout is None:
        _let_go(generation, desired)


def _attach(desired: Desired, program: int) -> None:
    """Attach wherever it is possible: one interface that refuses must not leave the others unfiltered."""
    failures: list[str] = []
    for interface in desired["interfaces"]:
        try:
            attachment.attach(interface["device"], interface["mode"], program)
        except Failed as error:
            failures.append(str(error))
    if failures:
        raise Failed("; ".join(failures))


def _prepare(maps: Mapping[str, int], slots: Slots, desired: Desired, generation: Path) -> int:
    reserved = counters.reserve(maps, slots, (rule["name"] for rule in desired["rules"]))
    if limits.wants_table(desired["rules"]):
        limits.ensure_table(maps, desired.get("tracked", limits.TRACKED))
    return slots.prepare(
        policy.compile_tables(desired, reserved, attachment.attachments()),
        desired["marker"],
        _beside(maps, desired),
        lambda marker: policy.addresses(former) if (former := _generation_of(marker, generation)) else None,
    )


def _beside(maps: Mapping[str, int], desired: Desired) -> Callable[[int], None]:
    """The part of a slot that is not the filter's."""
    return lambda slot: balancing.fill(maps, slot, desired.get("balancing"), pools.sick())


def confirm(generation: Path) -> None:
    """Take away the deadline, and let go of what only the way back needed.

    Raises:
        Failed: The kernel does not run this generation: its deadline has passed, or it was never applied.
    """
    desired = read(generation)
    if not desired["interfaces"]:
        remove()
        return
    with pinned_maps(attachment.maps_directory()) as maps:
        if not maps or not Slots(maps).confirm(desired["marker"]):
            raise Failed(f"the kernel does not run the filter rules {desired['marker']} (any more): nothing to confirm")
    _let_go(generation, desired)


def _let_go(generation: Path, desired: Desired) -> None:
    addresses.remove(addresses.live() - addresses.wanted(desired.get("balancing")))
    wanted = {interface["device"] for interface in desired["interfaces"]}
    for device in attachment.attachments():
        if device not in wanted:
            attachment.detach(device)
    attachment.prune_programs(generation / OBJECT, balances=balances(desired))
    attachment.prune_maps()
    with pinned_maps(attachment.maps_directory()) as maps:
        neighbors = desired["management"]["neighbors"]
        management.prune(maps, management.peers(neighbors, masters(generation), management.ssh_peers()))


def remove() -> None:
    """Detach from every interface, then let the kernel free programs and maps. Other programs are not looked at."""
    for device in attachment.attachments():
        attachment.detach(device)
    addresses.remove(addresses.live())
    pins.remove(attachment.root())


def rule_counters() -> dict[str, RuleTally]:
    """Packets and bytes that each rule in force has matched, in the rules' order; empty if nothing runs."""
    with pinned_maps(attachment.maps_directory()) as maps:
        return counters.of_rules(maps, Slots(maps)) if maps else {}


def totals() -> dict[str, Tally]:
    """What became of all packets that met a policy: passed, dropped, hidden, exempted; empty if nothing runs."""
    with pinned_maps(attachment.maps_directory()) as maps:
        return counters.totals(maps) if maps else {}


def balanced() -> dict[str, Volume]:
    """Packets and bytes of each balanced service, and of its backends as ``SERVICE/HOST``; empty if nothing runs."""
    with pinned_maps(attachment.maps_directory()) as maps:
        return volumes.of(maps, volumes.names(maps)) if maps else {}


def fates() -> dict[str, Volume]:
    """What became of packets that balancing looked at; empty if nothing runs."""
    with pinned_maps(attachment.maps_directory()) as maps:
        return volumes.fates(maps) if maps else {}


def allow_list() -> list[str]:
    """Who always gets through, in words; empty if nothing runs."""
    with pinned_maps(attachment.maps_directory()) as maps:
        return sorted(str(peer) for peer in management.listed(maps)) if maps else []
