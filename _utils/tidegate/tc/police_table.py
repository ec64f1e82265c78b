"""A policer in the kernel's terms; mirrors ``bpf/police.h``. Pure."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from ctypes import c_uint64

from tidegate.bpf.buckets import Pace, bucket_time, pace, per_second, tick
from tidegate.bpf.matcher import MAX_ENTRIES, Entry, Tables, tables
from tidegate.host.errors import Refused
from tidegate.tc.change import bits
from tidegate.tc.policer import BURST_SECONDS, PRIORITIES, PolicedClass, Policer

_LEAST_BURST = 2 * 1514
"""Bytes: two frames."""


class KernelClass(ctypes.Structure):
    """``struct policed``."""

    _fields_ = (("guarantee", Pace), ("ceiling", Pace), ("spare", c_uint64), ("minor", c_uint64))


class Policing(ctypes.Structure):
    """``struct policing``."""

    _fields_ = (("whole", Pace), ("classes", KernelClass * MAX_ENTRIES))


def lookup(policer: Policer) -> Tables:
    """What the program looks packets up in: an entry's value is its class's place, counted from 1.

    Raises:
        Refused: more entries than the program takes.
    """
    place = {each.minor: number for number, each in enumerate(policer.classes, start=1)}
    return tables([Entry(each.match, place[each.minor]) for each in policer.entries], fallback=place[policer.default])


def policing(policer: Policer) -> Policing:
    """The rates of the classes, in their order.

    Raises:
        Refused: more classes than the program takes.
    """
    if len(policer.classes) > MAX_ENTRIES:
        raise Refused(f"{len(policer.classes)} classes where at most {MAX_ENTRIES} can be policed")
    table = Policing(whole=_pace(policer.rate, BURST_SECONDS))
    for number, each in enumerate(policer.classes):
        table.classes[number] = KernelClass(
            _pace(each.guarantee, each.burst), _pace(each.ceiling, each.burst), _spare(table.whole, each), each.minor
        )
    return table


def differences(policer: Policer, live: Policing | None, known: Mapping[int, str]) -> Iterator[str]:
    """A line for every class that is policed otherwise than wanted.

    Args:
        policer: What is wanted.
        live: What the kernel has in force; ``None`` if it has nothing.
        known: Names of classes by minor, as far as they are known, for those that are not wanted.
    """
    there = {int(each.minor): each for each in live.classes if each.minor} if live else {}
    wanted = policing(policer)
    for each, meant in zip(policer.classes, wanted.classes, strict=False):
        if each.minor not in there:
            yield f"+ {policer.device} police {describe(each)}"
        elif bytes(there[each.minor]) != bytes(meant):
            yield f"~ {policer.device} police {each.name} {', '.join(_words(there[each.minor], each, meant))}"
    for minor in sorted(there.keys() - {each.minor for each in policer.classes}):
        yield f"- {policer.device} police {known.get(minor, f'{minor:x}')}"
    if live and bytes(live.whole) != bytes(wanted.whole):
        yield f"~ {policer.device} police rate {_told(live.whole.cost)} → {bits(policer.rate)}"


def describe(each: PolicedClass) -> str:
    """``web 60mbit..100mbit prio 1``."""
    return f"{each.name} {bits(each.guarantee)}..{bits(each.ceiling)} prio {each.priority}"


def _pace(rate: int, seconds: float) -> Pace:
    """A rate in bit/s, with a burst that is worth so much time at it; two ticks and two frames at least."""
    size = max(rate / 8 * max(seconds, 2 * tick()), _LEAST_BURST)
    return pace(rate / 8, round(size))


def _spare(whole: Pace, each: PolicedClass) -> int:
    """How far the interface's bucket may be used by a class that is beyond its guarantee.

    Priority 0 may use all of it, 7 an eighth: so far ahead of now each keeps it where it wants more than there is, and
    those below find no room. Two ticks apart at least, or a tick's worth would be anybody's.
    """
    step = max(int(whole.burst) // PRIORITIES, bucket_time(2 * tick()))
    return step * (PRIORITIES - each.priority)


def _words(live: KernelClass, each: PolicedClass, meant: KernelClass) -> Iterator[str]:
    for name, rate in (("guarantee", each.guarantee), ("ceiling", each.ceiling)):
        is_, will = getattr(live, name), getattr(meant, name)
        if is_.cost != will.cost:
            yield f"{name} {_told(is_.cost)} → {bits(rate)}"
        elif is_.burst != will.burst:
            yield f"burst of the {name} → {each.burst * 1000:g}ms"
    if live.spare != meant.spare:
        yield f"share of what is spare → priority {each.priority}"


def _told(cost: int) -> str:
    return bits(round(per_second(cost) * 8))
