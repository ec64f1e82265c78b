"""What a rollout does next if nobody does anything, in one sentence."""

from __future__ import annotations

from tidegate.rollout.standing import Standing
from tidegate.rollout.view import View, WaveView
from tidegate.rollout.words import hosts, seconds

HAVE_IT = ("ok", "changed")


def next_step(view: View) -> str:
    """What happens next if nobody does anything, in one sentence."""
    if view.ended:
        return "Nothing: it has ended."
    if view.engine is None:
        return "Nothing: no engine holds the lease. Start salt-master with the tidegate engine on a master."
    if view.standing is Standing.PEOPLE:
        return (
            f"Nothing, until somebody approves {view.approval}."
            if view.approval
            else "Nothing, until somebody decides."
        )
    return _next_by_itself(view)


def _next_by_itself(view: View) -> str:
    match view.status:
        case "checking":
            return f"The look at {hosts(view.total)} ends; if it finds nothing, {_named(view.waves[0])} begins."
        case "reversing":
            last = f"; then {', '.join(view.going_back[1:])}" if len(view.going_back) > 1 else ""
            return f"The hosts of {', '.join(view.going_back[:1]) or 'the last wave'} go back{last}."
        case "aborting":
            return "What is applied and not confirmed is undone; then it ends."
        case "running":
            return f"It goes on by itself after {view.waiting}." if view.waiting else _next_of_wave(view)
    return f"What is under way ends: {_under_way(view)}."


def _next_of_wave(view: View) -> str:
    wave = view.current
    if wave is None:
        return "It completes."
    if wave.status == "judging":
        return _next_of_gates(view, wave)
    if wave.status == "waiting":
        return f"W{_named(wave)[1:]} begins."
    left = wave.hosts - sum(wave.counts.get(phase, 0) for phase in HAVE_IT)
    verb = "gets the release and is" if left == 1 else "get the release and are"
    return f"{hosts(left)} of {wave.name} {verb} confirmed; then its gates judge it."


def _next_of_gates(view: View, wave: WaveView) -> str:
    after = _after(view, wave)
    if not wave.round:
        return f"The gates of {wave.name} judge it for the first time."
    unsure = [gate for gate in wave.gates if gate.outcome == "inconclusive"]
    if unsure and all(gate.then == "wait" for gate in unsure):
        return f"Gate {unsure[0].name} of {wave.name} goes on watching until it knows, for as long as the policy says."
    if unsure:
        return f"The gates of {wave.name} try again; it stops if they go on not to decide."
    if wave.soak_left:
        return f"If its gates go on to pass for {seconds(wave.soak_left)}, {after}."
    return f"{after[0].upper()}{after[1:]}."


def _after(view: View, wave: WaveView) -> str:
    if wave.approval == "":
        return f"{wave.name} waits for somebody's approval"
    names = [each.name for each in view.waves]
    following = names[names.index(wave.name) + 1 :]
    return f"wave {following[0]} begins" if following else "it completes"


def _under_way(view: View) -> str:
    acts = {"apply": "applying", "confirm": "being confirmed", "back": "going back"}
    told = [f"{hosts(len(job.hosts))} {acts[job.act]}" for job in view.jobs]
    return ", ".join(told) or "hosts that are moving"


def _named(wave: WaveView) -> str:
    return f"wave {wave.name} ({hosts(wave.hosts)})"
