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
    from hardware_specs.elements import (
        ELEMENT_FORMATS,
        ElementFormat,
        element_format,
        stochastic_rounding_probability,
    )
    from hardware_specs.quantization import ErrorStatistics, Quantized, quantize

__all__ = [
    "ELEMENT_FORMATS",
    "FORMATS",
    "Accelerator",
    "CatalogError",
    "ElementFormat",
    "ErrorStatistics",
    "Fp8Support",
    "Link",
    "MatrixEngine",
    "MemoryTier",
    "NumberFormat",
    "Price",
    "Quantized",
    "Rack",
    "Rates",
    "Rent",
    "Server",
    "UnknownNameError",
    "UnknownValueError",
    "UnsupportedFormatError",
    "VectorRates",
    "element_format",
    "get",
    "get_rack",
    "get_server",
    "is_shipped",
    "load",
    "load_servers",
    "names",
    "number_format",
    "quantize",
    "rack_names",
    "server_names",
    "standard_server",
    "stochastic_rounding_probability",
]

# The loader and the emulation are imported when first asked for, so that `import tco` stays cheap.
_HOME = {
    "ELEMENT_FORMATS": "elements",
    "ElementFormat": "elements",
    "ErrorStatistics": "quantization",
    "Quantized": "quantization",
    "element_format": "elements",
    "get": "catalog",
    "get_rack": "catalog",
    "get_server": "catalog",
    "is_shipped": "catalog",
    "load": "catalog",
    "load_servers": "catalog",
    "names": "catalog",
    "quantize": "quantization",
    "rack_names": "catalog",
    "server_names": "catalog",
    "standard_server": "catalog",
    "stochastic_rounding_probability": "elements",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'hardware_specs' has no attribute {name!r}")
    return getattr(import_module(f"hardware_specs.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
