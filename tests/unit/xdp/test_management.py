"""Who is always spared: the derivation, and reading open SSH sessions from the kernel's tables."""

from __future__ import annotations

import sys
from ipaddress import ip_address

import pytest

from tidegate.xdp.desired import Masters
from tidegate.xdp.management import LOCAL, REMOTE, Peer, peers, ssh_peers

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000     0        0 12345 1\n"


def test_derivation():
    assert peers(["192.0.2.1"], Masters(("2001:db8::1",), (4505, 14506)), ["203.0.113.7"]) == {
        Peer(ip_address("192.0.2.1"), 6, 179, REMOTE),
        Peer(ip_address("192.0.2.1"), 6, 179, LOCAL),
        Peer(ip_address("2001:db8::1"), 6, 4505, REMOTE),
        Peer(ip_address("2001:db8::1"), 6, 14506, REMOTE),
        Peer(ip_address("203.0.113.7"), 6, 22, LOCAL),
    }


@pytest.mark.skipif(sys.byteorder != "little", reason="the samples are of a little-endian machine")
def test_open_ssh_sessions(tmp_path):
    (tmp_path / "tcp").write_text(
        HEADER
        + f"   0: 0100007F:0016 0100007F:C001 0A {REST}"  # listening
        + f"   1: 026433C6:0016 077100CB:C002 01 {REST}"  # 203.0.113.7 to our port 22
        + f"   2: 026433C6:C003 087100CB:0016 01 {REST}"  # we are the client
        + f"   3: 026433C6:0016 097100CB:C002 06 {REST}"  # TIME_WAIT
    )
    (tmp_path / "tcp6").write_text(
        HEADER
        + f"   0: B80D0120000001000000000002000000:0016 B80D0120FFFF00000000000009000000:C002 01 {REST}"
        + f"   1: 0000000000000000FFFF0000026433C6:0016 0000000000000000FFFF00000A7100CB:C002 01 {REST}"
    )
    assert ssh_peers(tmp_path) == ["2001:db8:0:ffff::9", "203.0.113.10", "203.0.113.7"]


def test_no_tables_no_sessions(tmp_path):
    assert ssh_peers(tmp_path) == []
