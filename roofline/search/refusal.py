"""What to say when every layout was refused: which came closest, and what would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from roofline.machine import runnable_policies
from roofline.memory import OutOfMemoryError
from roofline.precision import PrecisionPolicy, policy
from roofline.search.divisions import layouts
from roofline.search.question import Question
from roofline.search.result import LayoutOption


def all_refused(question: Question, tried: Sequence[LayoutOption], devices: int) -> ValueError:
    """Return the error for a search in which every layout was refused.

    Parameters
    ----------
    question : Question
        What was asked.
    tried : sequence of LayoutOption
        All answers.
    devices : int
        How many there were.

    Returns
    -------
    ValueError
        An `OutOfMemoryError` where no layout fits.
    """
    on = f"{devices} × {question.accelerator.name}"
    running = [option for option in tried if option.estimate is not None]
    fitting = [option for option in running if option.time_s is not None]
    if fitting:
        fastest = min(fitting, key=lambda option: option.time_s or 0.0)
        return ValueError(
            f"no layout of {question.llm.name} on {on} will do; the fastest, {fastest.layout} in "
            f"{fastest.precision.name}: {fastest.refused}"
        )
    if not running:
        reasons = "; ".join(dict.fromkeys(option.refused for option in tried))
        return ValueError(f"no layout of {question.llm.name} on {on} runs: {reasons}")
    least = min(running, key=lambda option: option.memory_bytes or 0.0)
    formats = tuple(dict.fromkeys(option.precision for option in tried))
    remedies = "; ".join(_remedies(question, formats, devices)) or "nothing that was tried"
    would = "fit" if question.limit is None else f"fit and meet {question.limit[0]}"
    return OutOfMemoryError(
        f"no layout of {question.llm.name} on {on} fits; the smallest, {least.layout} in {least.precision.name}: "
        f"{least.refused}. What would {would}: {remedies}."
    )


def _remedies(question: Question, formats: Sequence[PrecisionPolicy], devices: int) -> Iterator[str]:
    """Yield the changes that would do: fewer sequences, a lower precision, more devices."""

    def accepted(number_of: int, precisions: Sequence[PrecisionPolicy], batch: int) -> Iterator[LayoutOption]:
        asked = replace(question, batch=batch)
        allowed = layouts(
            question.llm, question.accelerator, number_of, parallel=question.parallel, linked=question.linked
        )
        for layout in allowed:
            for one in precisions:
                option = asked.ask(layout, one)
                if not option.refused:
                    yield option

    batch = question.batch or 1
    if batch > 1:
        alone = accepted(devices, formats, 1)
        fewer = max((question.largest_batch(option.layout, option.precision) for option in alone), default=0)
        if fewer:
            yield f"a batch of {fewer:,}"
    runnable = [policy(name) for name in runnable_policies(question.accelerator)]
    lower = dict.fromkeys(option.precision.name for option in accepted(devices, runnable, batch))
    if lower:
        yield f"precision {' or '.join(lower)}"
    for more in (factor * devices for factor in (2, 4, 8)):
        enough = next(accepted(more, formats, batch), None)
        if enough is not None:
            yield f"{more} devices, {enough.layout}"
            return
