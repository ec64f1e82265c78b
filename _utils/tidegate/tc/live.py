"""The trees on this host: what differs, and making it so while traffic flows.

An interface is brought to its tree in three phases, each safe to repeat, so that whatever dies between or inside them
is completed by the next ``apply``:

1. ``grow``: qdiscs that are not there, classes added and changed. Nobody is sent to a new class yet.
2. ``classify``: the classifier's idle slot is filled and flipped.
3. ``shrink``: classes, and trees of queues, that nobody is sent to any more are deleted.

A packet that names a class which does not exist goes past the tree unshaped (HTB's direct queue), so none is lost on
the way. A leaf is never replaced and a tree never rebuilt: backlogs and counters survive. What waits in the kernel's
own qdisc is dropped by the kernel once, when the first tree takes its place, or trees in queues the place of one.

A root qdisc that somebody else chose is named and left.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path

from tidegate.bpf.loader import load as load_object
from tidegate.host.errors import Failed, Refused, TidegateError
from tidegate.tc import classifier, command, ifb, metrics, policer, policing, program, support, tables, txqueues
from tidegate.tc.program import OBJECT
from tidegate.tc.survey import Survey, ours, read, root, survey
from tidegate.tc.tree import Tree, class_id, load

_ROUNDS = 3
"""A class that loses its last child can be told its quantum only afterwards, and hands may change a tree meanwhile."""
_DRAIN_SECONDS, _DRAIN_POLL = 1.0, 0.02
"""How long a class that nobody is sent to any more may take to send its backlog: to delete it drops what is left."""
_PROBE = [
    "qdisc add dev lo root handle 1de: htb",
    "class add dev lo parent 1de: classid 1de:1 htb rate 8000bit",
    "qdisc add dev lo clsact",
    "filter add dev lo egress bpf bytecode '1,6 0 0 4294967295,' direct-action",
]
"""What the kernel must be able to do: HTB, clsact, and BPF filters (this one says TC_ACT_UNSPEC to everything)."""


def problems(generation: Path) -> list[str]:
    """Why this host cannot have these trees. The kernel is tried in a namespace and with maps that are gone at once."""
    trees, policers = load(generation), policer.load(generation)
    if not trees and not policers:
        return []
    if not command.available():
        return ["tc is not installed: package iproute2"]
    found = [problem for tree in trees if (problem := _obstacle(tree))]
    if trees and (refusal := command.try_in_empty_namespace(_PROBE)):
        found.append(f"the kernel cannot shape: {refusal}")
    if any(tree.inbound for tree in trees) and (refusal := ifb.lacking()):
        found.append(f"the kernel cannot shape what comes in (method: police needs no ifb): {refusal}")
    found += support.lacking(trees) + policing.lacking(policers)
    try:
        for tree in trees:
            _ = classifier.table(tree).prefixes
            tables.extras(tree)
        with load_object(generation / OBJECT):
            pass
    except TidegateError as error:
        found.append(str(error))
    return found


def diff(generation: Path) -> list[str]:
    """A line for every class, classifier and policer that ``apply`` would touch."""
    trees, policers = load(generation), policer.load(generation)
    lines = [line for tree in trees for line in survey(tree, generation / OBJECT).lines()]
    lines += [line for each in policers for line in policing.lines(each, generation / OBJECT)]
    lines += [f"- {device} {_rooted(device)} with all its classes" for device in sorted(_abandoned(trees))]
    return lines + [f"- {device} policer with all its classes" for device in sorted(_unpoliced(policers))]


def apply(generation: Path, timeout: int | None) -> None:
    """Bring every interface to its tree and policer; those of interfaces that shall have none any more are removed.

    A tree has no time-out of its own: the dead-man restores the confirmed generation, and until then traffic is shaped
    otherwise than wanted but not lost. One interface that cannot be brought there does not keep the others waiting.

    Raises:
        Failed: with what tc or the kernel said, or with what still differs after it was written.
    """
    trees, policers = load(generation), policer.load(generation)
    failures: list[str] = []
    steps = [(tree.device, partial(_bring, tree, generation / OBJECT)) for tree in trees]
    steps += [(each.device, partial(policing.bring, each, generation / OBJECT)) for each in policers]
    steps += [(device, partial(uproot, device)) for device in sorted(_abandoned(trees))]
    steps += [(device, partial(policing.uninstall, device)) for device in sorted(_unpoliced(policers))]
    for device, step in steps:
        try:
            step()
        except (TidegateError, OSError) as error:
            failures.append(f"{device}: {error}")
    if failures:
        raise Failed("\n".join(failures))


def confirm(generation: Path) -> None:
    """Nothing to do: ``apply`` is for good."""


def remove() -> None:
    """Take away every tree, classifier and policer of ours."""
    for device in sorted(ours()):
        uproot(device)
    for device in sorted(policing.devices()):
        policing.uninstall(device)


def counters(generation: Path) -> dict[str, dict[str, dict[str, int]]]:
    """What went through each class of each device, by name: bytes, packets, drops, overlimits, backlog, queued.

    What is policed is under the device's name with `` in`` behind it, and has ``dropped_bytes`` instead of what only
    queues have.
    """
    found: dict[str, dict[str, dict[str, int]]] = {}
    for tree in load(generation):
        live = read(tree.device)
        figures = {each.name: live[each.minor].counters for each in tree.leaves if each.minor in live}
        found[tree.device] = {name: figure._asdict() for name, figure in figures.items() if figure}
    for each in policer.load(generation):
        counts = policing.counts(each)
        found[each.device + policing.SUFFIX] = {name: count._asdict() for name, count in counts.items()}
    return found


def bypass(device: str, wanted: bool) -> bool:
    """Let a device's packets pass unshaped, or shape them again; whether they pass unshaped now.

    With `` in`` behind the device's name: its policer.
    """
    inbound = device.endswith(policing.SUFFIX)
    hook = policing.hook(device.removesuffix(policing.SUFFIX)) if inbound else classifier.hook(device)
    program.bypass(hook, wanted)
    return program.bypassed(hook)


def exposition(generation: Path) -> str:
    """The same and the guarantees, in Prometheus' text format."""
    policed = [(each, policing.counts(each)) for each in policer.load(generation)]
    return metrics.text([(tree, read(tree.device)) for tree in load(generation)], policed)


