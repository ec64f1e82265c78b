"""FRR's configuration of an upstream router: a stranger's BGP speaker, fast to notice and with no policy of its own."""

from __future__ import annotations

from lab.topology import Host, Topology

_HEAD = """\
frr defaults traditional
hostname {name}
log syslog warnings
"""
_BGP = """\
router bgp {asn}
 bgp router-id {router_id}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
"""
_NEIGHBOR = """\
 neighbor {address} remote-as {asn}
 neighbor {address} description {name}
 neighbor {address} timers 3 9
 neighbor {address} timers connect 3
"""


def frr_conf(topology: Topology, router: Host) -> str:
    """The router's ``frr.conf``: eBGP with all that its cables lead to, a default route for the edges."""
    links = [link for link in topology.links_of(router) if link.other(router).host.role in ("edge", "router")]
    neighbors = [(link, link.other(router).host, address) for link in links for address in link.other(router).addresses]
    text = _HEAD.format(name=router.name) + _statics(topology, router)
    text += _BGP.format(asn=router.asn, router_id=topology.address(router))
    for link, host, address in neighbors:
        text += _NEIGHBOR.format(address=address.ip, asn=host.asn or topology.asn, name=host.name)
        if link.password:
            text += f" neighbor {address.ip} password {link.password}\n"
    for version in (4, 6):
        text += f" address-family ipv{version} unicast\n  redistribute connected\n  redistribute static\n"
        text += "".join(
            _activate(host, str(address.ip)) for _, host, address in neighbors if address.version == version
        )
        text += " exit-address-family\n"
    return text + "exit\n"


def _activate(host: Host, address: str) -> str:
    text = f"  neighbor {address} activate\n"
    return text + (f"  neighbor {address} default-originate\n" if host.role == "edge" else "")


def _statics(topology: Topology, router: Host) -> str:
    """Routes to what lies behind the hosts on this router's cables."""
    text = ""
    for loopback in topology.loopbacks:
        for link in topology.links_of(router):
            far = link.other(router)
            if far.host == loopback.host:
                via = next(address.ip for address in far.addresses if address.version == loopback.address.version)
                text += f"{'ip' if via.version == 4 else 'ipv6'} route {loopback.prefix} {via}\n"
    return text
