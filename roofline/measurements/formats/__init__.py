"""The formats that runs come in: each recognises a document by its content and maps it to records."""

from __future__ import annotations

from typing import Protocol

from roofline.measurements.formats import (
    genai_perf,
    inferencex,
    llm_inference_bench,
    mamf,
    ml_energy,
    mlperf,
    normalised,
    sglang_bench,
    table,
    vllm_bench,
)
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, Sheet

__all__ = ["FORMATS", "Format", "table"]


class Format(Protocol):
    """What a module of this folder offers."""

    NAME: str

    @staticmethod
    def matches(document: Sheet | Objects) -> bool:
        """Whether a document is of this format, by its content."""

    @staticmethod
    def runs(document: Sheet | Objects) -> Runs:
        """Return the records of a document, and what is refused."""


FORMATS: tuple[Format, ...] = (  # type: ignore[assignment]  # each takes the one kind of document that it matches
    llm_inference_bench,
    mlperf,
    inferencex,
    ml_energy,
    genai_perf,
    sglang_bench,
    vllm_bench,
    normalised,
    mamf,
    table,
)
"""Every format, the most particular first."""
