"""What a minion loads imports with what Salt brings; what the dead-man needs, with the standard library alone."""

import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "_utils"
MASTER_ONLY = ("policy", "cli", "release", "rollout", "judge")
MASTER_LIBRARIES = ["pydantic", "pydantic_core", "sqlalchemy", "typer", "rich", "click"]
SALT_LIBRARIES = ["jinja2", "yaml", "salt", "msgpack"]


def modules():
    paths = sorted((LIBRARY / "tidegate").rglob("*.py"))
    relative = [path.relative_to(LIBRARY).with_suffix("") for path in paths]
    return [path for path in relative if path.parts[1] not in MASTER_ONLY]


def survives_alone(path):
    """Whether the dead-man and the restore at boot need the module: the system's Python runs it."""
    return path.parts[1] in ("host", "bpf") or path.name in ("live", "health")


def imported(path, blocked):
    name = ".".join(part for part in path.parts if part != "__init__")
    program = (
        f"import sys\nsys.path.insert(0, {str(LIBRARY)!r})\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        f"import {name}\n"
    )
    return subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_module_of_the_minion_imports_there(path):
    blocked = MASTER_LIBRARIES + (SALT_LIBRARIES if survives_alone(path) else [])
    outcome = imported(path, blocked)
    assert outcome.returncode == 0, outcome.stderr


def test_the_block_blocks():
    outcome = imported(Path("tidegate/policy/model"), MASTER_LIBRARIES)
    assert "pydantic" in outcome.stderr
