"""What can go wrong with the store and its releases, by kind."""

from __future__ import annotations

from tidegate.host.errors import TidegateError


class StoreError(TidegateError):
    """The store cannot be used: out of reach, damaged, full, or not ours."""


class Missing(StoreError):
    """There is no store yet."""


class Busy(StoreError):
    """Somebody else has been writing for longer than we wait."""


class TooNew(StoreError):
    """A newer Tidegate has changed the store's schema."""


class NoSuchRelease(TidegateError):
    """No release, or more than one, has an id that begins like this."""


class NoSuchHost(TidegateError):
    """The release has no plan for this host."""


class NotAssigned(TidegateError):
    """The host is in a release, and no rollout has brought it to one yet."""


class Damaged(TidegateError):
    """What is stored is not what was stored once: a digest does not fit its content."""


class Overtaken(TidegateError):
    """What a decision rested on has changed since: the newest release, or the assignments."""
