"""The kernel and tc as a model: takes batch lines, answers like ``tc class show``, rounding included."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

from tidegate.tc.queues import above, at, lower
from tidegate.tc.tree import MAJOR, HtbClass, class_id


class Refusal(Exception):
    """What tc ends a batch with."""


@dataclass
class Kernel:
    """The HTB classes of one device."""

    classes: dict[int, HtbClass] = field(default_factory=dict)

    def run(self, line: str) -> None:
        """One line of ``tc -batch``."""
        words = line.split()
        value = dict(pairwise(words))
        minor = _number(value["classid"])
        if words[1] == "del":
            if minor not in self.classes or self._inner(minor):
                raise Refusal(line)
            del self.classes[minor]
            return
        if (words[1] == "add") == (minor in self.classes):
            raise Refusal(line)
        wanted = HtbClass(
            name="",
            minor=minor,
            parent=_number(value["parent"]),
            priority=int(value["prio"]),
            rate=int(value["rate"].removesuffix("bit")),
            ceiling=int(value["ceil"].removesuffix("bit")),
            burst=int(value["burst"].removesuffix("b")),
            cburst=int(value["cburst"].removesuffix("b")),
            quantum=int(value["quantum"]),
        )
        if words[1] == "add" and lower(wanted.parent) and wanted.parent not in self.classes:
            wanted = replace(wanted, parent=at(above(minor) + 1, 0))
        if words[1] == "change":
            before = self.classes[minor]
            wanted = replace(wanted, parent=before.parent)
            if self._inner(minor):
                wanted = replace(wanted, priority=before.priority, quantum=before.quantum)
        self.classes[minor] = wanted

    def text(self) -> str:
        """``tc -d class show`` of iproute2 6.1."""
        return "".join(map(self._line, self.classes.values()))

    def _inner(self, minor: int) -> bool:
        return any(each.parent == minor for each in self.classes.values())

    def _line(self, each: HtbClass) -> str:
        inner = self._inner(each.minor)
        leaf = "" if inner else f" prio {each.priority} quantum {each.quantum}"
        place = f"parent {class_id(each.parent)}" if lower(each.parent) else "root"
        return (
            f"class htb {each.id} {place}{leaf} rate {_rate(each.rate)} ceil {_rate(each.ceiling)} linklayer ethernet"
            f" burst {_size(_through_time(each.burst, each.rate))}/1 mpu 0b"
            f" cburst {_size(_through_time(each.cburst, each.ceiling))}/1 mpu 0b level {7 if inner else 0} \n"
        )


def _number(handle: str) -> int:
    major, _, minor = handle.partition(":")
    return at(int(major, 16) - MAJOR + 1, int(minor or "0", 16))


def _rate(rate: int) -> str:
    """``print_rate`` of iproute2: below a million only whole thousands are shortened, above it always."""
    rate, units = rate // 8 * 8, iter(["bit", "Kbit", "Mbit", "Gbit", "Tbit"])
    unit = next(units)
    while rate >= 1000 and (rate % 1000 == 0 or rate >= 1000 * 1000):
        rate, unit = rate // 1000, next(units)
    return f"{rate}{unit}"


def _size(size: int) -> str:
    """``print_size`` of iproute2."""
    if size >= 2**20 and abs(2**20 * round(size / 2**20) - size) < 1024:
        return f"{round(size / 2**20)}Mb"
    if size >= 2**10 and abs(2**10 * round(size / 2**10) - size) < 16:
        return f"{round(size / 2**10)}Kb"
    return f"{size}b"


def _through_time(size: int, rate: int) -> int:
    """Bytes to whole microseconds, to ticks of 64 ns, and back."""
    ticks = int(int(1_000_000 * size / (rate / 8)) * 15.625)
    return int(int(ticks / 15.625) * (rate / 8) / 1_000_000)
