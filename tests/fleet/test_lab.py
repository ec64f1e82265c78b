"""The lab is what the other fleet tests take it for."""

import json
import shutil
import subprocess

import pytest

EDGES = {"edge1.lhr1": 2, "edge2.lhr1": 3, "edge1.ams1": 2, "edge1.iad1": 3}
ROUTERS = ["transit-eu", "transit-us"]


def sessions(lab, router):
    """BGP neighbors of a router by description, with what each family's session is."""
    found = {}
    for family in ("ipv4", "ipv6"):
        told = json.loads(lab.run(router, "vtysh", "-c", f"show bgp {family} unicast summary json"))
        for peer in told.get("peers", {}).values():
            found.setdefault(peer["desc"], {})[family] = peer["state"]
    return found


def test_every_host_boots_without_a_failed_unit(lab):
    assert set(lab.system_states().values()) == {"running"}


def test_every_minion_answers_its_master(lab):
    assert lab.salt("*", "test.ping") == dict.fromkeys([*EDGES, "client"], True)


def test_minions_have_nothing_but_salt(lab):
    for edge in EDGES:
        assert lab.exec(edge, "/opt/salt/bin/python", "-c", "import pydantic").returncode == 1
    lab.run("master", "/opt/salt/bin/python", "-c", "import pydantic")


@pytest.mark.parametrize(("edge", "major"), EDGES.items())
def test_edges_run_the_bird_of_the_topology(lab, edge, major):
    assert f"BIRD version {major}." in lab.exec(edge, "bird", "--version").stderr
    assert lab.run(edge, "systemctl", "is-active", "bird").strip() == "active"


def test_routers_speak_bgp_with_each_other(lab):
    def established():
        """both families of the session between the routers"""
        state = sessions(lab, "transit-eu")["transit-us"]
        return state == {"ipv4": "Established", "ipv6": "Established"}

    lab.until(established)


def test_both_ends_of_every_cable_reach_each_other(lab):
    for link in lab.topology.links:
        here, there = link.ends
        for address in there.addresses:
            lab.run(here.host.name, "ping", "-c1", "-W2", "-I", here.device, str(address.ip))


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize(("family", "client"), [(4, "203.0.113.3"), (6, "2001:db8:c::2")])
def test_the_client_reaches_the_origin_on_every_edge(lab, edge, family, client):
    host = lab.topology.host(edge)
    address = next(
        address.ip
        for link in lab.topology.links_of(host)
        for end in link.ends
        for address in end.addresses
        if end.host == host and address.version == family
    )
    url = f"http://{address}/" if family == 4 else f"http://[{address}]/"
    pop = edge.partition(".")[2]
    assert lab.run("client", "curl", "-sS", "-m5", url) == f"{edge} in {pop} answered {client}\n"


def test_the_abuser_is_routed(lab):
    lab.run(
        "client", "ping", "-c1", "-W2", "-I", "203.0.113.130", lab.topology.address(lab.topology.host("edge1.iad1"))
    )


BIRD = """
router id 10.0.0.1;
log "/tmp/lab-test.log" all;
protocol device {{}}
template bgp upstream {{ local as 64500; neighbor as 64601; password "{password}"; connect delay time 1; }}
protocol bgp four from upstream {{ neighbor 198.51.100.0; ipv4 {{ import all; export none; }}; }}
protocol bgp six from upstream {{ neighbor 2001:db8:ff:1::1; ipv6 {{ import all; export none; }}; }}
"""


@pytest.mark.parametrize(("password", "state"), [("wrong", set()), ("tide-lhr1-md5", {"Established"})])
def test_the_upstream_takes_the_sessions_of_the_policy_and_their_password(lab, password, state):
    if "Established" in sessions(lab, "transit-eu")["edge1.lhr1"].values():
        pytest.skip("a policy is applied: its sessions are the better proof")
    lab.run("edge1.lhr1", "sh", "-c", f"cat > /tmp/lab-test.conf <<'END'{BIRD.format(password=password)}END")
    lab.run("edge1.lhr1", "bird", "-c", "/tmp/lab-test.conf", "-s", "/tmp/lab-test.ctl", "-P", "/tmp/lab-test.pid")

    def seen():
        """the sessions as the router sees them"""
        return set(sessions(lab, "transit-eu")["edge1.lhr1"].values()) == state

    try:
        if state:
            lab.until(seen)
            for default in ("0.0.0.0/0", "::/0"):
                show = ("birdc", "-s", "/tmp/lab-test.ctl", "show", "route", default)
                lab.until(lambda show=show, default=default: default in lab.exec("edge1.lhr1", *show).stdout)
        else:
            with pytest.raises(AssertionError, match="not within"):
                lab.until(lambda: "Established" in sessions(lab, "transit-eu")["edge1.lhr1"].values(), timeout=8)
    finally:
        lab.run("edge1.lhr1", "birdc", "-s", "/tmp/lab-test.ctl", "down")


def test_bpf_file_system_is_mounted(lab):
    for edge in EDGES:
        assert lab.run(edge, "stat", "--file-system", "--format=%T", "/sys/fs/bpf").strip() == "bpf_fs"


def test_native_xdp_attaches(lab, tmp_path):
    # On the client's card, which is made like every other and which Tidegate leaves alone.
    source, program = tmp_path / "pass.c", tmp_path / "pass.o"
    source.write_text('__attribute__((section("xdp"), used)) int pass(void *ctx) { return 2; }\n')
    clang = shutil.which("clang") or shutil.which("clang-19")
    subprocess.run([clang, "-O2", "-target", "bpf", "-c", source, "-o", program], check=True)
    ip = ["nsenter", f"--net=/proc/{lab.pid(lab.topology.host('client'))}/ns/net", "ip"]
    subprocess.run([*ip, "link", "set", "dev", "eth0", "xdpdrv", "obj", program, "sec", "xdp"], check=True)
    try:
        lab.run("client", "ping", "-c1", "-W2", "203.0.113.2")
        assert "prog/xdp" in lab.run("client", "ip", "link", "show", "dev", "eth0")
    finally:
        subprocess.run([*ip, "link", "set", "dev", "eth0", "xdpdrv", "off"], check=True)


def test_a_host_keeps_its_disk_and_gets_its_cables_back_after_a_loss_of_power(lab):
    lab.run("client", "sh", "-c", "echo kept > /var/lib/kept; echo gone > /run/gone; sync")
    lab.kill("client")
    assert lab.system_states()[lab.topology.host("client")] == "off"
    lab.start("client")
    assert lab.run("client", "cat", "/var/lib/kept") == "kept\n"
    assert lab.exec("client", "test", "-e", "/run/gone").returncode == 1
    lab.until(lambda: lab.exec("client", "ping", "-c1", "-W1", "203.0.113.1").returncode == 0)
    lab.until(lambda: lab.exec("client", "ping", "-c1", "-W1", "2001:db8:ff:4::2").returncode == 0)


def test_the_master_serves_a_changed_policy_and_then_the_old_one(lab):
    def change(pillar):
        (pillar / "marker.sls").write_text("marker: changed\n")

    with lab.changed_policy(change):
        assert lab.run("master", "cat", "/srv/pillar/marker.sls") == "marker: changed\n"
    assert lab.exec("master", "test", "-e", "/srv/pillar/marker.sls").returncode == 1
    assert lab.run("master", "test", "-e", "/srv/pillar/top.sls") == ""
