"""An RPKI cache of a few ROAs and ASPAs: as much of RTR (RFC 6810, RFC 8210, the draft after it) as a router asks."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections.abc import Mapping, Sequence

NOTIFY, SERIAL_QUERY, RESET_QUERY, RESPONSE, IPV4, IPV6, END, RESET, ASPA = 0, 1, 2, 3, 4, 6, 7, 8, 11


class Cache:
    """Listens on a port of the namespace in which it is made.

    ``roas`` are (prefix, longest, AS number), ``aspas`` AS number → its providers' (to routers that speak version 2).
    """

    def __init__(self, port: int = 3323, address: str = "127.0.0.1") -> None:
        self.roas: list[tuple[str, int, int]] = []
        self.aspas: dict[int, Sequence[int]] = {}
        self._serial = 1
        self._routers: list[tuple[socket.socket, int]] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family)
        threading.Thread(target=self._listen, daemon=True).start()

    def say(self, *roas: tuple[str, int, int], aspas: Mapping[int, Sequence[int]] | None = None) -> None:
        """Replace what the cache says, and tell the routers."""
        self.roas, self.aspas, self._serial = list(roas), dict(aspas or {}), self._serial + 1
        for router, version in self._routers:
            router.sendall(struct.pack("!BBHII", version, NOTIFY, 7, 12, self._serial))

    def close(self) -> None:
        self._listener.close()
        for router, _ in self._routers:
            router.close()

    def _listen(self) -> None:
        while True:
            try:
                router, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(router,), daemon=True).start()

    def _serve(self, router: socket.socket) -> None:
        try:
            while head := router.recv(8, socket.MSG_WAITALL):
                version, kind, _, length = struct.unpack("!BBHI", head)
                body = router.recv(length - 8, socket.MSG_WAITALL) if length > 8 else b""
                if (router, version) not in self._routers:
                    self._routers.append((router, version))
                current = kind == SERIAL_QUERY and body == struct.pack("!I", self._serial)
                if kind == RESET_QUERY or current:
                    router.sendall(self._answer(version, *([], {}) if current else (self.roas, self.aspas)))
                elif kind == SERIAL_QUERY:
                    router.sendall(struct.pack("!BBHI", version, RESET, 0, 8))
        except OSError:
            return

    def _answer(self, version: int, roas: list[tuple[str, int, int]], aspas: Mapping[int, Sequence[int]]) -> bytes:
        text = struct.pack("!BBHI", version, RESPONSE, 7, 8)
        for prefix, longest, asn in roas:
            net = ipaddress.ip_network(prefix)
            packed = net.network_address.packed
            kind = IPV4 if net.version == 4 else IPV6
            text += struct.pack("!BBHI", version, kind, 0, 16 + len(packed))
            text += struct.pack("!BBBB", 1, net.prefixlen, longest, 0) + packed + struct.pack("!I", asn)
        for asn, providers in aspas.items() if version >= 2 else ():
            text += struct.pack("!BBBBII", version, ASPA, 1, 0, 12 + 4 * len(providers), asn)
            text += struct.pack(f"!{len(providers)}I", *providers)
        times = struct.pack("!III", 900, 90, 7200) if version else b""
        return text + struct.pack("!BBHII", version, END, 7, 12 + len(times), self._serial) + times
