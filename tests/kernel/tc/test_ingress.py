"""What comes in, shaped on an ifb: the same tree, a device of ours, and a redirect that must not lead nowhere."""

import json
import shlex
import socket
import threading
import time

import pytest

from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.host.errors import Failed, Refused
from tidegate.host.paths import paths
from tidegate.tc import classifier, command, health, ifb, live, program, survey
from tidegate.tc.tree import load

MBIT = 1_000_000
LINK = 20 * MBIT
HIGH_PORT, LOW_PORT = 7, 9
HIGH = traffic_class("high", 0x10, 0, 2 * MBIT, LINK, matcher(destination_port=[[HIGH_PORT, HIGH_PORT]]))
LOW = traffic_class("low", 0x20, 3, 2 * MBIT, LINK, matcher(destination_port=[[LOW_PORT, LOW_PORT]]))
REST = traffic_class("rest", 0x30, 7, MBIT, LINK, default=True)
OUT = shaped(REST, rate=LINK)


def inward(*classes):
    return {**shaped(*classes, device="tgi-eth0", rate=LINK), "name": "uplink in", "ingress": "eth0"}


IN = inward(HIGH, LOW, REST)


@pytest.fixture(autouse=True)
def kernel(host):
    if refusal := ifb.lacking():
        pytest.skip(f"this kernel cannot shape what comes in: {refusal}")


def packets(generation):
    return {name: figures["packets"] for name, figures in live.counters(generation)["tgi-eth0"].items()}


def statuses(generation):
    return {check.name: check.status for check in health.checks(generation, {})}


def links(host):
    return {link["ifname"] for link in json.loads(host.run("ip", "-j", "link", "show"))}


def test_what_comes_in_passes_the_classes_of_its_tree_and_arrives(host, generation, come):
    made = generation(IN)
    assert live.problems(made) == []
    assert live.diff(made)[-1] == "~ tgi-eth0 from eth0: there is no ifb"

    live.apply(made, None)

    assert live.diff(made) == []
    assert set(statuses(made).values()) == {"ok"}
    assert statuses(made)["tc.tgi-eth0.redirect"] == "ok"
    assert (come(3), come(5, LOW_PORT)) == (3, 5)
    assert {"high": 3, "low": 5}.items() <= packets(made).items()


def test_applying_again_writes_nothing(host, generation, monkeypatch):
    made = generation(IN)
    live.apply(made, None)
    monkeypatch.setattr(command, "batch", lambda lines: pytest.fail(f"wrote {lines}"))

    live.apply(made, None)


