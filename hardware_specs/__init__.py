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
    from hardware_specs.quantization import (
        ELEMENT_FORMATS,
        ElementFormat,
        ErrorStatistics,
        Quantized,
        element_format,
        quantize,
        stochastic_rounding_probability,
    )

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
_OF_QUANTIZATION = {
    "ELEMENT_FORMATS",
    "ElementFormat",
    "ErrorStatistics",
    "Quantized",
    "element_format",
    "quantize",
    "stochastic_rounding_probability",
}


def __getattr__(name: str) -> Any:
    if name in _OF_THE_CATALOG:
        return getattr(import_module("hardware_specs.catalog"), name)
    if name in _OF_QUANTIZATION:
        return getattr(import_module("hardware_specs.quantization"), name)
    raise AttributeError(f"module 'hardware_specs' has no attribute {name!r}")
