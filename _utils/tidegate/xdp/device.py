"""What the filter must know about interfaces, read in this process's network namespace."""

from __future__ import annotations

import fcntl
import os
import socket
import struct

from tidegate.bpf import libbpf
from tidegate.xdp.features import Features, features

ONE_PAGE_MTU = 3498
"""The largest MTU whose packets fit one page of 4 KiB with XDP's headroom and the kernel's bookkeeping."""
_SIOCGIFMTU = 0x8921


def mtu(device: str) -> int:
    """The interface's MTU in bytes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFMTU, struct.pack("16si12x", device.encode(), 0))
    return int(struct.unpack("16si12x", answer)[1])


def refuses(device: str, ifindex: int, mode: str) -> str | None:
    """Why the interface cannot run a program in that mode, as far as the kernel tells beforehand."""
    able = features(ifindex)
    if mode != "native" or able is None:
        return None
    if not able & Features.BASIC:
        return "its driver has none; generic mode works on every interface, and is slower"
    if mtu(device) > ONE_PAGE_MTU and not able & Features.MULTI_BUFFER:
        return f"its MTU is {mtu(device)} and its driver takes no packets over {ONE_PAGE_MTU} bytes with XDP"
    return None


def program_name(identifier: int) -> str:
    """A loaded program's name, for people."""
    try:
        descriptor = libbpf.program_by_id(identifier)
    except libbpf.BpfError:
        return "?"
    try:
        return str(libbpf.program_info(descriptor).name.decode(errors="replace"))
    finally:
        os.close(descriptor)