def test_the_higher_priority_comes_in_first_and_the_lower_keeps_its_guarantee(host, wire, generation):
    made = generation(IN)
    live.apply(made, None)
    until = time.monotonic() + 2.5

    def flood(port):
        with wire.peer.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            while time.monotonic() < until:
                for _ in range(10):
                    sock.sendto(b"x" * 1000, ("198.51.100.2", port))
                time.sleep(0.002)

    threads = [threading.Thread(target=flood, args=(port,)) for port in (HIGH_PORT, LOW_PORT)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    begin, before = time.monotonic(), live.counters(made)["tgi-eth0"]
    for thread in threads:
        thread.join()
    elapsed, after = time.monotonic() - begin, live.counters(made)["tgi-eth0"]
    got = {name: (after[name]["bytes"] - before[name]["bytes"]) * 8 / elapsed for name in after}

    assert got["high"] > 5 * got["low"], "18 to 2"
    assert got["low"] > 0.8 * 2 * MBIT
    assert 0.85 * LINK < got["high"] + got["low"] < 1.05 * LINK


def test_everything_goes_when_the_tree_does(host, generation, come):
    before = host.tc("qdisc show"), links(host)
    live.apply(generation(IN), None)
    assert "tgi-eth0" in links(host)

    live.apply(generation(), None)

    assert (host.tc("qdisc show"), links(host)) == before
    assert ifb.devices() == classifier.devices() == set()
    assert come(3) == 3


@pytest.mark.parametrize(("stays", "goes"), [(OUT, "tgi-eth0"), (IN, "eth0")])
def test_one_direction_goes_and_the_other_stays(host, generation, come, stays, goes):
    live.apply(generation(OUT, IN), None)
    made = generation(stays)
    assert live.diff(made) == [f"- {goes} htb 1de: with all its classes"]

    live.apply(made, None)

    assert live.diff(made) == []
    assert set(statuses(made).values()) == {"ok"}
    assert come(3) == 3
    live.remove()
    assert "clsact" not in host.tc("qdisc show")
    assert not list((paths().bpffs / "clsact").iterdir())


def test_an_ifb_that_a_hand_takes_away_is_named_and_made_again(host, generation, come):
    """Its packets are lost meanwhile: a redirect to a device that is gone drops them."""
    made = generation(IN)
    live.apply(made, None)
    host.run("ip", "link", "delete", "tgi-eth0")
    assert come(2) == 0
    assert live.diff(made)[-1] == "~ tgi-eth0 from eth0: there is no ifb"

    live.apply(made, None)

    assert live.diff(made) == []
    assert come(3) == 3
    assert packets(made)["high"] == 3


def test_a_redirect_to_nowhere_does_not_outlive_the_policy(host, generation, come):
    live.apply(generation(IN), None)
    host.run("ip", "link", "delete", "tgi-eth0")

    live.apply(generation(), None)

    assert come(3) == 3


ELSEWHERE = f"filter replace dev eth0 ingress pref {ifb.PRIORITY} handle 1 protocol all {ifb.EVERY}"


@pytest.mark.parametrize(
    ("meddle", "told"),
    [
        ("tc filter del dev eth0 ingress", "packets pass by"),
        ("ip link set tgi-eth0 down", "the ifb is down"),
        ("ip link set tgi-eth0 alias mine", "the ifb is somebody else's"),
        (f"tc {ELSEWHERE} action mirred egress redirect dev lo", "packets go to lo"),
    ],
)
def test_what_a_hand_changed_is_found(host, generation, meddle, told):
    made = generation({**IN, "adopt": True})
    live.apply(made, None)
    host.run(*shlex.split(meddle))

    assert live.diff(made)[-1] == f"~ tgi-eth0 from eth0: {told}"
    assert statuses(made)["tc.tgi-eth0.redirect"] == "bad"
    live.apply(made, None)

    assert live.diff(made) == []


def test_an_ifb_of_somebody_else_is_left_unless_it_is_to_be_adopted(host, generation, come):
    host.run("ip", "link", "add", "tgi-eth0", "type", "ifb")
    made = generation(IN)
    (told,) = live.problems(made)
    assert told.startswith("tgi-eth0 is somebody else's ifb")
    with pytest.raises(Failed, match="somebody else's ifb"):
        live.apply(made, None)
    live.remove()
    assert "tgi-eth0" in links(host)

    live.apply(generation({**IN, "adopt": True}), None)

    assert come(3) == 3
    live.remove()
    assert "tgi-eth0" not in links(host), "adopted, so it was ours"


def test_a_device_of_another_kind_is_never_taken(host, generation):
    host.run("ip", "link", "add", "tgi-eth0", "type", "veth", "peer", "name", "other0")

    (told,) = live.problems(generation({**IN, "adopt": True}))

    assert told == "tgi-eth0 is a device of another kind than ifb, which is left as it is"


def test_filters_of_others_on_arrival_stay_and_run_before(host, generation, come):
    host.tc("qdisc add dev eth0 clsact")
    host.tc("filter add dev eth0 ingress pref 1 protocol all bpf bytecode '1,6 0 0 4294967295,' direct-action")
    live.apply(generation(IN), None)
    assert come(3) == 3
    assert "pref 1 " in host.tc("filter show dev eth0 ingress")

    live.remove()

    assert "pref 1 " in host.tc("filter show dev eth0 ingress")
    assert str(ifb.PRIORITY) not in host.tc("filter show dev eth0 ingress")


def test_the_interface_went_and_came_back(host, wire, generation, come):
    made = generation(IN)
    live.apply(made, None)
    host.run("ip", "link", "delete", "eth0")
    assert live.problems(made) == ["interface eth0 is not there"]
    assert statuses(made)["tc.tgi-eth0.redirect"] == "bad"

    host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", wire.peer.name)
    for end, number in ((wire.host, 2), (wire.peer, 3)):
        end.run("ip", "address", "add", f"198.51.100.{number}/31", "dev", "eth0")
        end.run("ip", "link", "set", "eth0", "up")
    live.apply(made, None)

    assert live.diff(made) == []
    assert come(3) == 3


@pytest.mark.parametrize("survived", [0, 1, 2, 3])
def test_killed_after_any_phase_packets_come_in_and_the_next_apply_completes(host, generation, come, survived):
    made = generation(IN)
    (tree,) = load(made)
    binary = made / program.OBJECT
    found = survey.survey(tree, binary)
    for phase in (lambda: live.grow(found), lambda: live.classify(found, binary), lambda: live.shrink(found))[
        :survived
    ]:
        phase()
    assert come(3) == 3

    live.apply(made, None)

    assert live.diff(made) == []
    assert come(3) == 3


@pytest.mark.parametrize("survived", ["release", "uninstall", "remove"])
def test_killed_while_it_goes_packets_come_in_and_the_next_apply_completes(
    host, generation, come, monkeypatch, survived
):
    before = host.tc("qdisc show")
    live.apply(generation(IN), None)
    module = classifier if survived == "uninstall" else ifb
    act = getattr(module, survived)

    def killed(device):
        act(device)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, survived, killed)
        live.apply(generation(), None)
    assert come(3) == 3

    live.apply(generation(), None)

    assert host.tc("qdisc show") == before
    assert "tgi-eth0" not in links(host)


def test_a_kernel_without_ifb_is_named_and_nothing_is_touched(host, generation, monkeypatch):
    monkeypatch.setattr(ifb, "KIND", "noifb")

    (told,) = live.problems(generation(IN))

    assert told.startswith(
        "the kernel cannot shape what comes in (method: police needs no ifb): ip link add type noifb: "
    )
    assert "tgi-eth0" not in links(host)


def test_a_class_can_be_bypassed_as_on_the_way_out(host, generation, come):
    made = generation(IN)
    live.apply(made, None)

    assert live.bypass("tgi-eth0", wanted=True)

    assert come(3) == 3
    assert packets(made)["high"] == 0


def test_long_names_have_an_ifb_too():
    names = {ifb.ifb_of(device) for device in ("eth0", "enp129s0f0np0.7", "enp129s0f0np0.8")}

    assert len(names) == 3
    assert max(map(len, names)) <= 15


def test_refused_is_refused_where_the_wire_is_missing(host, generation):
    with pytest.raises((Failed, Refused), match="interface absent0 is not there"):
        live.apply(generation({**IN, "ingress": "absent0", "device": "tgi-absent0"}), None)
    assert "tgi-absent0" not in links(host)
