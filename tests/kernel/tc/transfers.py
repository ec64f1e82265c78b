"""Two TCP transfers beside each other: what happens to one and not to the other was done to it."""

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import groupby
from statistics import median

SAMPLE = 0.05
"""Seconds."""
LOW = 0.9

_SEND = """
import select, socket, struct, sys
poll, sockets = select.poll(), {}
for address in sys.argv[1:]:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    sock.connect((address, 4000))
    sock.setblocking(False)
    sockets[sock.fileno()] = sock
    poll.register(sock, select.POLLOUT)
poll.register(0, select.POLLIN)
while True:
    for number, _ in poll.poll():
        if number == 0:
            told = [sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104) for sock in sockets.values()]
            print(*(struct.unpack_from("=I", each, 100)[0] for each in told))  # tcpi_total_retrans
            sys.exit()
        try:
            sockets[number].send(bytes(4096))
        except BlockingIOError:
            pass
"""
_RECEIVE = """
import json, select, socket, sys, time
length, addresses = float(sys.argv[1]), sys.argv[2:]
poll, sockets, samples = select.poll(), {}, {}
listening = [socket.create_server((address, 4000)) for address in addresses]
print("listening", flush=True)
for number, each in enumerate(listening):
    sock, _ = each.accept()
    sockets[sock.fileno()] = sock, number
    poll.register(sock, select.POLLIN)
poll.register(0, select.POLLIN)
while True:
    for number, _ in poll.poll():
        if number == 0:
            print(json.dumps(samples))
            sys.exit()
        sock, transfer = sockets[number]
        size = len(sock.recv(1 << 16))
        at = samples.setdefault(int(time.monotonic() / length), [0] * len(listening))
        at[transfer] += size
"""


@dataclass
class Transfers:
    """For each transfer: the bytes that came, by samples, and how many segments were sent again."""

    samples: list[list[int]] = field(default_factory=list)
    again: list[int] = field(default_factory=list)


@contextlib.contextmanager
def transfers(sender, receiver, *addresses):
    """Run one transfer to each address; give what was seen of them, filled in the end.

    One process sends all of them and one receives them, so a machine that is busy elsewhere slows all alike.
    """
    found = Transfers()
    words = [sys.executable, "-c"]
    receiving = subprocess.Popen(
        receiver.command(*words, _RECEIVE, SAMPLE, *addresses), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert receiving.stdout.readline() == "listening\n"
        sending = subprocess.Popen(
            sender.command(*words, _SEND, *addresses), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            yield found
            found.again = [int(count) for count in sending.communicate("end\n", timeout=10)[0].split()]
            text, _ = receiving.communicate("end\n", timeout=10)
        finally:
            sending.kill()
            sending.wait()
    finally:
        receiving.kill()
        receiving.wait()
    samples = {int(number): sizes for number, sizes in json.loads(text).items()}
    nothing = [0] * len(addresses)
    # The first second is TCP's to find its rate; the last sample is not whole.
    span = range(min(samples) + round(1 / SAMPLE), max(samples))
    found.samples = [samples.get(number, nothing) for number in span]


def longest_dip(samples):
    """Seconds for which the first had less than nine tenths of its usual rate, and of the second's part of its own."""
    usual = [median(sizes) for sizes in zip(*samples, strict=True)]
    low = [sample[0] / usual[0] < LOW * min(1, sample[1] / usual[1]) for sample in samples]
    return SAMPLE * max((sum(1 for _ in run) for is_low, run in groupby(low) if is_low), default=0)
