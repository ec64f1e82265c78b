"""What differs between two hosts' parts of ``balancing``, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from tidegate.balancing.section import Backend, Balancing, Frontend, Outer, Served, Service

_PROTOCOLS = {6: "tcp", 17: "udp"}
One = TypeVar("One", bound=Frontend)


def changes(old: Balancing | None, new: Balancing | None) -> list[str]:
    """A line for each service that is new (+), gone (-) or different (~), and for each that the host answers for."""
    return [
        *_balanced(_by_name(old["services"]) if old else {}, _by_name(new["services"]) if new else {}),
        *_answered(_by_name(old["served"]) if old else {}, _by_name(new["served"]) if new else {}),
        *_source(old["outer"] if old else None, new["outer"] if new else None),
    ]


def summaries(old: Balancing | None, new: Balancing | None) -> Iterator[tuple[str, str, str]]:
    """(service, what it was, what it will be) in short, for each that differs; what is not there is ``none``."""
    before, after = (_by_name(section["services"]) if section else {} for section in (old, new))
    for name in sorted(before.keys() | after.keys()):
        was, will = before.get(name), after.get(name)
        if was is None or will is None:
            yield name, _summary(was), _summary(will)
        elif difference := [*_settings(was, will), *_backends(was, will)]:
            yield name, _summary(was), f"{_summary(will)} ({'; '.join(difference)})"


def _summary(service: Service | None) -> str:
    if service is None:
        return "none"
    weight = sum(one["weight"] for one in service["backends"])
    return f"{_counted(service['backends'])} of weight {weight}"


def _balanced(old: Mapping[str, Service], new: Mapping[str, Service]) -> Iterator[str]:
    for name, service in old.items():
        if name not in new:
            yield f"- balance {name}: {_front(service)} over {_counted(service['backends'])}"
    for name, service in new.items():
        if name not in old:
            where = f"over {_counted(service['backends'])} by {service['encapsulation']}"
            yield f"+ balance {name}: {_front(service)} {where}: {_listed(map(_backend, service['backends']))}"
        elif difference := [*_settings(old[name], service), *_backends(old[name], service)]:
            yield f"~ balance {name}: {'; '.join(difference)}"


def _settings(old: Service, new: Service) -> Iterator[str]:
    """What differs apart from the backends."""
    if _front(old) != _front(new):
        yield f"{_front(old)} → {_front(new)}"
    for word, before, after in (
        ("by", old["encapsulation"], new["encapsulation"]),
        ("affinity", old["affinity"], new["affinity"]),
        ("mtu", old["mtu"] or "the route's", new["mtu"] or "the route's"),
        ("min_capacity", f"{old['min_percent']}%", f"{new['min_percent']}%"),
    ):
        if before != after:
            yield f"{word} {before} → {after}"
    if old["check"] != new["check"]:
        yield (
            "other check of backends"
            if old["check"] and new["check"]
            else "check of backends " + ("begins" if new["check"] else "ends")
        )


def _backends(old: Service, new: Service) -> Iterator[str]:
    before, after = ({one["host"]: one for one in service["backends"]} for service in (old, new))
    yield from (f"+{_backend(one)}" for host, one in after.items() if host not in before)
    yield from (f"-{host}" for host in before if host not in after)
    for host in (host for host in after if host in before):
        was, is_ = before[host], after[host]
        if was["address"] != is_["address"]:
            yield f"{host} {was['address']} → {is_['address']}"
        if was["weight"] != is_["weight"]:
            yield f"{host} weight {was['weight']} → {is_['weight']}"
        if was["draining"] != is_["draining"]:
            yield f"{host} drains" if is_["draining"] else f"{host} takes new flows again"


def _answered(old: Mapping[str, Served], new: Mapping[str, Served]) -> Iterator[str]:
    yield from (f"- answer for {name}: {_front(served)}" for name, served in old.items() if name not in new)
    for name, served in new.items():
        words = f"{_front(served)} at {served['address']}"
        if name not in old:
            yield f"+ answer for {name}: {words}"
        elif old[name] != served:
            yield f"~ answer for {name}: {_front(old[name])} at {old[name]['address']} → {words}"


def _source(old: Outer | None, new: Outer | None) -> Iterator[str]:
    """Where encapsulated packets say that they come from; where balancing begins or ends, the services have said it."""
    for family, before in (("ipv4", old and old["ipv4"]), ("ipv6", old and old["ipv6"])):
        after = new and (new["ipv4"] if family == "ipv4" else new["ipv6"])
        if old and new and before != after:
            yield f"~ outer source {family}: {before or 'the host'} → {after or 'the host'}"


def _front(one: Frontend) -> str:
    ports = (f"{_PROTOCOLS.get(protocol, protocol)}/{port}" for protocol, port in one["ports"])
    return f"{_listed(one['vips'])} {_listed(ports)}"


def _backend(one: Backend) -> str:
    return f"{one['host']} ({one['address']}, weight {one['weight']}{', drains' if one['draining'] else ''})"


def _counted(backends: list[Backend]) -> str:
    return "1 backend" if len(backends) == 1 else f"{len(backends)} backends"


def _by_name(many: Iterable[One]) -> dict[str, One]:
    return {one["name"]: one for one in many}


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "none"
