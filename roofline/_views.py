"""Frozen records whose mappings are read-only views, which by themselves cannot be pickled."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any


class HoldsViews:
    """A frozen dataclass that pickles its read-only views as the mappings that they show."""

    def __getstate__(self) -> dict[str, Any]:
        plain = {name: dict(value) for name, value in self.__dict__.items() if isinstance(value, MappingProxyType)}
        return self.__dict__ | plain

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, MappingProxyType(value) if isinstance(value, dict) else value)
