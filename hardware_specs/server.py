"""A server: accelerators in a chassis, its provisioned power and its price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn, Self

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from hardware_specs._base import Count, Key, Positive, SourcedSpec, plain, problem
from hardware_specs.price import Price

MIN_POWER_W, MAX_POWER_W = 50.0, 1e6
MIN_PRICE_USD, MAX_PRICE_USD = 500.0, 1e9


class Server(SourcedSpec):
    """One server as it is bought, racked and powered.

    Attributes
    ----------
    key, name, aliases
        Catalogue key, full name, further keys.
    accelerator : str
        Key of the accelerator that it holds.
    accelerators : int
        How many.
    standard : bool
        Whether it is the usual server of this accelerator (`hardware_specs.standard_server`).
    power_w : float or None
        Power to provision for the whole server, host included [W].
    slots_u : int or None
        Height in the rack [rack units].
    weight_kg : float or None
        Installed [kg].
    price : Price or None
        Purchase price; the constructor and `replace` also take ``price_usd``, a plain number of the caller's own.
        That and a `power_w` of the caller's own are private: ``repr`` and errors hide them, ``model_dump`` does not.
    sources, notes : mapping
        By dotted field: where a value comes from; why it was chosen.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> server = hs.get_server("gaudi-2-hls").replace(price_usd=150_000, power_w=7_500)
    >>> server.price.usd("low"), server.price.basis, server.power_w
    (150000.0, 'user', 7500.0)
    >>> server.price
    Price(low_usd='(private)', basis='user')
    """

    shorthands: ClassVar[tuple[str, ...]] = ("price_usd",)

    accelerator: Key
    accelerators: Count
    standard: bool = False
    power_w: Positive | None = None
    slots_u: Count | None = None
    weight_kg: Positive | None = None
    price: Price | None = None

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        if "price_usd" not in data:
            return data
        rest = {name: value for name, value in data.items() if name != "price_usd"}
        if rest.get("price") is not None:
            _refuse(cls, "give price or price_usd, not both")
        try:
            price = Price(low_usd=plain(data["price_usd"]), basis="user")
        except ValidationError:
            _refuse(cls, "should be a finite number of US dollars above 0 (the value is not shown)")
        return rest | {"price": price}

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        if self.power_w is not None and not MIN_POWER_W <= self.power_w <= MAX_POWER_W:
            yield (
                ("power_w",),
                f"should be in watts, between {MIN_POWER_W:g} and {MAX_POWER_W:,.0f} W (the value is not shown)",
            )

        if self.price is not None and not MIN_PRICE_USD <= self.price.low_usd <= MAX_PRICE_USD:
            yield (
                ("price_usd",),
                f"should be in US dollars for the whole server, between {MIN_PRICE_USD:g} and {MAX_PRICE_USD:,.0f} "
                "(the value is not shown)",
            )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what ``repr`` shows: a power of the caller's own is private, as a price is."""
        from hardware_specs.catalog import is_shipped  # the catalogue is made of servers

        for name, value in super().__repr_args__():
            own = name == "power_w" and not is_shipped(self, "power_w")
            yield name, "(private)" if own else value

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, every field validated again.

        Parameters
        ----------
        **changes
            New values by field name; ``price_usd`` is a plain number of US dollars, which becomes a `Price` with basis
            ``"user"``.

        Returns
        -------
        Server

        Raises
        ------
        ValueError
            For an unknown field (with close matches) or a value that is not accepted; a price is never shown.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> hs.get_server("dgx-h100").replace(price_usd=-1)
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: 1 validation error for Server
        price_usd
          should be a finite number of US dollars above 0 (the value is not shown) [type=spec]
        """
        if "price_usd" in changes:
            changes = self._prepare(changes)
        return super().replace(**changes)


def _refuse(cls: type[Server], message: str) -> NoReturn:
    """Raise the error of a ``price_usd`` that cannot be used."""
    line: InitErrorDetails = {"type": problem(message), "loc": ("price_usd",), "input": None}
    raise ValidationError.from_exception_data(cls.__name__, [line], hide_input=True) from None
