"""What nobody may announce on the Internet: address space and AS numbers, from IANA's registries as of 2025."""

from __future__ import annotations

IPV4 = (
    "0.0.0.0/8",  # this network (RFC 791)
    "10.0.0.0/8",  # private (RFC 1918)
    "100.64.0.0/10",  # carriers' translation (RFC 6598)
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local (RFC 3927)
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments (RFC 6890)
    "192.0.2.0/24",  # documentation (RFC 5737)
    "192.168.0.0/16",  # private
    "198.18.0.0/15",  # benchmarks (RFC 2544)
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/3",  # multicast, reserved, broadcast
)
IPV6 = (
    "::/3",  # below global unicast: unspecified, loopback, mapped, NAT64, discard
    "2001:2::/48",  # benchmarks (RFC 5180)
    "2001:10::/28",  # ORCHID (RFC 4843)
    "2001:db8::/32",  # documentation (RFC 3849)
    "2002::/16",  # 6to4 (RFC 7526)
    "3ffe::/16",  # 6bone (RFC 3701)
    "3fff::/20",  # documentation (RFC 9637)
    "4000::/2",  # above global unicast
    "8000::/1",  # unique local, link-local, multicast and what is not assigned
)
"""Each with everything inside it; the default routes are in none of them."""

RESERVED_ASNS = (0, 23456, (64496, 64511), (65535, 65551), 4294967295)
"""RFC 7607; RFC 6793; documentation, RFC 5398; RFC 7300."""

PRIVATE_ASNS = ((64512, 65534), (4200000000, 4294967294))
"""RFC 6996."""
