"""An RPKI cache as operators run it: StayRTR, with a JSON file for what validated."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORT = 3323


@dataclass
class StayRTR:
    """One stayrtr, started in a namespace, on an address there."""

    namespace: Any
    address: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with what it was told to say; it reads that again every second."""
        options = ("-checktime=false", "-refresh", 1, "-metrics.addr", "127.0.0.1:0")
        words = ("stayrtr", "-bind", f"{self._host}:{PORT}", "-cache", self._file, *options)
        with (self.folder / "stayrtr.log").open("wb") as log:
            self.process = subprocess.Popen(self.namespace.command(*words), stdout=log, stderr=log)

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def say(self, *roas: tuple[str, int, int]) -> None:
        """What it says from the next second on: (prefix, longest, AS number)."""
        entries = [{"prefix": prefix, "maxLength": most, "asn": f"AS{asn}", "ta": "test"} for prefix, most, asn in roas]
        aside = self._file.with_suffix(".new")
        aside.write_text(json.dumps({"metadata": {}, "roas": entries}))
        aside.replace(self._file)

    @property
    def _host(self) -> str:
        return f"[{self.address}]" if ":" in self.address else self.address

    @property
    def _file(self) -> Path:
        return self.folder / "vrps.json"
