"""An interface's queues on the way out: how many it has, and who chooses among them.

The classifier says a packet's queue, but the maps of XPS (transmit packet steering: ``xps_cpus`` and ``xps_rxqs``, see
Documentation/networking/scaling.rst of the kernel) go before it: by the processor that sends. Many drivers fill them as
the interface comes up, so a host with empty ones is the exception, and to refuse all others would refuse the hosts that
the queues are for. While a tree needs the queues the maps are empty, then; what they held is kept in ``STATE/xps/`` and
put back when no tree does. A driver that fills them again, as the link is reset, is found as a difference.

/sys shows the interfaces of the namespace it was mounted in, so it is believed only if it shows the one that is meant.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from tidegate.bpf import pins
from tidegate.host import durable
from tidegate.host.device import index
from tidegate.host.errors import Failed
from tidegate.host.paths import paths
from tidegate.tc.tree import Tree

_GET_ADDRESS = 0x8927
"""``SIOCGIFHWADDR``."""
_EMPTY = "0"


def obstacle(tree: Tree) -> str | None:
    """Why the tree's queues cannot be had."""
    if not tree.queues:
        return None
    try:
        count = len(list(_shown(tree.device).glob("queues/tx-*")))
    except Failed as error:
        return str(error)
    if count < tree.queues:
        return (
            f"{tree.device} has {count} transmit {'queue' if count == 1 else 'queues'}, and the policy asks for"
            f" {tree.queues}: ask for fewer, or give it more (ethtool -L)"
        )
    return None


def flaw(tree: Tree) -> str | None:
    """Why XPS is not as it should be beside the tree, or ``None`` if it is."""
    if not tree.queues:
        return "was emptied for queues and is not put back" if _note(tree.device).exists() else None
    try:
        queues = sorted({file.split("/")[0] for file in _filled(_shown(tree.device))})
    except (Failed, OSError) as error:
        return str(error)
    return f"chooses {', '.join(queues)} instead of the classifier" if queues else None


def settle(tree: Tree) -> None:
    """Empty XPS's maps if the tree has queues, keeping what they hold first; else put back what is kept."""
    if not tree.queues:
        restore(tree.device)
        return
    directory, note = _shown(tree.device), _note(tree.device)
    filled = _filled(directory)
    if filled:
        note.parent.mkdir(parents=True, exist_ok=True)
        durable.write_json(note, {**(durable.read_json(note) or {}), **filled})
    for name in filled:
        _write(directory, name, _EMPTY)


def restore(device: str) -> None:
    """Put back what XPS's maps held, if they were emptied and the interface is there."""
    note = _note(device)
    kept: dict[str, str] = durable.read_json(note) or {}
    if kept and index(device) is not None:
        directory = _shown(device)
        for name, value in kept.items():
            if (directory / "queues" / name).exists():
                _write(directory, name, value)
    note.unlink(missing_ok=True)


def devices() -> set[str]:
    """The interfaces whose maps were emptied."""
    folder = paths().state / "xps"
    return {pins.device(path.name) for path in folder.iterdir()} if folder.is_dir() else set()


def _filled(directory: Path) -> dict[str, str]:
    """The maps that are not empty, as ``{"tx-0/xps_cpus": "3"}``."""
    return {name: value for name, value in _maps(directory) if value.strip("0,")}


def _maps(directory: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(directory.glob("queues/tx-*/xps_*")):
        try:
            yield f"{path.parent.name}/{path.name}", path.read_text().strip()
        except OSError as error:
            if error.errno != errno.ENOENT:  # what the kernel says of an interface with one queue
                raise


def _write(directory: Path, name: str, value: str) -> None:
    try:
        (directory / "queues" / name).write_text(value)
    except OSError as error:
        raise Failed(f"{directory.name}: XPS of {name} cannot be set to {value} ({error.strerror})") from None


def _shown(device: str) -> Path:
    """Where /sys shows the interface; raises ``Failed`` if it does not, or shows one of another namespace."""
    directory = paths().sys / "class" / "net" / device
    try:
        same = (directory / "address").read_text().strip() == _address(device)
        same = same and int((directory / "ifindex").read_text()) == index(device)
    except (OSError, ValueError):
        same = False
    if not same:
        raise Failed(f"the queues of {device} cannot be seen: {paths().sys} does not show this interface")
    return directory


def _address(device: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        found = fcntl.ioctl(any_socket, _GET_ADDRESS, struct.pack("16s24x", device.encode()[:15]))
    return found[18:24].hex(":")


def _note(device: str) -> Path:
    return paths().state / "xps" / pins.name(device)
