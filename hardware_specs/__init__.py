"""Accelerators, servers and racks as their datasheets describe them, every value with its source.

``get("h100-sxm")`` returns a frozen `Accelerator`, ``get_server("dgx-h100")`` a `Server`; ``load("my_chips.toml")``
reads machines of your own. An unknown value is absent, and what needs it says so.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hardware_specs.accelerator import Accelerator, Fp8Support, Link, MatrixEngine, MemoryTier, Rates, VectorRates
from hardware_specs.errors import CatalogError, UnknownNameError, UnknownValueError, UnsupportedFormatError
from hardware_specs.formats import FORMATS, NumberFormat, number_format
from hardware_specs.price import Price, Rent
from hardware_specs.rack import Rack
from hardware_specs.server import Server

if TYPE_CHECKING:
    from hardware_specs.catalog import (
        get,
        get_rack,
        get_server,
        is_shipped,
        load,
        load_servers,
        names,
        rack_names,
        server_names,
        standard_server,
    )

__all__ = [
    "FORMATS",
    "Accelerator",
    "CatalogError",
    "Fp8Support",
    "Link",
    "MatrixEngine",
    "MemoryTier",
    "NumberFormat",
    "Price",
    "Rack",
    "Rates",
    "Rent",
    "Server",
    "UnknownNameError",
    "UnknownValueError",
    "UnsupportedFormatError",
    "VectorRates",
    "get",
    "get_rack",
    "get_server",
    "is_shipped",
    "load",
    "load_servers",
    "names",
    "number_format",
    "rack_names",
    "server_names",
    "standard_server",
]

# The loader is imported when first asked for, so that `import tco` stays cheap.
_OF_THE_CATALOG = {
    "get",
    "get_rack",
    "get_server",
    "is_shipped",
    "load",
    "load_servers",
    "names",
    "rack_names",
    "server_names",
    "standard_server",
}


def __getattr__(name: str) -> Any:
    if name in _OF_THE_CATALOG:
        return getattr(import_module("hardware_specs.catalog"), name)
    raise AttributeError(f"module 'hardware_specs' has no attribute {name!r}")
