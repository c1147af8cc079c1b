"""What is to be served, and with what margin: the traffic of a plan, and the service that it gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from roofline._arrays import Array
from tco import capacity
from tco._own import Own


class Traffic(Own):
    """Tokens to serve, on average and over the day.

    Attributes
    ----------
    tokens_per_s : float
        Mean demand, in the tokens that the deployment's throughput counts: generated ones, or those of prompts in a
        prefill [token/s].
    profile : tuple of float, optional
        Demand over equal slots of a day in any unit, 24 for hours; flat if not given.
    input_tokens_per_token : float, optional
        Prompt tokens that come with each token served, to divide the cost between both.
    growth_per_year : float
        0.5 is half as much again each year.

    Examples
    --------
    >>> Traffic(tokens_per_s=2e6, profile=(1.0, 1.0, 2.0, 4.0)).peak_to_mean
    2.0
    """

    tokens_per_s: Annotated[float, Field(ge=1e-9, le=1e15)]
    profile: tuple[Annotated[float, Field(ge=0, le=1e15)], ...] | None = None
    input_tokens_per_token: Annotated[float, Field(ge=0, le=1e6)] | None = None
    growth_per_year: Annotated[float, Field(gt=-1, le=100)] = 0.0

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        if self.profile is not None and not any(slot > 1e-15 for slot in self.profile):
            yield ("profile",), "should have one slot with traffic at least"

    @property
    def shape(self) -> Array:
        """Demand of each slot over the mean."""
        return capacity.load_profile([1.0] if self.profile is None else self.profile)

    @property
    def peak_to_mean(self) -> float:
        """Busiest slot over the mean."""
        return float(np.max(self.shape))


class Service(Own):
    """How much more than the mean is kept, and what happens when servers fail.

    Attributes
    ----------
    headroom : float
        Capacity beyond the busiest slot, as a share of it, 0 to 5.
    failures_per_accelerator_year : float
        Failures of one accelerator that take its server out [1/year].
    repair_days : float
        Days until a server is back [day].
    spares_confidence : float, optional
        Probability with which spares on the shelf replace every server that is away; 0 (or ``None``) adds servers for
        those away on average instead.
    released : bool
        Servers that a slot does not need are switched off, and rent on demand stops.

    Examples
    --------
    >>> Service(headroom=0.2).repair_days
    7.0
    """

    headroom: Annotated[float, Field(ge=0, le=5)] = 0.0
    failures_per_accelerator_year: Annotated[float, Field(ge=0, le=1000)] = 0.091
    repair_days: Annotated[float, Field(gt=0, le=1000)] = 7.0
    spares_confidence: Annotated[float, Field(ge=0, lt=1)] | None = 0.99
    released: bool = False


SERVICE_SOURCES: dict[str, str] = {
    "headroom": "none beyond the busiest hour: the throughput is one within the limits on latency already",
    "failures_per_accelerator_year": "Llama 3 training, 220 faults of GPUs and their memory on 16,384 H100 in 54 days "
    "(0.173 with every interruption); inference strains less",
    "repair_days": "assumed: a week until a server is back, for want of a published figure",
    "spares_confidence": "assumed: spares cover all but one day in a hundred",
    "released": "servers stay on, as they do where nothing else waits for them",
}
"""Where each default of :class:`Service` comes from."""

SERVICE_UNITS = {"failures_per_accelerator_year": "1/year", "repair_days": "days"}
TRAFFIC_UNITS = {"tokens_per_s": "tokens/s", "growth_per_year": "per year"}
"""Units of what has one."""
