"""A neighbor that is no BIRD: GoBGP in a namespace, which announces what it is told to, when it is told to."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .conftest import until

CONFIG = """
[global.config]
  as = {asn}
  router-id = "{router_id}"
  port = -1
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{neighbor}"
    peer-as = {neighbor_asn}
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "{family}-unicast"
"""


@dataclass
class GoBGP:
    """One gobgpd, started in a namespace; it calls its neighbor and is not called."""

    namespace: Any
    folder: Path
    family: str
    process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: Any) -> None:
        """Start it with what `CONFIG` names, and wait until it answers."""
        conf = self.folder / "gobgpd.toml"
        conf.write_text(CONFIG.format(family=self.family, **settings))
        words = ("gobgpd", "-f", conf, "--api-hosts=127.0.0.1:50051", "--pprof-disable", "-p")
        with conf.with_suffix(".log").open("wb") as log:
            self.process = subprocess.Popen(self.namespace.command(*words), stdout=log, stderr=log)
        until(lambda: "Neighbor" in self._ask("neighbor") or "Peer" in self._ask("neighbor"), "gobgpd answers", 10)

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def say(self, prefix: str, *attributes: str) -> None:
        """Announce a prefix, with attributes as ``gobgp`` takes them."""
        self.namespace.run("gobgp", "global", "rib", "-a", self.family, "add", prefix, *attributes)

    def unsay(self, prefix: str) -> None:
        """Withdraw a prefix."""
        self.namespace.run("gobgp", "global", "rib", "-a", self.family, "del", prefix)

    def hears(self) -> str:
        """The routes that its neighbor told it."""
        return self._ask("global", "rib", "-a", self.family)

    def _ask(self, *words: str) -> str:
        return str(self.namespace.run("gobgp", *words, check=False))
