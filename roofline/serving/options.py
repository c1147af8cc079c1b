"""Keyword arguments that a serving function hands on to the phases: which there are, checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import signature
from typing import Any

from roofline.phases import decode, prefill

_GIVEN = ("llm", "accelerator", "batch", "prompt_tokens", "context_tokens")


def _keywords(phase: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(name for name in signature(phase).parameters if name not in _GIVEN)


SHARED = tuple(name for name in _keywords(decode) if name in _keywords(prefill))
"""What prefill and decode have in common: formats, layout, overlap, and which ceilings count."""

OF_PREFILL = (*SHARED, "logits")
"""What a pool that only reads prompts may be given besides."""


def check_options(where: str, options: Iterable[str], accepted: tuple[str, ...] = SHARED) -> None:
    """Refuse a keyword argument that no phase of a serving function takes, and name those that it does.

    Parameters
    ----------
    where : str
        What was called, or the argument that holds the options.
    options : iterable of str
        Names given.
    accepted : tuple of str
        Names taken.

    Raises
    ------
    TypeError
        A name that is not accepted, as Python has it for keyword arguments.

    Examples
    --------
    >>> check_options("generate", {"tensor_parallel": 2, "fusion": "layer"})
    >>> check_options("generate", {"cached_tokens": 100})
    Traceback (most recent call last):
    ...
    TypeError: generate does not take cached_tokens: beside its own arguments it takes precision, overlap, ...
    """
    unknown = [name for name in options if name not in accepted]
    if unknown:
        raise TypeError(
            f"{where} does not take {', '.join(unknown)}: beside its own arguments it takes {', '.join(accepted)}"
        )
