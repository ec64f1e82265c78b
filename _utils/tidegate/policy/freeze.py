"""``rollout.freeze``: times at which no wave begins, once or every week, and whether one of them holds now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.policy.errors import unlike
from tidegate.policy.strict import Name, Several, Strict, Text, one_or_more

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[str, ...] = get_args(Day)
"""In the order of `date.weekday`."""

ONCE = "a date and time with its offset from UTC, in quotes, such as '2026-12-24T16:00+01:00'"
WEEKLY = "a time of day in quotes, such as '18:00'"

LONGEST_CHAIN = 1000
"""Windows that follow each other without a gap which are followed to the end of the last one."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise unlike("a time zone such as Europe/London, or UTC") from None
    return name


Zone = Annotated[str, AfterValidator(_zone)]


class Freeze(Strict):
    """A time in which no wave begins: once from a date to a date, or every week on some days."""

    name: Name = Field(description="Name of the window, unique.")
    from_: str = Field(
        alias="from",
        description="When it begins: a date and time with offset ('2026-12-24T16:00+01:00'), or with `days` a time "
        "of day ('18:00').",
    )
    until: str = Field(
        description="When it ends, written like `from`. A time of day that is not after `from` is the next day's."
    )
    days: Annotated[tuple[Day, ...], Several, WithJsonSchema(one_or_more({"enum": list(DAYS)}))] | None = Field(
        default=None, description="Every week on these days: mon, tue, wed, thu, fri, sat, sun."
    )
    zone: Zone | None = Field(
        default=None, description="Time zone of times of day, such as Europe/London; needed beside `days`."
    )
    why: Text = Field(description="The reason, for whoever meets it.")

    @model_validator(mode="after")
    def _times(self) -> Self:
        if (self.days is None) != (self.zone is None):
            raise unlike("days and zone, or neither", "Times of day need both; dates carry their offset themselves.")
        read, expected = (_instant, ONCE) if self.days is None else (_time, WEEKLY)
        moments = [read(text) for text in (self.from_, self.until)]
        if None in moments:
            wrong = ("from", "until")[moments.index(None)]
            raise unlike(f"in '{wrong}' {expected}", "" if self.days else "For every week give 'days' and 'zone' too.")
        if self.days is None and moments[0] >= moments[1]:  # type: ignore[operator]
            raise unlike("'until' after 'from'")
        return self

    def settings(self) -> dict[str, Any]:
        """The window as plain data, as `frozen` takes it."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@dataclass(frozen=True)
class Frozen:
    """A freeze that holds.

    Attributes:
        name: Its name.
        why: Its reason.
        until: When waves may begin again, in UTC: windows that overlap or follow without a gap are one.
    """

    name: str
    why: str
    until: datetime

    def __str__(self) -> str:
        """For people: ``freeze 'holidays' until 2026-12-27 08:00 UTC: few people are there``."""
        return f"freeze '{self.name}' until {self.until:%Y-%m-%d %H:%M} UTC: {self.why}"


def frozen(freezes: Sequence[Mapping[str, Any]], moment: datetime) -> Frozen | None:
    """The freeze that holds at a moment; the one that lasts longest if there are several.

    Args:
        freezes: Windows as `Freeze.settings` gives them, and as a brief keeps them.
        moment: Any moment that knows its zone.
    """
    found = _longest(freezes, moment.astimezone(timezone.utc))
    if found is None:
        return None
    name, why, until = found
    for _ in range(LONGEST_CHAIN):
        following = _longest(freezes, until)
        if following is None:
            break
        until = following[2]
    return Frozen(name, why, until)


def _longest(freezes: Sequence[Mapping[str, Any]], moment: datetime) -> tuple[str, str, datetime] | None:
    holding = [
        (str(freeze["name"]), str(freeze["why"]), end)
        for freeze in freezes
        for begin, end in _windows(freeze, moment)
        if begin <= moment < end
    ]
    return max(holding, key=lambda one: one[2], default=None)


def _windows(freeze: Mapping[str, Any], moment: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The windows that could hold at a moment, in UTC; the end is not in it."""
    if not freeze.get("days"):
        begin, end = _instant(freeze["from"]), _instant(freeze["until"])
        assert begin is not None and end is not None
        yield begin, end
        return
    zone, days = ZoneInfo(freeze["zone"]), [DAYS.index(day) for day in freeze["days"]]
    begins, ends = _time(freeze["from"]), _time(freeze["until"])
    assert begins is not None and ends is not None
    today = moment.astimezone(zone).date()
    # A window that began yesterday may last until today, and one of tomorrow may begin in a clock change at midnight.
    for day in (today + timedelta(days=ago) for ago in (-1, 0, 1)):
        if day.weekday() in days:
            last = day if ends > begins else day + timedelta(days=1)
            yield min(_moments(day, begins, zone)), max(_moments(last, ends, zone))


def _moments(day: date, clock: time, zone: ZoneInfo) -> Iterator[datetime]:
    """Both moments that a time of day may mean where clocks change; else the same one twice."""
    for fold in (0, 1):
        yield datetime.combine(day, clock.replace(fold=fold), zone).astimezone(timezone.utc)


def _instant(text: str) -> datetime | None:
    try:
        # Python 3.10 does not read "Z".
        moment = datetime.fromisoformat(text.removesuffix("Z") + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        return None
    return moment.astimezone(timezone.utc) if moment.tzinfo is not None else None


def _time(text: str) -> time | None:
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        return None
    return clock if clock.tzinfo is None and len(text) in (5, 8) else None
