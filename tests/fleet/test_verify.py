"""The testinfra suite for everyone's fleet: it passes on healthy hosts over every connection, and can fail."""

from __future__ import annotations

import pytest
from scenario import EDGES


def test_every_edge_passes_over_the_container_engine(fleet):
    assert fleet.verify(*EDGES, "--pillar", str(fleet.served_pillar())) == 0


def test_it_runs_on_the_master_over_salt(fleet):
    done = fleet.exec("master", *fleet.verify_command("salt://edge1.lhr1"), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_it_runs_on_the_host_itself(fleet):
    fleet.lend_packages("edge1.ams1")
    done = fleet.exec("edge1.ams1", *fleet.verify_command("local://"), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize(
    ("part", "harm", "cure"),
    [
        ("bird", "ip route del blackhole 192.0.2.0/24 table 4210", None),
        ("bird", "systemctl disable bird", "systemctl enable bird"),
        ("bird", "birdc disable peer_iad1_transit_v4", "birdc enable peer_iad1_transit_v4"),
        ("generation", "chmod 644 /etc/bird/bird.conf", "chmod 640 /etc/bird/bird.conf"),
        ("tc", "tc qdisc del dev eth0 clsact", None),
        ("xdp", "rm /sys/fs/bpf/tidegate/xdp/link-eth0", None),
    ],
    ids=["announcement gone", "not started at boot", "session down", "file open to all", "classifier gone", "xdp gone"],
)
def test_it_fails_on_a_host_that_is_not_as_planned(fleet, part, harm, cure):
    host = "edge1.iad1"
    fleet.run(host, "sh", "-c", harm)
    try:
        assert fleet.verify(host, part=part) == 1
    finally:
        if cure:
            fleet.run(host, "sh", "-c", cure)
        fleet.highstate(host)
        fleet.until(lambda: fleet.call(host, "traffic.health")["status"] == "ok", timeout=60)
    assert fleet.verify(host, part=part) == 0
