"""What comes in, held to its rates without a queue: three buckets a packet, and nothing but a filter to take away.

Rates are asserted from below as a busy machine sends, from above as the kernel holds them.
"""

import contextlib
import shutil
import socket
import threading
import time

import pytest

from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.host.errors import Failed, Refused
from tidegate.tc import health, live, policer, policing, program
from tidegate.tc.policer import load

MBIT = 1_000_000
LINK = 20 * MBIT
HIGH_PORT, LOW_PORT = 7, 9
SECONDS = 2.0


def inward(*classes, rate=LINK):
    return {**shaped(*classes, rate=rate), "name": "uplink in", "ingress": "eth0", "policed": True}


def link(high, low, rate=LINK):
    """A link whose classes are chosen by port; ``high`` and ``low`` take (priority, guarantee, ceiling)."""
    return inward(
        traffic_class("high", 0x10, *high, matcher(destination_port=[[HIGH_PORT, HIGH_PORT]])),
        traffic_class("low", 0x20, *low, matcher(destination_port=[[LOW_PORT, LOW_PORT]])),
        traffic_class("rest", 0x30, 7, 8_000, rate, default=True),
        rate=rate,
    )


BOTH = link((0, 2 * MBIT, LINK), (3, 2 * MBIT, LINK))
OUT = shaped(traffic_class("all", 0x10, 0, MBIT, LINK, default=True), rate=LINK)


def counts(generation):
    return live.counters(generation)["eth0 in"]


