"""Where things are on a host. Tests and unusual distributions move them by environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Every path Tidegate touches outside the file server."""

    state: Path
    """Generations, the transaction's record, the dead-man's runtime."""
    bpffs: Path
    """Where maps, programs and links are pinned."""
    bird_conf: Path
    """The file BIRD reads when it starts (its ``-c``)."""
    bird_socket: Path
    """BIRD's control socket."""
    run: Path
    """What a boot forgets: the checker's lock and its metrics."""
    sys: Path = Path("/sys")
    """Where the kernel shows its devices."""

    @property
    def generations(self) -> Path:
        """One directory per generation."""
        return self.state / "generations"


def paths() -> Paths:
    """The paths in force, read from ``TIDEGATE_*`` at every call so that a test may move them."""
    get = os.environ.get
    return Paths(
        state=Path(get("TIDEGATE_STATE", "/var/lib/tidegate")),
        bpffs=Path(get("TIDEGATE_BPFFS", "/sys/fs/bpf/tidegate")),
        bird_conf=Path(get("TIDEGATE_BIRD_CONF", "/etc/bird/bird.conf")),
        run=Path(get("TIDEGATE_RUN", "/run/tidegate")),
        sys=Path(get("TIDEGATE_SYS", "/sys")),
        bird_socket=Path(get("TIDEGATE_BIRD_SOCKET", "/run/bird/bird.ctl")),
    )
