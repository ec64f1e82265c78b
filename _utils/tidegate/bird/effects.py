"""What a new configuration does to the sessions that run: told before it is applied, from the two texts.

BIRD compares a protocol's new options with the old ones. Those of the session itself cannot change while it is up;
filters and limits belong to its channels and change in place ("Reconfiguration" in BIRD's user guide).
``tests/kernel/bird/test_restarts.py`` holds this against every supported BIRD.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = re.compile(r"^(protocol bgp|function) (\w+)(?:\([^\n]*)?\n\{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
_HEAD = re.compile(r"^(?:router id|define OWN_AS =) .*;$", re.MULTILINE)
# Options of a channel, of BFD beside the session, and words for people.
_IN_PLACE = re.compile(
    r"^\s*(import where|import none|export where|export none|import limit|receive limit|export limit)\b"
)
_BFD = re.compile(r"^  bfd \{\n.*?^  \};\n", re.MULTILINE | re.DOTALL)
_DESCRIPTION = re.compile(r"^\s*description ")
_CALL = re.compile(r"(\w+)\(")
_DEFINES = re.compile(r"^define (?!TIDEGATE_MARKER|OWN_AS).*;$", re.MULTILINE)


@dataclass(frozen=True)
class Effects:
    """Sessions by their names in BIRD, sorted. What is in none of the lists stays as it is.

    Attributes:
        added: They are new.
        removed: They end.
        restarted: They are closed and opened anew; their routes are gone meanwhile.
        filtered: They stay up, and their routes are filtered again.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    filtered: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One line for each kind that there is, for a diff."""
        kinds = (
            ("+ sessions added", self.added),
            ("- sessions ended", self.removed),
            ("! sessions restarted (their routes are gone meanwhile)", self.restarted),
            ("~ sessions filtered again (they stay up)", self.filtered),
        )
        found = [f"{words}: {', '.join(names)}" for words, names in kinds if names]
        return [*found, f"  sessions left alone: {len(self.untouched)}"] if found else []


def effects(running: str, planned: str) -> Effects:
    """What becomes of each session when one of Tidegate's configurations takes the place of another."""
    before, after = _sessions(running), _sessions(planned)
    both = sorted(before.keys() & after.keys())
    everything = _HEAD.findall(running) != _HEAD.findall(planned)
    restarted = [name for name in both if everything or before[name][0] != after[name][0]]
    filtered = [name for name in both if name not in restarted and before[name][1] != after[name][1]]
    changed = {*restarted, *filtered}
    return Effects(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        restarted=tuple(restarted),
        filtered=tuple(filtered),
        untouched=tuple(name for name in both if name not in changed),
    )


def _sessions(text: str) -> dict[str, tuple[str, str]]:
    """Session → its own options, and all that decides about its routes: with every function that is called for them."""
    blocks = _BLOCK.findall(text)
    functions = {name: body for kind, name, body in blocks if kind == "function"}
    defines = "\n".join(_DEFINES.findall(text))
    # Each function with those that it calls: worked out once, for thousands of sessions call the same.
    whole: dict[str, str] = {}
    found = {}
    for kind, name, body in blocks:
        if kind != "function":
            lines = _BFD.sub("", body).splitlines()
            own = [line for line in lines if not _IN_PLACE.match(line) and not _DESCRIPTION.match(line)]
            rules = "\n".join(line for line in lines if _IN_PLACE.match(line))
            decided = "".join(_spelt(call, functions, whole) for call in _CALL.findall(rules))
            found[name] = ("\n".join(own), rules + decided + (defines if decided else ""))
    return found


def _spelt(name: str, functions: dict[str, str], whole: dict[str, str]) -> str:
    """A function with all that it calls; BIRD knows no recursion."""
    if name not in whole:
        body = functions.get(name, "")
        whole[name] = (
            name + body + "".join(_spelt(call, functions, whole) for call in _CALL.findall(body) if call != name)
        )
    return whole[name]