@pytest.fixture
def rates(wire):
    """A function that has the peer offer 40 mbit/s to each port: bit/s let in by each class, after the bursts."""

    def flood(sender, port, until):
        begin, sent = time.monotonic(), 0
        while (now := time.monotonic()) < until:
            due = min(int((now - begin) * 5000) - sent, 500)  # who was held up catches up, to a degree
            for _ in range(due):
                sender.sendto(b"x" * 1000, ("198.51.100.2", port))
            sent += due
            time.sleep(0.002)

    def rates(generation, *ports):
        until = time.monotonic() + SECONDS + 0.5
        with contextlib.ExitStack() as stack:
            with wire.peer.entered():
                senders = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in ports]
            threads = [
                threading.Thread(target=flood, args=(sender, port, until))
                for sender, port in zip(senders, ports, strict=True)
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            begin, before = time.monotonic(), counts(generation)
            for thread in threads:
                thread.join()
            elapsed, after = time.monotonic() - begin, counts(generation)
        return {name: (after[name]["bytes"] - before[name]["bytes"]) * 8 / elapsed for name in after}

    return rates


def test_a_class_is_held_to_its_ceiling_and_what_is_beyond_is_dropped(host, generation, rates):
    made = generation(link((0, MBIT, LINK // 4), (3, MBIT, LINK)))
    live.apply(made, None)

    got = rates(made, HIGH_PORT)

    assert 0.85 * LINK / 4 < got["high"] < 1.05 * LINK / 4
    assert counts(made)["high"]["drops"] > 0


def test_the_higher_priority_takes_what_is_spare_and_the_lower_keeps_its_guarantee(host, generation, rates):
    made = generation(BOTH)
    live.apply(made, None)

    got = rates(made, HIGH_PORT, LOW_PORT)

    assert got["high"] > 5 * got["low"], "18 to 2"
    assert got["low"] > 0.85 * 2 * MBIT
    assert 0.85 * LINK < got["high"] + got["low"] < 1.05 * LINK


def test_a_low_class_alone_has_the_whole_link(host, generation, rates):
    made = generation(BOTH)
    live.apply(made, None)

    got = rates(made, LOW_PORT)

    assert 0.85 * LINK < got["low"] < 1.05 * LINK


def test_every_guarantee_is_kept_when_all_want_more(host, generation, rates):
    made = generation(link((0, 12 * MBIT, LINK), (0, 6 * MBIT, LINK)))
    live.apply(made, None)

    got = rates(made, HIGH_PORT, LOW_PORT)

    assert got["high"] > 0.85 * 12 * MBIT
    assert got["low"] > 0.85 * 6 * MBIT
    assert got["high"] + got["low"] < 1.05 * LINK


def test_tcp_that_the_stack_joined_on_arrival_is_counted_as_on_the_wire(host, wire, generation):
    """Sent in pieces of 64 kB: each packet that the program sees is many. Its figures are those of the frames."""
    made = generation(inward(traffic_class("all", 0x10, 0, 500 * MBIT, 500 * MBIT, default=True), rate=500 * MBIT))
    live.apply(made, None)
    sent = 3 * 10**6
    with socket.create_server(("198.51.100.2", 1004)) as server:
        with wire.peer.entered():
            sender = socket.create_connection(("198.51.100.2", 1004), timeout=10)
        connection, _ = server.accept()
        with sender, connection:
            connection.settimeout(10)
            thread = threading.Thread(target=sender.sendall, args=(bytes(sent),))
            thread.start()
            received = 0
            while received < sent:
                received += len(connection.recv(1 << 16))
            thread.join()

    got = counts(made)["all"]

    frames = -(-sent // 1448)
    assert frames <= got["packets"] + got["drops"] < 1.2 * frames
    assert 0.98 * sent * 1514 / 1448 < got["bytes"] < 1.05 * sent * 1514 / 1448


def test_neighbors_are_found_however_full_the_default_class_is(host, wire, generation, come):
    live.apply(generation(inward(traffic_class("all", 0x10, 0, 8_000, 8_000, default=True), rate=8_000)), None)
    assert come(200, size=1400) < 200
    host.run("ip", "neigh", "flush", "dev", "eth0", "nud", "permanent")
    for address in ("198.51.100.3", "2001:db8:1::3"):
        with contextlib.suppress(Exception):
            host.run("ping", "-c1", "-W2", address)
        assert "lladdr" in host.run("ip", "neigh", "show", address)


def test_what_is_let_in_can_be_marked(host, wire, generation):
    classes = traffic_class("all", 0x10, 0, LINK, LINK, default=True)
    live.apply(generation(inward({**classes, "set_dscp": 46})), None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("198.51.100.2", 1005))
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        receiver.settimeout(2)
        with wire.peer.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("198.51.100.2", 1005))
        _, ancillary, _, _ = receiver.recvmsg(100, 100)

    assert [value[0] for _, _, value in ancillary] == [46 << 2]


def test_the_first_apply_is_told_in_classes_and_the_second_has_nothing_to_do(host, generation):
    made = generation(BOTH)

    assert live.diff(made) == [
        "+ eth0 police high 2mbit..20mbit prio 0",
        "+ eth0 police low 2mbit..20mbit prio 3",
        "+ eth0 police rest 8kbit..20mbit prio 7",
        "~ eth0 policer: not attached",
    ]
    assert live.problems(made) == []
    live.apply(made, None)
    assert live.diff(made) == []


def test_a_changed_rate_is_one_line_and_counters_stay(host, generation, come):
    live.apply(generation(BOTH), None)
    assert come(3) == 3
    changed = generation(link((0, 5 * MBIT, LINK), (3, 2 * MBIT, LINK)))

    told = [line for line in live.diff(changed) if " police " in line]
    live.apply(changed, None)

    assert told == ["~ eth0 police high guarantee 2mbit → 5mbit"]
    assert live.diff(changed) == []
    assert counts(changed)["high"]["packets"] == 3


def test_a_class_that_is_gone_is_told_and_counts_from_zero_when_it_is_back(host, generation, come):
    both = generation(BOTH)
    live.apply(both, None)
    assert come(3) == 3
    without = generation(inward(*[each for each in BOTH["classes"] if each["name"] != "high"]))
    assert "- eth0 police 10" in live.diff(without)
    live.apply(without, None)
    another = generation(inward(BOTH["classes"][2], rate=2 * LINK))
    live.apply(another, None)  # the slot that still had it is overwritten, and what it counted goes
    live.apply(both, None)

    assert counts(both)["high"]["packets"] == 0
    assert come(3) == 3
    assert counts(both)["high"]["packets"] == 3


def test_health_says_what_was_let_in_and_dropped(host, generation, come):
    made = generation(BOTH)
    live.apply(made, None)
    before = {"eth0 in": counts(made)}
    come(3)

    found = {check.name: check for check in health.checks(made, before)}

    assert found["tc.eth0.policer"].status == "ok"
    assert found["tc.eth0.policer.high"].reason == ("high 2mbit..20mbit prio 0: 426 bytes let in, 0 packets dropped")
    labels = '{interface="uplink in",device="eth0",class="high",priority="0"}'
    lines = live.exposition(made).splitlines()
    assert f"tidegate_tc_sent_packets_total{labels} 3" in lines
    assert f"tidegate_tc_dropped_packets_total{labels} 0" in lines
    assert not any(line.startswith("tidegate_tc_backlog_bytes{") for line in lines), "nothing waits"


@pytest.mark.parametrize(
    "command", ["filter del dev eth0 ingress", "qdisc del dev eth0 clsact"], ids=["its filter", "clsact"]
)
def test_what_a_hand_took_away_is_told_and_mended(host, generation, come, command):
    made = generation(BOTH)
    live.apply(made, None)

    host.tc(command)

    assert live.diff(made) == ["~ eth0 policer: not attached"]
    assert {check.name: check.status for check in health.checks(made, {})} == {"tc.eth0.policer": "bad"}
    live.apply(made, None)
    assert live.diff(made) == []


def test_it_can_be_bypassed_and_that_is_drift(host, generation, come):
    made = generation(link((0, 8_000, 8_000), (3, MBIT, LINK)))
    live.apply(made, None)
    assert come(200, size=1400) < 200

    assert live.bypass("eth0 in", wanted=True)

    assert come(20, size=1400) == 20
    assert live.diff(made) == ["~ eth0 policer: lets everything pass (bypass)"]
    live.apply(made, None)
    assert live.diff(made) == []


def test_nothing_is_left_of_it_once_it_is_not_wanted(host, generation, come):
    before = host.tc("qdisc show")
    live.apply(generation(BOTH), None)
    nothing = generation()

    assert live.diff(nothing) == ["- eth0 policer with all its classes"]
    live.apply(nothing, None)

    assert host.tc("qdisc show") == before
    assert policing.devices() == set()
    assert come(3) == 3
    assert [check.status for check in health.checks(nothing, {})] == ["ok"]


def test_what_others_have_on_arrival_stays(host, generation):
    host.tc("qdisc add dev eth0 clsact")
    host.tc("filter add dev eth0 ingress pref 7 bpf bytecode '1,6 0 0 4294967295,'")
    live.apply(generation(BOTH), None)
    assert "pref 7 " in host.tc("filter show dev eth0 ingress")

    live.apply(generation(), None)

    shown = host.tc("filter show dev eth0 ingress")
    assert "pref 7 " in shown
    assert f"pref {0x1DE} " not in shown
    assert "clsact" in host.tc("qdisc show dev eth0")


def test_an_interface_may_be_policed_one_way_and_shaped_the_other(host, generation, come):
    made = generation(OUT, BOTH)
    live.apply(made, None)

    assert live.diff(made) == []
    assert set(live.counters(made)) == {"eth0", "eth0 in"}
    live.apply(generation(OUT), None)
    assert live.diff(generation(OUT)) == []
    assert come(3) == 3


@pytest.mark.parametrize("step", ["flip", "attach"])
def test_killed_between_any_two_steps_packets_come_in_and_the_next_apply_completes(
    host, generation, come, monkeypatch, step
):
    """The second apply is the one that dies: once the maps are filled, once they are flipped, once it is attached."""
    live.apply(generation(link((0, MBIT, LINK), (3, MBIT, LINK))), None)
    made = generation(BOTH)
    with (made / program.OBJECT).open("ab") as file:
        file.write(b"\0")  # another digest, so that the program is replaced as well
    target, name = (program.Slots, "flip") if step == "flip" else (program, "_attach")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(target, name, killed)
        live.apply(made, None)
    assert come(3) == 3

    live.apply(made, None)

    assert live.diff(made) == []
    assert come(3) == 3


def test_killed_while_it_goes_the_next_apply_completes(host, generation, come, monkeypatch):
    before = host.tc("qdisc show")
    live.apply(generation(BOTH), None)

    def killed(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(program.clsact, "release", killed)
        live.apply(generation(), None)
    assert come(3) == 3

    live.apply(generation(), None)

    assert host.tc("qdisc show") == before
    assert policing.devices() == set()


def test_a_program_the_kernel_refuses_leaves_the_old_one(host, generation, come):
    live.apply(generation(BOTH), None)
    made = generation(link((0, 5 * MBIT, LINK), (3, 2 * MBIT, LINK)))
    shutil.copy("/bin/true", made / program.OBJECT)

    assert "BPF object" in live.problems(made)[0]
    with pytest.raises(Failed):
        live.apply(made, None)

    assert come(3) == 3
    assert "guarantee 2mbit → 5mbit" in live.diff(made)[0]


def test_a_missing_interface_is_named(host, generation):
    made = generation({**BOTH, "ingress": "absent0", "device": "absent0"})

    assert live.problems(made) == ["interface absent0 is not there, whose incoming packets are to be policed"]
    with pytest.raises((Failed, Refused), match="interface absent0 is not there"):
        live.apply(made, None)


def test_a_damaged_file_never_means_that_nothing_is_policed(host, generation):
    made = generation(BOTH)
    (made / "tc.json").write_text('{"interfaces": [], "policers": [{}]}')

    with pytest.raises(Refused, match="cannot be read"):
        policer.load(made)
    with pytest.raises(Refused, match="cannot be read"):
        live.apply(made, None)
    assert load(generation(OUT)) == []
