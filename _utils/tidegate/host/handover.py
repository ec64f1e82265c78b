"""How a rollout's engine confirms a change, in answers that it can decide on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from tidegate.host import generation, record, status, transaction
from tidegate.host.errors import TidegateError
from tidegate.host.order import Order, whose

Outcome = Literal["confirmed", "nothing", "expired", "failed"]


def confirm(reach: Callable[[], None], wait: float, settle: float, order: Order) -> dict[str, Any]:
    """Confirm the rollout's change, and say what became of it; asked again, it says the same or ``nothing``.

    Returns:
        ``{"outcome": …, "reason": text, "report": status.report()}``. ``confirmed``: it was this rollout's change, and
        it is permanent. ``nothing``: no change is under way, and the confirmed generation is what runs (``report`` says
        which plan that is). ``expired``: the change was undone because nobody confirmed it in time. ``failed``:
        everything else, such as ill health, a change of somebody else's, a lease that was lost, a restart.
    """
    outcome, reason = _confirm(reach, wait, settle, order)
    return {"outcome": outcome, "reason": reason, "report": status.report()}


def _confirm(reach: Callable[[], None], wait: float, settle: float, order: Order) -> tuple[Outcome, str]:
    try:
        target = transaction.confirm(reach, wait, settle, order)
    except TidegateError as error:
        # The dead-man may have come first, in the midst of it.
        ended = _expired(order) if record.read() is None else None
        return ("expired", ended) if ended else ("failed", str(error))
    if target is not None:
        return "confirmed", f"generation {target.id} is healthy, the master was reached, and it is confirmed"
    return _what_became(order)


def _what_became(order: Order) -> tuple[Outcome, str]:
    """No change is under way: was it undone, or was it confirmed before?"""
    confirmed, running = generation.linked("confirmed"), generation.linked("running")
    if confirmed is None or (confirmed.is_initial and running is None):
        return "failed", "no generation has been applied on this host"
    if ended := _expired(order):
        return "expired", ended
    undone = record.last_reverted(order.owner or "")
    if undone is not None and undone[0] != confirmed.id:
        return (
            "failed",
            f"the change to generation {undone[0]} of {whose(order.owner)} was undone: {undone[1]['reason']}",
        )
    if running is None or running.id != confirmed.id:
        runs = running.id if running else "nothing"
        return "failed", f"this host runs {runs} although {confirmed.id} is confirmed, and no change is under way"
    return "nothing", f"nothing was under way; generation {confirmed.id} is confirmed and runs"


def _expired(order: Order) -> str | None:
    confirmed, undone = generation.linked("confirmed"), record.last_reverted(order.owner or "")
    if undone is None or undone[1].get("kind") != "expired" or (confirmed is not None and undone[0] == confirmed.id):
        return None
    return f"the change to generation {undone[0]} was undone: {undone[1]['reason']}"
