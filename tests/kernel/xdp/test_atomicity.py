"""Nothing in between: no packet is judged by a mix of two policies, none passes while a program is replaced."""

from __future__ import annotations

import shutil
import socket
import threading

import pytest

from tidegate.bpf import libbpf
from tidegate.xdp import attachment, live
from tidegate.xdp.packet import frame
from tidegate.xdp.verdict import Packet

UDP = 17
FILLS, REPLACEMENTS = 60, 200


def test_no_packet_is_judged_by_a_mix(bench, rule):
    """Two policies of which each drops one combination. A packet of one's source and the other's port is dropped by
    neither; only tables of both together would drop it. Slots are filled anew each time, while packets are judged.
    """
    odd = rule("drop", "odd", source=["10.1.0.0/16"], destination_port=[[1, 1]])
    even = rule("drop", "even", source=["10.2.0.0/16"], destination_port=[[2, 2]])
    crossed = [
        frame(Packet("lo", source, "198.51.100.2", UDP, 9, port)) for source, port in (("10.1.0.1", 2), ("10.2.0.1", 1))
    ]
    bench.use(odd)
    stop = threading.Event()
    judged = [0, 0]

    def judge(number: int) -> None:
        while not stop.is_set():
            libbpf.test_run(bench.loaded.programs["tidegate_filter"], crossed[number], repeat=100_000)
            judged[number] += 100_000

    threads = [threading.Thread(target=judge, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(FILLS):
            bench.use(even if turn % 2 == 0 else odd)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert bench.totals() == {"passed": sum(judged), "dropped": 0, "hidden": 0, "exempted": 0}
    assert min(judged) > 100_000


def test_no_packet_passes_while_the_program_is_replaced(wire, generation, rule):
    first = generation(rule("drop", devices=("eth0",), protocol=UDP, destination_port=[[9, 9]]))
    other = shutil.copy(first / "xdp.bpf.o", first / "other.bpf.o")
    with other.open("ab") as file:
        file.write(b"\0")
    stop = threading.Event()
    sent = [0]

    def flood() -> None:
        with wire.peer.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.is_set():
                sender.sendto(b"x", ("198.51.100.2", 9))
                sent[0] += 1

    with wire.host.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("198.51.100.2", 9))
        live.apply(first, timeout=None)
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            with (
                attachment.programs(first / "xdp.bpf.o", balances=False) as old,
                attachment.programs(other, balances=False) as new,
            ):
                for turn in range(REPLACEMENTS):
                    attachment.attach("eth0", "native", (new if turn % 2 == 0 else old).filter)
        finally:
            stop.set()
            thread.join()
        with receiver, pytest.raises(BlockingIOError):
            receiver.recv(1, socket.MSG_DONTWAIT)
        assert live.rule_counters()["rule"].packets == sent[0] > 1000
