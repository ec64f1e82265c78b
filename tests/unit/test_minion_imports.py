"""What a minion loads imports with what Salt brings; what the dead-man needs, with the standard library alone."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "_utils"
MASTER_ONLY = ("policy", "cli", "release", "rollout", "judge")
MASTER_LIBRARIES = (
    "pydantic",
    "pydantic_core",
    "sqlalchemy",
    "typer",
    "rich",
    "click",
    "alembic",
    "prometheus_client",
    "numpy",
    "scipy",
    "matplotlib",
)
SALT_LIBRARIES = ("jinja2", "yaml", "salt", "msgpack")

# Each import stands alone as far as it can: what an earlier one brought in is taken out again.
PROGRAM = """
import importlib, json, sys, traceback
library, blocked, names = json.loads(sys.argv[1])
sys.path.insert(0, library)
sys.modules.update(dict.fromkeys(blocked))
failures = {}
for name in names:
    try:
        importlib.import_module(name)
    except BaseException:
        failures[name] = traceback.format_exc()
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == "tidegate"]:
        del sys.modules[loaded]
print(json.dumps(failures))
"""


def modules():
    """Every module that minions load, by dotted name."""
    paths = sorted((LIBRARY / "tidegate").rglob("*.py"))
    parts = [path.relative_to(LIBRARY).with_suffix("").parts for path in paths]
    return [".".join(p for p in names if p != "__init__") for names in parts if names[1] not in MASTER_ONLY]


def survives_alone(name):
    """Whether the dead-man, the restore at boot or the checker need the module: the system's Python runs it."""
    parts = name.split(".")
    return parts[1:2] in (["host"], ["bpf"], ["checker"]) or parts[-1] in ("live", "health")


@cache
def failures(blocked, names):
    program = [sys.executable, "-I", "-c", PROGRAM, json.dumps([str(LIBRARY), blocked, names])]
    outcome = subprocess.run(program, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(outcome.stdout)


@pytest.mark.parametrize("name", modules())
def test_a_module_of_the_minion_imports_with_what_salt_brings(name):
    assert failures(MASTER_LIBRARIES, tuple(modules())).get(name) is None


@pytest.mark.parametrize("name", list(filter(survives_alone, modules())))
def test_a_module_of_the_dead_man_imports_with_the_standard_library_alone(name):
    assert failures(MASTER_LIBRARIES + SALT_LIBRARIES, tuple(filter(survives_alone, modules()))).get(name) is None


def test_the_block_blocks():
    assert "pydantic" in failures(MASTER_LIBRARIES, ("tidegate.policy.model",))["tidegate.policy.model"]
    assert "jinja2" in failures(SALT_LIBRARIES, ("tidegate.bird.render",))["tidegate.bird.render"]