def grow(found: Survey) -> None:
    """Phase 1: the qdisc, and every class of the tree as it should be."""
    device = found.tree.device
    if found.astray:
        ifb.ensure(found.tree)
    if found.steered:
        txqueues.settle(found.tree)
    if found.step.uprooted or found.roots.turned:
        classifier.bypass(device, wanted=True)  # packets pass unshaped while the branch, or all, is made again
    if found.roots.turned:
        _drained(device)
    command.batch([*found.roots.planting(), *found.step.growing()])


def classify(found: Survey, binary: Path) -> None:
    """Phase 2: packets are sent to the classes of the tree."""
    if found.flaw or found.step.uprooted or found.roots.turned:
        classifier.install(found.tree, binary)
    if found.astray:
        ifb.redirect(found.tree)


def shrink(found: Survey) -> None:
    """Phase 3: classes that the tree does not have are deleted, once what waits in them is on its way."""
    going = {each.minor for each in found.step.gone}
    other = {each.minor for _, each in found.step.unlike}
    if going or other:
        _drained(found.tree.device, going | other)
    command.batch([*found.step.shrinking(), *found.roots.clearing()])
    if other and _waiting(found.tree.device, other):
        names = ", ".join(each.name for _, each in found.step.unlike)
        raise Failed(
            f"packets wait in {names}, and another kind of queue would drop them: apply again when they are out"
        )
    command.batch(found.step.replacing())


def uproot(device: str) -> None:
    """Remove a device's tree: the classifier first, so that packets pass unshaped while the classes go.

    An ifb goes with its tree, once nobody is redirected to it and what waits in it is on its way.
    """
    inbound = ifb.origin(device)
    if inbound is not None:
        ifb.release(inbound)
        _drained(device)
    classifier.uninstall(device)
    if (top := root(device)).ours:
        command.batch([f"qdisc del dev {device} root handle {top.handle}"])
    txqueues.restore(device)
    if inbound is not None:
        ifb.remove(device)


def _bring(tree: Tree, binary: Path) -> None:
    """Read, write, and read again; what tc stopped at is read again and completed, or taken back."""
    if obstacle := _obstacle(tree):
        raise Refused(obstacle)
    first: Survey | None = None
    for _ in range(_ROUNDS):
        found = survey(tree, binary)
        if not found.lines():
            return
        try:
            grow(found)
        except Failed as error:
            if first is not None:
                raise Failed(f"{error}; {_taken_back(first)}") from None
            first = found
            continue
        classify(found, binary)
        shrink(found)
    if left := survey(tree, binary).lines():
        raise Failed("this still differs after it was written: " + "; ".join(left))


def _taken_back(found: Survey) -> str:
    """Undo what a batch that tc stopped in did before; say what became of it."""
    now = read(found.tree.device) if root(found.tree.device).ours else {}
    lines = found.step.reverting(now)
    try:
        command.batch(lines)
    except Failed as error:
        return f"what was written before cannot be taken back: {error}"
    if found.roots.turned:
        return "the root that was there before is gone, and packets pass unshaped until it is applied again"
    return f"what was written before is taken back ({len(lines)} classes); the classifier was not touched"


def _drained(device: str, minors: Collection[int] | None = None) -> None:
    """Wait a little until nothing waits in these classes, or in any."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while root(device).ours and _waiting(device, minors) and time.monotonic() < deadline:
        time.sleep(_DRAIN_POLL)


def _waiting(device: str, minors: Collection[int] | None) -> bool:
    now = read(device)
    counters = [each.counters for minor, each in now.items() if minors is None or minor in minors]
    return any(each.queued for each in counters if each)


def _obstacle(tree: Tree) -> str | None:
    device, wire = tree.device, tree.inbound or tree.device
    if wire not in (name for _, name in socket.if_nameindex()):
        return f"interface {wire} is not there"
    if tree.inbound and (other_link := ifb.obstacle(tree)):
        return other_link
    if (other := root(device)).foreign and not tree.adopt:
        return f"{device} has a root qdisc of somebody else ({other.kind} {other.handle}), which is left as it is"
    return txqueues.obstacle(tree)


def _rooted(device: str) -> str:
    """What of ours is the device's root; of a device that has none any more, what it is as a rule."""
    top = root(device)
    return f"{top.kind} {top.handle}" if top.ours else f"htb {class_id(0)}"


def _abandoned(trees: list[Tree]) -> set[str]:
    return ours() - {tree.device for tree in trees}


def _unpoliced(policers: list[policer.Policer]) -> set[str]:
    return policing.devices() - {each.device for each in policers}
