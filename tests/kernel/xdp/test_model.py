"""The program against the model: random policies, random packets, one answer."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tidegate.xdp.packet import frame
from tidegate.xdp.verdict import Packet, verdict

POLICIES, PACKETS_PER_POLICY = 120, 1000
ICMP, TCP, UDP, GRE, ICMPV6 = 1, 6, 17, 47, 58

# Few values, close together, so that conditions overlap, nest and touch.
ADDRESSES = [
    *("10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.0", "10.128.0.0", "11.0.0.0", "255.255.255.255", "0.0.0.0"),
    *("2001:db8::", "2001:db8::1", "2001:db8:0:1::", "2001:db9::", "fe80::1", "::", "ffff::ffff", "::ffff:10.0.0.1"),
]
PREFIXES = [
    *(
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.0.0.0/9",
        "10.0.0.0/24",
        "10.0.0.0/31",
        "10.0.0.1/32",
        "10.0.1.0/24",
        "255.0.0.0/8",
    ),
    *("::/0", "2001:db8::/32", "2001:db8::/64", "2001:db8::1/128", "2001:db8:0:1::/64", "fe80::/10", "8000::/1"),
]
PORTS = [0, 1, 52, 53, 54, 179, 1023, 1024, 65534, 65535]
DSCP = [0, 1, 46, 62, 63]
FLAGS = [0, 1, 2, 16, 18, 255]
TYPES = [0, 3, 8, 128, 135, 255]
LENGTHS = [40, 41, 575, 576, 577, 1500, 65535]


def maybe(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | values


port_ranges = st.lists(st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)).map(sorted), max_size=3)
prefixes = st.lists(st.sampled_from(PREFIXES), max_size=5)
rules = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["allow", "drop", "drop", "count-only"]),
        "devices": st.sampled_from([["lo"], ["lo", "elsewhere"], ["elsewhere"], []]),
        "source": maybe(prefixes),
        "destination": maybe(prefixes),
        "protocol": maybe(st.sampled_from([TCP, UDP, GRE, ICMPV6, 0, 255])),
        "source_port": maybe(port_ranges),
        "destination_port": maybe(port_ranges),
        "dscp": maybe(st.lists(st.sampled_from(DSCP), max_size=3)),
    },
    optional={
        "tcp_flags": st.lists(st.tuples(st.sampled_from(FLAGS), st.sampled_from(FLAGS)).map(list), max_size=2),
        "icmp_types": st.lists(st.sampled_from(TYPES), max_size=3),
        "fragment": st.lists(st.sampled_from(["whole", "first", "later"]), max_size=3),
        "length": st.lists(st.tuples(st.sampled_from(LENGTHS), st.sampled_from(LENGTHS)).map(sorted), max_size=3),
    },
)
policies = st.lists(rules, max_size=12).map(
    lambda found: [{"name": f"rule {number}", **rule} for number, rule in enumerate(found)]
)


def packets(seed: int, count: int) -> list[Packet]:
    """Seeded rather than drawn: Hypothesis is for policies, and a thousand draws for each would take minutes."""
    pick = random.Random(seed)
    families = [[one for one in ADDRESSES if (":" in one) == six] for six in (False, True)]
    made = []
    for _ in range(count):
        family = pick.choice(families)
        protocol = pick.choice([TCP, TCP, UDP, UDP, GRE, ICMP, ICMPV6, 255])
        ports = protocol in (TCP, UDP)
        made.append(
            Packet(
                "lo",
                pick.choice(family),
                pick.choice(family),
                protocol,
                pick.choice(PORTS) if ports else None,
                pick.choice(PORTS) if ports else None,
                pick.choice(DSCP),
                (fragment := pick.random() < 0.15),
                not fragment and pick.random() < 0.15,
                pick.choice(FLAGS),
                pick.choice(TYPES) if protocol in (ICMP, ICMPV6) else None,
                pick.choice(LENGTHS),
            )
        )
    return made


# Without shrinking: it would take minutes, and the packet that tells is named anyway.
@settings(
    max_examples=POLICIES,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(policy=policies, seed=st.integers(0, 2**32 - 1))
def test_program_and_model_agree(bench, policy, seed):
    section = {
        "interfaces": [{"name": name, "device": name, "mode": "native"} for name in ("lo", "elsewhere")],
        "rules": policy,
        "management": {"neighbors": []},
    }
    bench.use(*policy, devices=("lo", "elsewhere"))
    for packet in packets(seed, PACKETS_PER_POLICY):
        action, rule = verdict(section, packet)
        expected = "drop" if action == "drop" else "pass"
        assert bench.preflight(frame(packet)) == expected, (packet, rule)
        if packet.protocol != ICMPV6:  # neighbor discovery is exempt
            assert bench.verdict(frame(packet)) == expected, (packet, rule)
