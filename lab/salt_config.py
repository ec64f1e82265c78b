"""Salt's configuration in the lab: the documented one of a real master and minion, plus what makes a lab quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

REPO = "/srv/tidegate"
"""Where the master sees the repository, read-only."""
OVERRIDES = "/srv/lab/salt"
"""Where the master finds a state tree that goes before the repository's; empty unless somebody overrides something."""
STORE = "/var/lib/tidegate-master/store.db"
"""Where the master keeps releases and rollouts."""
METRICS_PORT = 9479
"""Where its engine serves metrics of rollouts."""


def master(repo: Path) -> str:
    """``/etc/salt/master.d/lab.conf``; folders that the repository does not have are left out."""
    folders = {"runner_dirs": "_runners", "engines_dirs": "_engines", "pillar_dirs": "_pillar", "utils_dirs": "_utils"}
    config: dict[str, Any] = {
        # First what the lab overrides, as a site would; then the repository.
        "file_roots": {"base": [OVERRIDES, f"{REPO}/salt"]},
        # A copy that belongs to the lab: `lab policy DIR` replaces it, the repository stays as it is.
        "pillar_roots": {"base": ["/srv/pillar"]},
        "auto_accept": True,
        "log_level": "warning",
        "log_level_logfile": "warning",
        # Not more: in Salt 3008 two workers that meet a new minion at the same instant may make two session keys, and
        # each keeps its own for a day ("message authentication failed", now and then).
        "worker_threads": 1,
        "timeout": 10,
        # A rollout reads what hosts returned from the job cache: it must outlive the longest pause of one.
        "keep_jobs_seconds": 7 * 24 * 3600,
        "tidegate": {"store": STORE, "metrics": {"port": METRICS_PORT}},
        **{option: [f"{REPO}/{folder}"] for option, folder in folders.items() if (repo / folder).is_dir()},
    }
    if (repo / "_pillar" / "tidegate.py").exists():
        config["ext_pillar"] = [{"tidegate": {}}]
    if (repo / "_engines" / "tidegate.py").exists():
        config["engines"] = [{"tidegate": {}}]
    return yaml.safe_dump(config, sort_keys=False)


def minion(minion_id: str, master_address: str) -> str:
    """``/etc/salt/minion.d/lab.conf``."""
    config = {
        "id": minion_id,
        "master": master_address,
        "log_level": "warning",
        "log_level_logfile": "warning",
        # A minion that lost its master tries again at once, and notices within seconds.
        "recon_default": 100,
        "recon_max": 1000,
        "random_reauth_delay": 1,
        "acceptance_wait_time": 1,
        "auth_timeout": 3,
        # A change may cut the way to the master for as long as a host looks for a way home: what it returned afterwards
        # must not be given up before.
        "return_retry_tries": 12,
        "tcp_keepalive_idle": 5,
        "tcp_keepalive_cnt": 3,
        "tcp_keepalive_intvl": 2,
        # There is no DNS and no graphics card to ask.
        "enable_fqdns_grains": False,
        "enable_gpu_grains": False,
    }
    return yaml.safe_dump(config, sort_keys=False)
