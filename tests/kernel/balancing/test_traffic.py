"""Real TCP: client, router, balancer and two servers in namespaces; answers come from the servers directly."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest

from tidegate.balancing import maps as balancing_maps
from tidegate.bpf.loader import pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.xdp import attachment, live
from tidegate.xdp.desired import read

from .planned import service
from .site import VIP, VIP6, Site, says, servers


@pytest.mark.parametrize("encapsulation", ["gue", "ipip"])
def test_connections_reach_all_servers_over_both_families(site: Site, encapsulation: str) -> None:
    site.balance(encapsulation=encapsulation)
    for address in (VIP, VIP6):
        found: Counter[str] = Counter()
        for _ in range(12):
            with site.connect(address) as connection:
                found[says(connection)] += 1
                assert says(connection) in found
        assert set(found) == {"server1", "server2"}
    with site.on("balancer"):
        counted = live.balanced()
        assert counted["web"].packets == counted["web/server1"].packets + counted["web/server2"].packets > 48


def test_a_draining_server_keeps_its_connections_and_gets_no_new_ones(site: Site) -> None:
    site.balance()
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(site.connect()) for _ in range(24)]
        before = [says(connection) for connection in old]
        assert set(before) == {"server1", "server2"}
        site.apply("balancer", services=[service(backends=servers(server1=True))])
        assert [says(connection) for connection in old] == before
        fresh = [stack.enter_context(site.connect()) for _ in range(12)]
        assert {says(connection) for connection in fresh} == {"server2"}
        with site.on("server2"):
            assert live.fates()["handed_on"].packets > 0
        # Undone: the drained server gets flows again, and what server2 took meanwhile stays there.
        site.balance()
        assert [says(connection) for connection in old] == before
        assert {says(connection) for connection in fresh} == {"server2"}


def test_a_sick_server_gets_nothing_and_nobody_else_s_connections_move(site: Site) -> None:
    generation = site.balance()
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(site.connect()) for _ in range(24)]
        before = [says(connection) for connection in old]
        with site.on("balancer"), pinned_maps(attachment.maps_directory()) as maps:
            section = read(generation)["balancing"]
            balancing_maps.refresh(maps, Slots(maps).in_force, section, {"web": {"server1"}})
        kept = [one for one, name in zip(old, before, strict=True) if name == "server2"]
        assert {says(connection) for connection in kept} == {"server2"}
        assert {says(stack.enter_context(site.connect())) for _ in range(12)} == {"server2"}


def test_flips_lose_no_packet_of_a_connection(site: Site) -> None:
    site.balance()
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(site.connect()) for _ in range(8)]
        before = [says(connection) for connection in old]
        with site.on("balancer"), pinned_maps(attachment.maps_directory()) as maps:
            slots = Slots(maps)
            other = site.plan("balancer", services=[service(backends=servers(), min_percent=2)])
            live.apply(other, None)
            for _ in range(300):
                slots.flip(1 - slots.in_force, timeout=None)
                for connection in old[:2]:
                    says(connection)
        assert [says(connection) for connection in old] == before


def test_a_host_begins_and_ends_to_balance_without_a_gap(site: Site) -> None:
    """Only who balances has the balancer loaded; the filter in front of it is not touched when that changes."""

    def there() -> tuple[set[str], int]:
        found = (site.bpffs / "balancer" / "xdp" / "programs").glob("*")
        return {path.name.split("-")[1] for path in found}, attachment.attachments()["eth0"].program

    idle = site.idle("balancer")
    with site.on("balancer"):
        live.apply(idle, None)
        kinds, before = there()
        assert kinds == {"filter", "preflight"}
    busy = site.balance()
    with site.connect() as connection, site.on("balancer"):
        assert there() == ({"filter", "preflight", "balance"}, before)
        first = says(connection)
        assert live.diff(idle) == ["- balance web: 192.0.2.10, 2001:db8:100::10 tcp/80, udp/53 over 2 backends"]
        live.apply(idle, 60)
        assert there() == ({"filter", "preflight", "balance"}, before), "the way back is kept until it is confirmed"
        live.apply(busy, None)
        assert says(connection) == first
        live.apply(idle, None)
        assert there() == ({"filter", "preflight"}, before)


def test_a_change_of_backends_alone_is_a_difference_and_told(site: Site) -> None:
    site.balance()
    fewer = site.plan("balancer", services=[service(backends=servers()[:1])])
    with site.on("balancer"):
        assert live.diff(fewer) == ["~ balance web: -server2"]
        live.apply(fewer, None)
        assert live.diff(fewer) == []


def test_removal_leaves_neither_vips_nor_programs(site: Site) -> None:
    with site.on("server1"):
        assert VIP in site.hosts["server1"].run("ip", "route", "show", "table", "local")
        live.remove()
        assert VIP not in site.hosts["server1"].run("ip", "route", "show", "table", "local")
        assert attachment.attachments() == {}


def test_a_host_that_does_not_forward_is_refused_with_the_way_out(site: Site) -> None:
    site.hosts["balancer"].run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    generation = site.plan("balancer", services=[service(backends=servers())])
    with site.on("balancer"):
        (problem,) = live.problems(generation)
    assert "net.ipv4.conf.eth0.forwarding=1" in problem


def test_an_interface_too_narrow_for_the_wrapping_is_refused(site: Site) -> None:
    site.hosts["balancer"].run("ip", "link", "set", "eth0", "mtu", "1300")
    generation = site.plan("balancer", services=[service(backends=servers())])
    with site.on("balancer"):
        (problem,) = live.problems(generation)
    assert "MTU 1300, too small" in problem and "1320" in problem
