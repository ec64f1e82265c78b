"""What happens in the network when the fleet goes from one set of plans to another."""

from tidegate.release.delta.changes import (
    Adjustment,
    Announcement,
    Attributes,
    ClassChange,
    Edit,
    RuleChange,
    ServiceChange,
    SessionChange,
)
from tidegate.release.delta.compare import delta
from tidegate.release.delta.outcome import Delta, HostCounts
from tidegate.release.delta.where import Place, Where

__all__ = [
    "Adjustment",
    "Announcement",
    "Attributes",
    "ClassChange",
    "Delta",
    "Edit",
    "HostCounts",
    "Place",
    "RuleChange",
    "ServiceChange",
    "SessionChange",
    "Where",
    "delta",
]
