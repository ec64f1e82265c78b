"""How a policy chooses hosts and sessions: by label, everywhere in the same way, and never by leaving something out."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import Self

from tidegate.policy.errors import unlike
from tidegate.policy.strict import Name, Several, Strict, one_or_more, spelt

Role = Literal["provider", "customer", "peer", "rs", "rs-client", "ibgp"]
"""What the neighbor is to us (RFC 9234), or our own router (``ibgp``). ``rs``: an exchange's route server."""
ROLES: tuple[str, ...] = get_args(Role)

GLOB = "*?["
PATTERN = r"[A-Za-z0-9*?\[][A-Za-z0-9_.*?\[\]!-]{0,63}"
_PATTERN = spelt(PATTERN, "a name, in which '*', '?' and '[…]' match as in a shell")

_NAME = {"type": "string"}
Names = Annotated[tuple[Name, ...], Several, WithJsonSchema(one_or_more(_NAME))]
Patterns = Annotated[tuple[Annotated[str, _PATTERN], ...], Several, WithJsonSchema(one_or_more(_NAME))]
Roles = Annotated[tuple[Role, ...], Several, WithJsonSchema(one_or_more({"enum": list(ROLES)}))]


class Selector(Strict):
    """A mapping of labels, all of which must hold, or the word ``all``. Empty is an error: missing never means all."""

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if value == "all":
            return cls.model_construct()
        if value is None or value == {}:
            raise unlike(f"labels ({', '.join(cls.labels())}), or the word 'all'", "Empty never means all.")
        if isinstance(value, str | list):
            raise unlike(f"labels ({', '.join(cls.labels())}), or the word 'all'")
        return handler(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The mapping, or the word ``all``."""
        mapping = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"const": "all"}, {**mapping, "minProperties": 1}], "description": cls.__doc__}

    @classmethod
    def labels(cls) -> list[str]:
        """The labels that may be given, as they are written."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @property
    def everything(self) -> bool:
        """Whether the policy said ``all``."""
        return not self.chosen

    @property
    def chosen(self) -> dict[str, tuple[str, ...]]:
        """Label → the values of which one must hold, as written; empty for ``all``."""
        return {
            field.alias or name: values
            for name, field in type(self).model_fields.items()
            if (values := getattr(self, name)) is not None
        }

    def __str__(self) -> str:
        """The selector in YAML's flow style."""
        if self.everything:
            return "all"
        return "{" + ", ".join(f"{label}: {_flow(values)}" for label, values in self.chosen.items()) + "}"


class Match(Selector):
    """Which hosts: labels that must all hold (a list: any of them), or the word ``all``."""

    region: Names | None = Field(default=None, description="Region of the host's PoP; a list means any of them.")
    pop: Names | None = Field(default=None, description="PoP of the host; a list means any of them.")
    host: Patterns | None = Field(default=None, description="Host name; `*`, `?` and `[…]` match as in a shell.")
    role: Names | None = Field(default=None, description="Role of the host, such as edge.")
    class_: Names | None = Field(default=None, alias="class", description="Hardware and topology class of the host.")


class Recipients(Selector):
    """Which sessions of a host: by the neighbor's role or name (both: both must hold), or the word ``all``."""

    role: Roles | None = Field(
        default=None, description="Role of the neighbor: provider, peer, customer, rs, rs-client or ibgp."
    )
    neighbor: Patterns | None = Field(
        default=None, description="Name of the neighbor; `*`, `?` and `[…]` match as in a shell."
    )


def is_glob(pattern: str) -> bool:
    """Whether a pattern can match more than one name."""
    return any(sign in pattern for sign in GLOB)


def _flow(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else "[" + ", ".join(values) + "]"
