"""Whether a host can balance as it is planned to: what its interfaces and its kernel must be like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tidegate.balancing.limits import overhead, smallest_mtu
from tidegate.balancing.section import Balancing, Service
from tidegate.host.device import index as device_index
from tidegate.xdp.device import mtu


def problems(section: Balancing | None, devices: Iterable[str]) -> list[str]:
    """Why not, one sentence each; ``devices`` are the interfaces on which the program runs."""
    if section is None:
        return []
    present = [device for device in devices if device_index(device) is not None]
    found = [text for device in present for text in _forwarding(section, device)]
    return found + [text for device in present for one in section["services"] for text in _mtu(one, device)]


def _forwarding(section: Balancing, device: str) -> Iterator[str]:
    """bpf_fib_lookup finds no way for packets that come in on an interface which does not forward."""
    addresses = [backend["address"] for service in section["services"] for backend in service["backends"]]
    addresses += [served["address"] for served in section["served"]]
    for family, is_used in (
        ("ipv4", any(":" not in one for one in addresses)),
        ("ipv6", any(":" in one for one in addresses)),
    ):
        path = Path("/proc/sys/net", family, "conf", device, "forwarding")
        if is_used and path.exists() and path.read_text().strip() == "0":
            yield (
                f"{device} does not forward {family.replace('ip', 'IP')}, so the kernel tells no way to a server: "
                f"set net.{family}.conf.{device}.forwarding=1"
            )


def _mtu(service: Service, device: str) -> Iterator[str]:
    there, planned = mtu(device), service["mtu"]
    families = {"ipv6" if ":" in backend["address"] else "ipv4" for backend in service["backends"]}
    ipv6 = any(":" in vip for vip in service["vips"])
    for family in sorted(families):
        least = smallest_mtu(service["encapsulation"], family, ipv6=ipv6)
        if there < least:
            yield (
                f"{device} has MTU {there}, too small for balancing service {service['name']!r}: "
                f"{service['encapsulation']} adds up to {overhead(service['encapsulation'], family)} bytes, "
                f"set it to {least} at the least"
            )
    if planned is not None and planned > there:
        yield f"{device} has MTU {there}, but balancing {service['name']!r} plans {planned}: set one right"
