"""Staging: a plan becomes a generation on this host, proven as far as it can be without touching traffic."""

from __future__ import annotations

import json
import secrets as randomness
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import tidegate.bird.live
import tidegate.bird.render
import tidegate.tc.render
import tidegate.xdp.render
from tidegate.host import durable, generation, runtime, transaction
from tidegate.host.errors import Refused
from tidegate.host.generation import Generation
from tidegate.host.order import PERSON, Order
from tidegate.host.paths import paths
from tidegate.host.plan import Plan


@dataclass(frozen=True)
class Sources:
    """What rendering needs beside the plan: the templates' folder, the BPF objects by file name, the secrets by
    reference, and the masters' addresses with the ports the minion reaches them at."""

    templates: Path
    objects: Mapping[str, Path]
    secrets: Mapping[str, str]
    masters: Sequence[str] = ()
    publish_port: int = 4505
    return_port: int = 4506


@dataclass(frozen=True)
class Staged:
    """A generation ready to be applied, and what that would change, by subsystem."""

    generation: Generation
    changes: Mapping[str, list[str]]
    confirmed: str | None
    overtook: str | None = None
    """The generation of the change that was undone to make way for this one."""

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do at all."""
        return bool(self.changes) or self.confirmed != self.generation.id


def prepare(plan: Plan, sources: Sources, timeout: int, order: Order = PERSON) -> Staged:
    """Write the generation and, if it would change anything, arm the dead-man; nothing else is touched.

    A change to the same generation that is under way is taken up again, under the dead-man it already has. One to
    another generation makes way for a rollout, and for nobody else.

    Raises:
        Refused: the host cannot run the plan (every reason is in the text), or must not try it again.
        Failed: the dead-man could not be armed.
    """
    generation.ensure_state()
    target = generation.create(render(plan, sources, _key()), plan.digest, runtime.install())
    undone = transaction.make_way(target, order)
    staged = replace(_examine(target), overtook=undone.generation if undone else None)
    if staged.is_needed and transaction.take_up(target, order) is None:
        transaction.arm(target, timeout, order)
    return staged


def preview(plan: Plan, sources: Sources) -> Staged:
    """What ``prepare`` would find, from files in a folder that is gone when this returns. Changes nothing."""
    with _scratch() as directory:
        files = render(plan, sources, _key(make=False))
        generation.write_files(directory, files)
        target = generation.describe(files, plan.digest, runtime.digest(), directory.parent)
        return _examine(replace(target, directory=directory))


def render(plan: Plan, sources: Sources, key: bytes) -> dict[str, bytes]:
    """Every file of the generation: pure but for reading the templates and objects and asking BIRD its version."""
    texts = {"plan.json": plan.canonical(), "management.json": _management(sources)}
    texts |= tidegate.xdp.render.render(plan.xdp)
    texts |= tidegate.tc.render.render(plan.tc)
    if plan.bird is not None:
        version = tidegate.bird.live.version()
        texts |= tidegate.bird.render.render(
            plan.bird, version=version, templates=sources.templates, secrets=sources.secrets, key=key
        )
    files = {name: text.encode() for name, text in texts.items()}
    return files | {name: path.read_bytes() for name, path in sources.objects.items()}


def _examine(target: Generation) -> Staged:
    gone = transaction.dropped(target)
    if gone:
        raise Refused(
            f"the plan no longer speaks of {', '.join(gone)}, which this host runs from its confirmed generation. "
            "A missing section never means remove; say it in the policy (for example an empty list of neighbors)"
        )
    confirmed = generation.linked("confirmed")
    staged = Staged(target, transaction.diff(target), confirmed.id if confirmed else None)
    # What already runs has proven itself; a highstate without changes should cost next to nothing.
    reasons = transaction.problems(target) if staged.is_needed else []
    if reasons:
        listed = "\n".join(f"- {why}" for why in reasons)
        raise Refused(f"this host cannot run the plan; nothing was touched:\n{listed}")
    return staged


def _management(sources: Sources) -> str:
    document = {
        "masters": sorted(sources.masters),
        "publish_port": sources.publish_port,
        "return_port": sources.return_port,
    }
    return json.dumps(document, sort_keys=True) + "\n"


def _key(make: bool = True) -> bytes:
    """This host's own key for the marker in ``bird.conf``; never leaves the host."""
    path = paths().state / "key"
    if path.is_file():
        return path.read_bytes()
    key = randomness.token_bytes(32)
    if make:
        durable.write(path, key, 0o600)
    return key


@contextmanager
def _scratch() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="tidegate-preview-", dir="/run"))
    try:
        # BIRD checks the candidate as its own user and must be able to reach it.
        directory.chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
