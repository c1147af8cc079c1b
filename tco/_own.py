"""What a user says of their own case: errors name a field and what is accepted, `repr` keeps the figures to itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from hardware_specs._base import Spec


class Own(Spec):
    """Terms of a user: what is given is private, and what is not shows its public default."""

    hides_values: ClassVar[bool] = True

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what ``repr`` shows: the public defaults, and of the user's own that it is given."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None:
                yield name, "(private)" if name in self.model_fields_set else value
