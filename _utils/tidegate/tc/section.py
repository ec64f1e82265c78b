"""The plan's ``tc`` section: one HTB tree per interface. Rates are bit/s.

Keys of the ``total=False`` parts are left out where the policy does not use them.
"""

from __future__ import annotations

from typing import TypedDict

from tidegate.bpf.section import Matcher

FIRST_MINOR, LAST_MINOR = 0x10, 0xFFFE
"""Class ids of policy classes; those below belong to the tree itself, 0xffff to the kernel."""
MOST_CLASSES = LAST_MINOR - FIRST_MINOR
"""One id is our qdisc's own handle, and a leaf's qdisc is called like its class."""
DEEPEST = 7
"""Levels of classes below the one that stands for the link: HTB has 8 (``TC_HTB_MAXDEPTH``)."""


class ClassMatcher(Matcher, total=False):
    """A matcher with what only the way out knows; ``cgroup`` is a path, ``from_devices`` are interfaces of the host."""

    vlan: list[int]
    fwmark: list[int]
    cgroup: str
    from_devices: list[str]


class Leaf(TypedDict, total=False):
    """A class's queueing discipline: ``kind``, and its options as ``tc`` spells their values."""

    kind: str
    limit: int
    flows: int
    flow_limit: int
    target: str
    interval: str
    ecn: bool
    rtt: str
    diffserv: str
    isolation: str
    ack_filter: bool


class _TrafficClass(TypedDict):
    name: str
    minor: int
    priority: int
    guarantee: int
    ceiling: int
    default: bool
    match: list[ClassMatcher]


class TrafficClass(_TrafficClass, total=False):
    """One HTB class; ``minor`` is the class id's lower half and belongs to the name, not to the position.

    ``parent`` is the minor of the class it stands in. With ``inner`` it holds no packets itself: what it matches, by
    address alone, belongs to the classes inside, and what none of them takes to ``fallback``, a minor. ``queue``: where
    the interface has queues, the one (from 1) in which a class that stands in no other stands with all inside it.
    """

    parent: int
    queue: int
    inner: bool
    fallback: int
    burst_us: int
    set_dscp: int
    leaf: Leaf


class _ShapedInterface(TypedDict):
    name: str
    device: str
    rate: int
    classes: list[TrafficClass]


class ShapedInterface(_ShapedInterface, total=False):
    """One interface's tree, parents before children; exactly one class is the default.

    ``adopt``: a root qdisc of somebody else may be replaced. ``ingress``: it is for what comes in at that device, and
    ``device`` is the ifb on which it stands; its name ends in `` in``, for an interface may have a tree each way.
    ``policed``: its classes stand in no tree, but are held to their rates where they come in; ``device`` is that of
    ``ingress``. ``queues``: its root is ``mq``, with a tree below each of so many queues.
    """

    adopt: bool
    ingress: str
    policed: bool
    queues: int


class TcSection(TypedDict):
    """Every interface shaped on one host; an empty list means that nothing here is ours."""

    interfaces: list[ShapedInterface]
