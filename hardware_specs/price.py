"""What an accelerator or a server costs to buy or to rent: dated ranges with a basis, never a bare number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from hardware_specs._base import Positive, Spec, Text

PriceBasis = Literal["msrp", "street", "list", "kit", "server-share", "estimate", "user"]
"""What a purchase price is.

``msrp``, ``list`` and ``street`` are prices of one item; ``kit`` is the share of one accelerator in a baseboard with
several; ``server-share`` its share in a complete server, host included; ``estimate`` was published by someone who
neither sells nor bought it; ``user`` is the caller's own.
"""

RentBasis = Literal["on-demand", "reserved", "spot", "advertised", "list", "user"]
"""What an hourly price is: ``advertised`` may need a commitment or was not confirmed by the provider."""

DATE = r"^\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?$"
"""A year, a month or a day: ``2024``, ``2024-06``, ``2024-06-04``."""


class _Money(Spec):
    """What purchase and rental prices share: a date, a source, and amounts that errors and ``repr`` do not show."""

    hides_values: ClassVar[bool] = True
    _amounts: ClassVar[tuple[str, str]]

    date: str | None = Field(default=None, pattern=DATE)
    source: Text = "user"
    currency: Literal["USD"] = "USD"
    price_year: int | None = Field(default=None, ge=1990, le=2100)
    private: bool = True

    @property
    def year(self) -> int | None:
        """Year of the dollars: `price_year`, else the year of `date`, else ``None``."""
        if self.price_year is not None:
            return self.price_year
        return int(self.date[:4]) if self.date else None

    @property
    def is_range(self) -> bool:
        """Whether low and high differ."""
        low, high = (getattr(self, name) for name in self._amounts)
        return high is not None and high > low

    def _at(self, end: Literal["low", "mid", "high"]) -> float:
        low, high = (getattr(self, name) for name in self._amounts)
        high = low if high is None else high
        try:
            return float({"low": low, "mid": (low + high) / 2, "high": high}[end])
        except KeyError:
            raise ValueError(f"end: should be 'low', 'mid' or 'high', not {end!r}") from None

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        low, high = (getattr(self, name) for name in self._amounts)
        if high is not None and high < low:
            yield (self._amounts[1],), f"should be {self._amounts[0]} or more"
        if self.date is None and self.source != "user":
            yield ("date",), "is required beside a source (year, year-month or year-month-day)"

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        shown = dict(super().__repr_args__())
        for name in self._amounts:
            if name in shown:
                value = shown.pop(name)
                yield name, "(private)" if self.private else value
        yield from shown.items()


class Price(_Money):
    """A purchase price: one number, or the range that sources give.

    Attributes
    ----------
    low_usd, high_usd : float
        The range [USD]; `high_usd` absent for a single figure.
    basis : str
        What is priced, see `PriceBasis`. A ``"server-share"`` already holds its part of the host.
    date : str or None
        When it was quoted, or read where the source has no date; required unless the source is ``"user"``.
    source : str
        Who says so.
    currency : str
        ``"USD"``.
    price_year : int or None
        Year of the dollars, where it is not that of `date`.
    private : bool
        Whether outputs keep the amount to themselves. True for whatever is not from the shipped catalogue; ``repr``
        and errors then never show the amount (``model_dump`` and the attributes do).

    Examples
    --------
    >>> own = Price(low_usd=150_000, basis="user")
    >>> own
    Price(low_usd='(private)', basis='user')
    >>> own.usd("low"), own.is_range
    (150000.0, False)
    """

    _amounts: ClassVar[tuple[str, str]] = ("low_usd", "high_usd")

    low_usd: Positive
    high_usd: Positive | None = None
    basis: PriceBasis

    def usd(self, end: Literal["low", "mid", "high"]) -> float:
        """Return the low end, the middle or the high end of the range [USD].

        Raises
        ------
        ValueError
            For another `end`.

        Examples
        --------
        >>> Price(low_usd=25_000, high_usd=30_000, basis="street").usd("mid")
        27500.0
        """
        return self._at(end)

    @property
    def single(self) -> bool:
        """Whether this is the price of one accelerator or server by itself, neither a kit's nor a server's share."""
        return self.basis not in ("kit", "server-share")


class Rent(_Money):
    """An hourly price of one accelerator, its share of the server included.

    Attributes
    ----------
    low_usd_per_h, high_usd_per_h : float
        The range [USD/h].
    basis : str
        See `RentBasis`.
    date, source, currency, price_year, private
        As in `Price`.

    Examples
    --------
    >>> Rent(low_usd_per_h=1.2, basis="on-demand", date="2026-09", source="price page", private=False).usd_per_h("low")
    1.2
    """

    _amounts: ClassVar[tuple[str, str]] = ("low_usd_per_h", "high_usd_per_h")

    low_usd_per_h: Positive
    high_usd_per_h: Positive | None = None
    basis: RentBasis

    def usd_per_h(self, end: Literal["low", "mid", "high"]) -> float:
        """Return the low end, the middle or the high end of the range [USD/h].

        Raises
        ------
        ValueError
            For another `end`.

        Examples
        --------
        >>> Rent(low_usd_per_h=2.0, high_usd_per_h=4.0, basis="on-demand").usd_per_h("high")
        4.0
        """
        return self._at(end)
