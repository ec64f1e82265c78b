"""Words that scenarios use: what a highstate returned, and edits of a policy."""

from __future__ import annotations

EDGES = ("edge1.lhr1", "edge2.lhr1", "edge1.ams1", "edge1.iad1")


def failed_states(returned):
    """States of one host's highstate that did not succeed. A return that is no set of states fails as a whole."""
    assert isinstance(returned, dict), f"not a highstate's return: {returned}"
    return {key: value for key, value in returned.items() if value["result"] is False}


def changed_states(returned):
    """States that changed something, or would."""
    return {key: value["changes"] for key, value in returned.items() if value["changes"]}


def applied(returned, subsystem):
    """The return of ``xdp.applied``, ``tc.applied`` or ``bird.applied``."""
    return next(value for key, value in returned.items() if key.startswith(f"{subsystem}_|-{subsystem} is as planned"))


def staged(returned):
    """The return of ``traffic.staged``."""
    return next(value for key, value in returned.items() if "plan is staged" in key)


def proven(returned):
    """The return of ``traffic.confirmed``."""
    return next(value for key, value in returned.items() if "the change is proven" in key)


def replace_in(path, old, new):
    """Edit a policy file."""
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new))


def drop_line(path, text):
    """Take the one line with this text out of a policy file."""
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if text not in line]
    assert len(kept) == len(lines) - 1, f"{text!r} is not in one line of {path.name}"
    path.write_text("".join(kept))
