"""What a user says of their own case: errors name a field and what is accepted, `repr` keeps the figures to itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from hardware_specs._base import Spec, problem

if TYPE_CHECKING:
    from pydantic_core import InitErrorDetails

_SHARES = frozenset(
    {"discount_rate", "growth_per_year", "headroom", "level", "load", "spares_confidence", "tokens_per_s_error"}
)
_OF_BOUNDS = ("less_than", "greater_than", "float_type")


def share_hint(field: str) -> str:
    """Return what a message on a share adds for whoever typed percent; nothing on another field."""
    return " (a share: 0.4 is 40 %)" if field in _SHARES or "share" in field.split("_") else ""


class Private(Spec):
    """A table whose values no message repeats, and whose shares are told from percent."""

    hides_values: ClassVar[bool] = True

    @classmethod
    def _explain(cls, line: dict[str, Any]) -> InitErrorDetails:
        found = super()._explain(line)
        hint = share_hint(str(line["loc"][-1])) if line["loc"] and line["type"].startswith(_OF_BOUNDS) else ""
        if hint:
            found["type"] = problem(f"{line['msg'].removeprefix('Input ')}{hint}")
        return found


class Own(Private):
    """Terms of a user: what is given is private, and what is not shows its public default."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what ``repr`` shows: the public defaults, and of the user's own that it is given."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None:
                yield name, "(private)" if name in self.model_fields_set else value
