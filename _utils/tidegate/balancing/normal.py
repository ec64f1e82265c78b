"""The same meaning in the same bytes: order and repetition that mean nothing must not change a generation's marker."""

from __future__ import annotations

from tidegate.balancing.section import Backend, Balancing, Served, Service


def normal(section: Balancing) -> Balancing:
    """Services and what is answered for by name, backends by host, addresses and ports in order and once each."""
    return {
        **section,
        "services": sorted(map(_service, section["services"]), key=lambda one: one["name"]),
        "served": sorted(map(_served, section["served"]), key=lambda one: one["name"]),
    }


def _service(one: Service) -> Service:
    backends = sorted(one["backends"], key=_host)
    return {**one, "vips": sorted(set(one["vips"])), "ports": _ports(one["ports"]), "backends": backends}


def _served(one: Served) -> Served:
    return {**one, "vips": sorted(set(one["vips"])), "ports": _ports(one["ports"])}


def _host(one: Backend) -> str:
    return one["host"]


def _ports(ports: list[list[int]]) -> list[list[int]]:
    return [list(port) for port in sorted({(protocol, number) for protocol, number in ports})]
