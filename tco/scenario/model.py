"""What a scenario holds: strict, frozen records, one for each table of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import Field

from hardware_specs import Server
from hardware_specs._base import Positive, Text
from tco._own import Private
from tco.facility import Facility
from tco.planning import Service
from tco.purchase import Purchase, Rental

_NAME = r"^[a-z0-9]+(?:[.-][a-z0-9]+)*$"
Name = Annotated[str, Field(pattern=_NAME)]
"""Name of a candidate or an application: lower case, digits, single hyphens or points."""


def is_name(text: object) -> TypeGuard[str]:
    """Whether something may be the name of a candidate or an application.

    Parameters
    ----------
    text : object
        Whatever stands there.

    Examples
    --------
    >>> is_name("h100-rented"), is_name("H100"), is_name(7)
    (True, False, False)
    """
    return isinstance(text, str) and re.fullmatch(_NAME, text) is not None


class _Table(Private):
    """A table of the file, whose numbers are the user's own."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, _masked(value)


def _masked(value: Any) -> Any:
    """Return a value without its numbers, in tables and lists too."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "(private)"
    if isinstance(value, Mapping):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, tuple) and any(isinstance(item, int | float) for item in value):
        return "(private)"
    return value


class Decision(_Table):
    """How to decide: ``[decision]``.

    Attributes
    ----------
    reference : str, optional
        Candidate that ratios are over; the cheapest but one if not given.
    level : float
        Probability from which a candidate is called the cheapest.
    years : int
        Years over which cost and growing traffic are levelised.
    draws : int
        Draws of everything that may be off; rounded up to a power of two.
    seed : int
        Seed of the draws: the same gives the same page.
    """

    reference: Name | None = None
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    years: Annotated[int, Field(ge=1, le=30)] = 4
    draws: Annotated[int, Field(ge=64, le=10_000_000)] = 4096
    seed: Annotated[int, Field(ge=0)] = 0


class ApplicationEntry(_Table):
    """An application and its traffic: ``[[applications]]``.

    Attributes
    ----------
    name : str
        What it is called: lower case letters and digits, with single hyphens or points between.
    llm : str
        A model of the catalogue, or its Hugging Face id.
    prompt_tokens : int, optional
        Tokens of a prompt; with `output_tokens` a whole request, alone a prefill.
    output_tokens : int, optional
        Tokens of an answer.
    context_tokens : int, optional
        Tokens that are cached at a step of a decode, instead of a prompt.
    tokens_per_s : float
        Mean demand: output tokens, or prompt tokens of a prefill [token/s].
    profile : tuple of float, optional
        Demand over equal slots of a day in any unit, 24 for hours; flat if not given.
    growth_per_year : float
        Growth of the demand: 0.5 is half as much again each year.
    ttft_s : float, optional
        Longest time to first token; no limit if not given [s].
    itl_s : float, optional
        Longest time between tokens; no limit if not given [s].
    latency_s : float, optional
        Longest time of a whole request; no limit if not given [s].
    precisions : tuple of str, optional
        Formats that may be used; BF16 if not given, or with `max_quality_loss` all that pass it.
    max_quality_loss : float, optional
        Largest loss of published accuracy against BF16 [percentage points].
    """

    name: Name
    llm: Text
    prompt_tokens: Annotated[int, Field(ge=1)] | None = None
    output_tokens: Annotated[int, Field(ge=1)] | None = None
    context_tokens: Annotated[int, Field(ge=1)] | None = None
    tokens_per_s: Annotated[float, Field(gt=0, le=1e15)]
    profile: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    growth_per_year: Annotated[float, Field(ge=0, le=10)] = 0.0
    ttft_s: Positive | None = None
    itl_s: Positive | None = None
    latency_s: Positive | None = None
    precisions: tuple[Text, ...] | None = None
    max_quality_loss: Annotated[float, Field(ge=0, le=100)] | None = None


class Candidate(_Table):
    """A machine that might be bought or rented: ``[candidates.NAME]``.

    Attributes
    ----------
    server : str
        A server of the catalogue or of ``[servers]``, or an accelerator that has a usual one.
    framework : str, optional
        Whose calibration counts, such as ``"vLLM"``; the best known if not given, ``"ideal"`` for none.
    devices : int, optional
        Accelerators that share a model; the fastest division of a server if not given.
    tokens_per_s : mapping of str to float
        Measured throughput of a whole server by application, instead of the model's [token/s].
    tokens_per_s_error : float, optional
        Standard error of those measurements, as a share.
    purchase : Purchase, optional
        What comes with the price: ``[candidates.NAME.purchase]``.
    rental : Rental, optional
        Rent instead: ``[candidates.NAME.rental]``.
    supply : int, optional
        Most servers that can be had; no limit if not given.
    """

    server: Text
    framework: Text | None = None
    devices: Annotated[int, Field(ge=1, le=100_000)] | None = None
    tokens_per_s: Mapping[str, Annotated[float, Field(gt=0, le=1e15)]] = {}
    tokens_per_s_error: Annotated[float, Field(ge=0, le=1)] | None = None
    purchase: Purchase | None = None
    rental: Rental | None = None
    supply: Annotated[int, Field(ge=0)] | None = None

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        if self.purchase is not None and self.rental is not None:
            yield ("rental",), "stands beside purchase: make two candidates of them"

    @property
    def terms(self) -> Purchase | Rental:
        """How it is paid for."""
        return self.rental or self.purchase or Purchase()


class Range(_Table):
    """How far an input may be off: ``[ranges]``, by the name of the input or ``"CANDIDATE.NAME"``.

    Attributes
    ----------
    low, high : float
        Ends of ``uniform``, ``triangular`` and ``pert``; of ``lognormal`` the bounds of `level`.
    mode : float, optional
        Most likely value of ``triangular`` and ``pert``; the scenario's own value if not given.
    kind : str
        Shape of the distribution.
    level : float
        Share of cases between low and high, of ``lognormal``.
    relative : bool
        Whether low and high are multiples of the scenario's own value.
    """

    low: float
    high: float
    mode: float | None = None
    kind: Literal["uniform", "triangular", "pert", "lognormal"] = "uniform"
    level: Annotated[float, Field(gt=0, lt=1)] = 0.9
    relative: bool = False

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        if self.high <= self.low:
            yield ("high",), "should be above low"
        if self.mode is not None and not self.low <= self.mode <= self.high:
            yield ("mode",), "should be between low and high"
        if self.low < 0 or (self.kind == "lognormal" and self.low == 0):
            yield ("low",), "should be above 0" if self.kind == "lognormal" else "should be at least 0"


class Correlation(_Table):
    """Two inputs that move together: ``[[correlations]]``.

    Attributes
    ----------
    between : tuple of two str
        Names of two inputs, as in ``[ranges]``.
    value : float
        Correlation of their normal scores, -1 to 1.
    """

    between: tuple[Text, Text]
    value: Annotated[float, Field(ge=-1, le=1)]


class FleetLimits(_Table):
    """Limits of a fleet of several machines: ``[fleet]``.

    Attributes
    ----------
    site_power_kw : float, optional
        Provisioned power for everything, PUE included [kW].
    racks : int, optional
        Racks that there is room for.
    tonnes_co2_per_year : float, optional
        Greenhouse gases of the electricity, and of making the servers where that is known [t/year].
    """

    site_power_kw: Positive | None = None
    racks: Annotated[int, Field(ge=1)] | None = None
    tonnes_co2_per_year: Positive | None = None


class Scenario(_Table):
    """A whole scenario.

    Attributes
    ----------
    title : str
        What the page is about.
    prepared_by : str
        Who made it, for the page.
    approved_by : str
        Who is to sign it.
    date : str
        Of the page, as year-month-day.
    price_year : int
        Year of all dollars in the file.
    decision : Decision
        How to decide.
    applications : tuple of ApplicationEntry
        What is served, one or more.
    candidates : mapping of str to Candidate
        What might be bought or rented: two or more, by a name of your choice.
    servers : mapping of str to Server
        Servers that the file prices or describes, by key.
    facility : Facility
        Where the servers stand.
    service : Service
        With what margin they serve.
    ranges : mapping of str to Range
        How far inputs may be off.
    correlations : tuple of Correlation
        Which inputs move together.
    fleet : FleetLimits, optional
        Limits of a mixed fleet.
    """

    title: Text
    prepared_by: str = ""
    approved_by: str = ""
    date: Annotated[str, Field(pattern=r"^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$")]
    price_year: Annotated[int, Field(ge=1990, le=2100)]
    decision: Decision = Decision()
    applications: Annotated[tuple[ApplicationEntry, ...], Field(min_length=1)]
    candidates: Annotated[Mapping[Name, Candidate], Field(min_length=2)]
    servers: Mapping[str, Server] = {}
    facility: Facility = Facility()
    service: Service = Service()
    ranges: Mapping[str, Range] = {}
    correlations: tuple[Correlation, ...] = ()
    fleet: FleetLimits | None = None
