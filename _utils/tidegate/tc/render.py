"""From the plan's section to the file that a generation holds. Pure and deterministic."""

from __future__ import annotations

import json

from tidegate.tc import policer
from tidegate.tc.section import TcSection
from tidegate.tc.tree import digest, document, plant


def render(section: TcSection) -> dict[str, str]:
    """``tc.json``: the desired trees in HTB's terms, and the policers.

    ``marker`` stands for the whole; each interface has a marker of its own for what its classifier holds, which the
    kernel is given as well, so that a changed rate flips no classifier.
    """
    interfaces = sorted(section["interfaces"], key=lambda each: each["device"])
    trees = [document(plant(each)) for each in interfaces if "policed" not in each]
    policers = [policer.document(policer.hire(each)) for each in interfaces if "policed" in each]
    whole = {"marker": digest(trees + policers), "interfaces": trees, **({"policers": policers} if policers else {})}
    return {"tc.json": json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"}
