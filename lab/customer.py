"""GoBGP's configuration of a customer: a speaker that says nothing but what somebody tells it to."""

from __future__ import annotations

from lab.topology import Host, Topology

_HEAD = """\
[global.config]
  as = {asn}
  router-id = "{router_id}"
"""
_NEIGHBOR = """\
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{address}"
    peer-as = {asn}
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv{version}-unicast"
"""


def gobgp_conf(topology: Topology, customer: Host) -> str:
    """The customer's ``/etc/lab-gobgp.toml``: a session with each edge on its cables, in each family."""
    text = _HEAD.format(asn=customer.asn, router_id=topology.address(customer))
    for link in topology.links_of(customer):
        for address in link.other(customer).addresses:
            text += _NEIGHBOR.format(address=address.ip, asn=topology.asn, version=address.version)
    return text
