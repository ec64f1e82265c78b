"""Where a minion gets its plan, templates, objects and secrets: pillar and the file server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tidegate.host.errors import Refused
from tidegate.host.plan import Plan
from tidegate.minion import master
from tidegate.minion.stage import Sources

OBJECTS = ("xdp.bpf.o", "tc.bpf.o")
_TEMPLATES = "salt://traffic/templates"
_OBJECTS = "salt://traffic/bpf"


def plan(pillar: Mapping[str, Any], opts: Mapping[str, Any]) -> Plan:
    """The plan in ``pillar['traffic']``, whole and meant for this minion.

    Raises:
        Refused: missing, empty, damaged, of a newer schema, masked, or another host's.
    """
    if "traffic" not in pillar:
        raise Refused(
            f"minion {opts['id']} has no plan: pillar has no 'traffic'. Either the policy's fleet does not list it "
            "(traffic.fleet.hosts), or the master's ext_pillar 'tidegate' failed or is not set up: see the master's log"
        )
    return Plan.from_document(plain(pillar["traffic"]), host=opts["id"])


def operations(pillar: Mapping[str, Any]) -> dict[str, Any]:
    """What people have put to this host beside its plan (``traffic_operations``); empty if there is nothing."""
    found = plain(pillar["traffic_operations"]) if "traffic_operations" in pillar else {}
    return found if isinstance(found, dict) else {}


def collect(salt: Mapping[str, Callable[..., Any]], pillar: Mapping[str, Any], opts: Mapping[str, Any]) -> Sources:
    """Fetch templates and BPF objects, and pick the secrets out of pillar (``traffic_secrets``).

    Raises:
        Refused: the file server does not have them.
    """
    saltenv = opts.get("saltenv") or "base"
    secrets = plain(pillar["traffic_secrets"]) if "traffic_secrets" in pillar else {}
    return Sources(
        templates=_templates(salt, saltenv),
        objects={name: _object(salt, name, saltenv) for name in OBJECTS},
        secrets={str(key): str(value) for key, value in secrets.items()},
        masters=master.addresses(opts),
        publish_port=int(opts.get("publish_port") or 4505),
        return_port=int(opts.get("master_port") or 4506),
    )


def plain(value: Any) -> Any:
    """Pillar data as plain data: Salt 3008 wraps it in types that print masked."""
    return json.loads(json.dumps(value))


def _templates(salt: Mapping[str, Callable[..., Any]], saltenv: str) -> Path:
    files = salt["cp.cache_dir"](_TEMPLATES, saltenv=saltenv)
    for file in files or []:
        for parent in Path(file).parents:
            if parent.name == "templates" and parent.parent.name == "traffic":
                return parent
    raise Refused(f"the file server has no {_TEMPLATES}: is file_roots the folder salt/ of Tidegate?")


def _object(salt: Mapping[str, Callable[..., Any]], name: str, saltenv: str) -> Path:
    file = salt["cp.cache_file"](f"{_OBJECTS}/{name}", saltenv=saltenv)
    if not file:
        raise Refused(f"the file server has no {_OBJECTS}/{name}: build it on the master with script/setup")
    return Path(file)
