"""Sections and trees for the tests, as short as they can be said."""

from tidegate.bpf.section import Matcher
from tidegate.tc.section import ShapedInterface, TcSection, TrafficClass


def matcher(**conditions) -> Matcher:
    """``matcher(dscp=[48])``: what is not named is any."""
    anything = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))
    return Matcher(**{**anything, **conditions})


def traffic_class(name, minor, priority, guarantee, ceiling, *match, default=False) -> TrafficClass:
    """One class of a section; rates in bit/s."""
    return TrafficClass(
        name=name,
        minor=minor,
        priority=priority,
        guarantee=guarantee,
        ceiling=ceiling,
        default=default,
        match=list(match),
    )


def shaped(*classes, device="eth0", rate=100_000_000) -> ShapedInterface:
    """One interface of a section."""
    return ShapedInterface(name="uplink", device=device, rate=rate, classes=list(classes))


def section(*interfaces) -> TcSection:
    """A whole section."""
    return TcSection(interfaces=list(interfaces))


CONTROL = traffic_class("control", 0x11, 0, 1_000_000, 100_000_000, matcher(dscp=[48]))
WEB = traffic_class("web", 0x9C2, 1, 60_000_000, 100_000_000, matcher(source=["192.0.2.0/24"]))
BULK = traffic_class("bulk", 0xFFFE, 3, 5_000_000, 100_000_000, default=True)
EDGE = shaped(CONTROL, WEB, BULK)
