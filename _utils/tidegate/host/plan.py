"""One host's plan: a small JSON document that names its own digest, and is refused unless everything about it fits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from tidegate.bird.section import BirdSection
from tidegate.host.errors import Refused
from tidegate.tc.section import TcSection
from tidegate.xdp.section import XdpSection

SCHEMA = 1
"""The newest shape of a plan that this library knows."""

SECTIONS = ("bird", "tc", "xdp")
LABELS = ("host", "pop", "region", "role", "class")
KEYS = {"schema", "digest", "host", "labels", *SECTIONS}

MASK = "**********"
"""What Salt 3008 shows instead of a pillar value it masks; the plan then reached us by the wrong way."""


@dataclass(frozen=True)
class Plan:
    """A plan that has been checked. ``document`` is what was compiled, and is never changed."""

    document: Mapping[str, Any]

    @classmethod
    def from_document(cls, document: Any, host: str | None = None) -> Plan:
        """A plan out of what arrived in pillar.

        Args:
            document: ``pillar["traffic"]`` as plain data (``json.loads(json.dumps(…))`` at the Salt face).
            host: The id of the minion that received it; ``None`` does not ask.

        Raises:
            Refused: Missing, empty, masked, newer, incomplete, altered or another host's; one sentence says which.
        """
        if reason := reason_to_refuse(document, host):
            raise Refused(reason)
        return cls(document)

    @property
    def host(self) -> str:
        """The minion id it was compiled for."""
        return str(self.document["host"])

    @property
    def digest(self) -> str:
        """Its content's name: sha256 in hex."""
        return str(self.document["digest"])

    @property
    def labels(self) -> dict[str, str]:
        """Host, pop, region, role and class."""
        return dict(self.document["labels"])

    @property
    def bird(self) -> BirdSection | None:
        """Sessions and announcements; ``None`` leaves BIRD alone."""
        return cast("BirdSection | None", self.document["bird"])

    @property
    def tc(self) -> TcSection:
        """Shaped interfaces."""
        return cast("TcSection", self.document["tc"])

    @property
    def xdp(self) -> XdpSection:
        """The filter."""
        return cast("XdpSection", self.document["xdp"])

    def canonical(self) -> str:
        """The whole document, digest included, in its one spelling."""
        return canonical(self.document)


def reason_to_refuse(document: Any, host: str | None = None) -> str | None:
    """The first thing that is wrong with a plan, in one sentence, or ``None``."""
    if not document:
        return "The plan is empty: pillar has 'traffic' with nothing in it; something other than the ext_pillar set it."
    if not isinstance(document, Mapping):
        return f"The plan is a {type(document).__name__}, not a mapping: something else is in pillar under 'traffic'."
    if "refused" in document:
        return f"The master has no plan to give: {document['refused']}"
    if _masked(document):
        return "The plan is masked: read it from __pillar__ by index, because pillar.get gives stars for values."
    return _wrong_schema(document.get("schema")) or _wrong_shape(document) or _wrong_identity(document, host)


def _wrong_schema(schema: Any) -> str | None:
    if not isinstance(schema, int) or isinstance(schema, bool):
        return "The plan has no schema: pillar under 'traffic' is not what Tidegate compiles (top.sls?)."
    if schema > SCHEMA:
        return f"The plan has schema {schema} but this host knows up to {SCHEMA}: sync the library (saltutil.sync_all)."
    if schema < SCHEMA:
        return f"The plan has schema {schema}, which is older than this host's {SCHEMA}: update the master's library."
    return None


def _wrong_shape(document: Mapping[str, Any]) -> str | None:
    if missing := sorted(KEYS - document.keys()):
        return f"The plan is incomplete: {', '.join(missing)} missing."
    if unknown := sorted(map(str, document.keys() - KEYS)):
        return f"The plan holds what this host does not know: {', '.join(unknown)}."
    for section in SECTIONS:
        if not isinstance(document[section], Mapping) and not (section == "bird" and document[section] is None):
            return f"The plan's section '{section}' is a {type(document[section]).__name__}, not a mapping."
    if not isinstance(document["labels"], Mapping) or set(document["labels"]) != set(LABELS):
        return f"The plan's labels are not {', '.join(LABELS)}."
    return None


def _wrong_identity(document: Mapping[str, Any], host: str | None) -> str | None:
    try:
        found = digest_of(document)
    except (TypeError, ValueError) as error:
        return f"The plan holds what JSON cannot: {error}."
    if found != document["digest"]:
        return f"The plan was altered on its way: its digest says {document['digest']!s:.12}, its content {found:.12}."
    if host is not None and document["host"] != host:
        return f"The plan is for {document['host']}, but this host is {host}."
    return None


def seal(document: Mapping[str, Any], spelt: Mapping[str, str] | None = None) -> Plan:
    """A compiled document as a plan, with its digest put in.

    Args:
        document: Everything but the digest.
        spelt: The canonical form of some of its values, by key, where the caller has it already.
    """
    known = spelt or {}
    text = joined({key: known.get(key) or canonical(value) for key, value in document.items()})
    return Plan({**document, "digest": _sha256(text)})


def digest_of(document: Mapping[str, Any]) -> str:
    """sha256 in hex over the canonical form, as UTF-8, of everything but the digest itself."""
    content = {key: value for key, value in document.items() if key != "digest"}
    return _sha256(canonical(content))


def canonical(document: Any) -> str:
    """One spelling for equal documents: keys sorted, no spaces, nothing escaped that need not be."""
    return _ENCODER.encode(document)


def joined(spelt: Mapping[str, str]) -> str:
    """The canonical form of a mapping whose values are in canonical form already."""
    return "{" + ",".join(f"{_ENCODER.encode(key)}:{text}" for key, text in sorted(spelt.items())) + "}"


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _masked(value: Any) -> bool:
    if isinstance(value, str):
        return value == MASK
    if isinstance(value, Mapping):
        return any(map(_masked, value.values()))
    return isinstance(value, list) and any(map(_masked, value))
