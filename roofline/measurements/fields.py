"""What a record of a run can hold: one table of names, units and meanings, from which everything else is drawn."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class Field(NamedTuple):
    """One column of the records.

    Attributes
    ----------
    name : str
        As it stands in a file of our own.
    unit : str
        ``text``, or the unit of a number; empty for a count.
    meaning : str
        What it holds.
    measured : bool
        Whether it is a result, or says what was run.
    zero : bool
        Whether 0 is a value, where a count or a rate must be above it.
    """

    name: str
    unit: str
    meaning: str
    measured: bool = False
    zero: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the column holds words."""
        return self.unit == "text"


PHASES = ("generate", "prefill", "decode", "serving", "gemm", "attention", "stream", "collective")
"""What a run did: a batch of equal requests from prompt to last token; one of its two phases; a stream of requests
that come and go; one kernel: a product of two matrices, an attention, a copy of memory, or an exchange of messages."""

_ALL = (
    Field("accelerator", "text", "key of the accelerator in the catalogue"),
    Field("devices", "", "accelerators that took part"),
    Field("tensor_parallel", "", "devices that share every layer"),
    Field("pipeline_parallel", "", "groups of devices that share the layers"),
    Field("expert_parallel", "", "devices with whole experts"),
    Field("data_parallel", "", "copies of the model that share the batch"),
    Field("llm", "text", "key of the LLM in the catalogue; empty for a kernel"),
    Field("precision", "text", "precision policy, or the number format of a kernel"),
    Field("framework", "text", "serving software"),
    Field("version", "text", "its version"),
    Field("phase", "text", "what was run: " + ", ".join(PHASES)),
    Field("batch", "", "sequences at once, a mean where they come and go"),
    Field("concurrency", "", "requests that a client keeps open"),
    Field("prompt_tokens", "token", "prompt of each sequence, a mean where unlike"),
    Field("output_tokens", "token", "tokens generated for each sequence, a mean where unlike"),
    Field("context_tokens", "token", "tokens that a decode step attends to, a mean where unlike"),
    Field("m", "", "rows of a product"),
    Field("k", "", "inner dimension of a product"),
    Field("n", "", "columns of a product"),
    Field("message_bytes", "byte", "what one device holds before an exchange of messages"),
    Field("power_limit_w", "W", "power limit of one accelerator"),
    Field("routing_skew", "", "Zipf exponent of the experts' popularity", zero=True),
    Field("variant", "text", "whatever else tells runs apart, such as a scaling"),
    Field("output_tokens_per_s", "token/s", "generated tokens of all devices per second", measured=True),
    Field("tokens_per_s", "token/s", "prompt and generated tokens of all devices per second", measured=True),
    Field("requests_per_s", "1/s", "requests of all devices per second", measured=True),
    Field("latency_s", "s", "from the prompt to the last token, or of the one step or kernel", measured=True),
    Field("ttft_s", "s", "time to the first token, the mean over requests", measured=True),
    Field("itl_s", "s", "time between two tokens of a sequence, the mean", measured=True),
    Field("tflops", "TFLOP/s", "achieved rate of one accelerator", measured=True),
    Field("bytes_per_s", "byte/s", "achieved bandwidth of one accelerator", measured=True),
    Field("power_w", "W", "mean power of one accelerator, or its share of what the boundary holds", measured=True),
    Field("energy_j", "J", "energy of all devices over the run", measured=True),
    Field("tokens_per_joule", "token/J", "prompt and generated tokens per joule within the boundary", measured=True),
    Field("spread", "", "relative standard deviation of the repeats of a measurement", zero=True),
    Field("power_boundary", "text", "what the power holds: device, board, chassis or rack"),
    Field("date", "text", "when it was measured, or published"),
    Field("source", "text", "who published it, and where"),
    Field("file", "text", "file that it was read from"),
    Field("row", "", "line of a table, or element of a list, counted from 1"),
    Field("inferred", "text", "fields that the file does not name and the reader concluded, separated by spaces"),
    Field("flags", "text", "what is wrong with it, separated by semicolons"),
)

FIELDS = MappingProxyType({field.name: field for field in _ALL})
"""Every column of the records, by name."""

WHOLE = ("devices", "tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel", "m", "k", "n", "row")
"""Columns of whole numbers."""

MEASURED = tuple(field.name for field in _ALL if field.measured)
"""Columns that hold results, at least one of which a run must have."""

AT_ONCE = "all at once"
"""A ``variant``: a batch of which the publisher says that it ran at once, whatever software usually keeps in memory."""

BOUNDARIES = ("device", "board", "chassis", "rack")
"""What a measured power can hold; unlike boundaries are not compared."""
