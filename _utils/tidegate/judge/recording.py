"""All that a judgement rests on, small enough to keep: judged again, it gives the same."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tidegate.judge.blocks import Blocks, blocks
from tidegate.judge.comparison import Comparison, matched_sets
from tidegate.judge.metric import Array, Definition, Metric

FORMAT = 1


@dataclass(frozen=True)
class Recorded:
    """One metric of a recording: what it is, its blocks, and why there are none if the provider gave none."""

    definition: Definition
    blocks: Blocks
    failure: str | None = None


@dataclass(frozen=True)
class Recording:
    """The data of one judgement.

    Attributes:
        comparison: Who was compared with whom.
        now: When, in seconds since the epoch.
        metrics: In the policy's order.
    """

    comparison: Comparison
    now: float
    metrics: tuple[Recorded, ...]

    def as_dict(self) -> dict[str, Any]:
        """The recording as plain data; arrays as base64 of compressed single precision."""
        return {
            "format": FORMAT,
            "comparison": self.comparison.as_dict(),
            "now": self.now,
            "hosts": list(self.metrics[0].blocks.hosts) if self.metrics else [],
            "metrics": [
                {
                    "definition": asdict(each.definition),
                    "failure": each.failure,
                    "blocks": {name: _pack(getattr(each.blocks, name)) for name in _ARRAYS},
                }
                for each in self.metrics
            ],
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Recording:
        """A recording from plain data.

        Raises:
            ValueError: It is none, or of a format that this version does not know.
        """
        if document.get("format") != FORMAT:
            raise ValueError(f"it is no recording of a judgement in format {FORMAT}")
        hosts = tuple(document["hosts"])
        return cls(
            Comparison.of(document["comparison"]),
            document["now"],
            tuple(
                Recorded(
                    Definition(**each["definition"]),
                    Blocks(hosts, **{name: _unpack(each["blocks"][name]) for name in _ARRAYS}),
                    each["failure"],
                )
                for each in document["metrics"]
            ),
        )


_ARRAYS = ("before", "after", "broken", "resets", "age")


def record(metrics: Sequence[Metric], comparison: Comparison, now: float) -> Recording:
    """What is needed of these metrics to judge them at ``now``."""
    hosts = [host for each in matched_sets(comparison) for host in (*each.canaries, *each.baselines)]
    return Recording(
        comparison,
        now,
        tuple(Recorded(each.definition, blocks(each, comparison, hosts, now), each.failure) for each in metrics),
    )


def _pack(values: Array) -> dict[str, Any]:
    packed = zlib.compress(np.ascontiguousarray(values, dtype="<f4").tobytes(), 6)
    return {"shape": list(values.shape), "data": base64.b64encode(packed).decode("ascii")}


def _unpack(packed: Mapping[str, Any]) -> Array:
    raw = zlib.decompress(base64.b64decode(packed["data"]))
    return np.asarray(np.frombuffer(raw, dtype="<f4").reshape(packed["shape"]), dtype=np.float64)
