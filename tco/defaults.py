"""Where each input of a comparison comes from, and the two rules that may stand in for an unknown one.

Where nobody publishes the price or the power of a server, a rule with a source of its own derives it from the chips,
and says "derived" wherever it is printed. Nothing else is ever filled in: an unknown figure is an error, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hardware_specs import Accelerator, Price, Server, UnknownValueError, is_shipped
from tco.facility import FACILITY_SOURCES, Facility, unit_of

Origin = Literal["published", "derived", "default", "yours", "modelled", "measured"]

SERVER_TO_CHIPS_PRICE = 1.64
"""Price of a server over that of its accelerators (Epoch AI training-cost model: 1.64 for chips in general)."""

SERVER_TO_CHIPS_POWER = (10_200 / 8) / 700
"""Provisioned power of a server over the TDP of its accelerators: the DGX H100's 10.2 kW for 8 × 700 W (Epoch AI)."""


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """One input of a comparison and where it comes from.

    Attributes
    ----------
    name : str
        What it is, such as ``server price of gaudi-2-hls``.
    value : float
        In `unit`.
    unit : str
        Empty for a ratio.
    origin : str
        ``published``, ``derived`` by a rule, ``default``, ``yours``, ``modelled`` or ``measured``.
    source : str
        Who says so, and which end of a range was taken.
    private : bool
        Whether outputs keep the value to themselves.
    high : float, optional
        The other end of the range, where the source gives one.
    basis : str
        What kind of price it is, such as ``list`` or ``kit``; empty for anything else.
    """

    name: str
    value: float
    unit: str
    origin: Origin
    source: str
    private: bool = False
    high: float | None = None
    basis: str = ""

    def shown(self, *, reveal: bool = False) -> str:
        """Write the value with its unit, or ``(private)``.

        Parameters
        ----------
        reveal : bool
            Show a private value.
        """
        if self.private and not reveal:
            return "(private)"
        amount = f"{self.value:,.0f}" if self.value >= 1e4 else f"{self.value:,.6g}"
        return f"{amount} {self.unit}".strip()

    def __repr__(self) -> str:
        return f"Assumption({self.name}: {self.shown()}, {self.origin}: {self.source})"


def server_price(server: Server, accelerator: Accelerator | None) -> Assumption:
    """Price of a server: its own; else its accelerators' share of one; else the chips' price times a sourced factor.

    Of a range the low end is taken, and the source says so.

    Parameters
    ----------
    server : Server
        What is bought.
    accelerator : Accelerator, optional
        What it holds; needed where the server has no price of its own.

    Returns
    -------
    Assumption
        [USD].

    Raises
    ------
    UnknownValueError
        Neither the server's nor the chips' price is known.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> server_price(hs.get_server("gaudi-2-hls"), hs.get("gaudi-2")).value
    106600.0
    """
    name = f"server price of {server.key}"
    if server.price is not None:
        return Assumption(
            name=name,
            value=server.price.usd("low"),
            unit="USD",
            origin="yours" if server.price.private else "published",
            source=_quoted(server.price),
            private=server.price.private,
            high=server.price.usd("high") if server.price.is_range else None,
            basis=f"{server.price.basis} price",
        )
    derived = price_from_chips(server, accelerator)
    if derived is None:
        raise UnknownValueError(
            f"{server.key}: neither its price nor that of its accelerator {server.accelerator} is known; "
            f"give price_usd (in a costs file: [servers.{server.key}] price_usd = ...)"
        )
    return derived


def price_from_chips(server: Server, accelerator: Accelerator | None) -> Assumption | None:
    """Price of a server derived from what its accelerators cost, whether or not its own price is known.

    Parameters
    ----------
    server : Server
        What is bought.
    accelerator : Accelerator, optional
        What it holds.

    Returns
    -------
    Assumption or None
        [USD]; ``None`` where no price of the accelerator is known.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> round(price_from_chips(hs.get_server("dgx-h100"), hs.get("h100-sxm")).value)
    402495
    """
    price = _chip_price(accelerator)
    if price is None:
        return None
    name = f"server price of {server.key}"
    factor = float(server.accelerators)
    if price.basis == "server-share":
        rule, basis = f"{server.accelerators} × an accelerator's share of a server", "share of a server's price"
    else:
        factor *= SERVER_TO_CHIPS_PRICE
        basis = f"{price.basis} price of the chips times a factor"
        what = "of a kit" if price.basis == "kit" else "of a chip"
        rule = f"{SERVER_TO_CHIPS_PRICE} (server over chips, Epoch AI) × {server.accelerators} × the price {what}"
    return Assumption(
        name=name,
        value=factor * price.usd("low"),
        unit="USD",
        origin="derived",
        source=f"{rule}: {_quoted(price)}",
        private=price.private,
        high=factor * price.usd("high") if price.is_range else None,
        basis=basis,
    )


def server_power(server: Server, accelerator: Accelerator | None) -> Assumption:
    """Provisioned power of a server: its own, else its accelerators' TDP times a sourced factor.

    Parameters
    ----------
    server : Server
        What is powered.
    accelerator : Accelerator, optional
        What it holds; needed where the server has no power of its own.

    Returns
    -------
    Assumption
        [W].

    Raises
    ------
    UnknownValueError
        Neither the server's power nor the chips' TDP is known.
    ValueError
        A power of the caller's own below a tenth of the accelerators' TDP: kilowatts, or the watts of one of them.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> round(server_power(hs.get_server("gaudi-2-hls"), hs.get("gaudi-2")).value)
    8743
    """
    name = f"server power of {server.key}"
    if server.power_w is not None:
        yours = not is_shipped(server, "power_w")
        if (
            yours
            and accelerator is not None
            and accelerator.tdp_w is not None
            and server.power_w < 0.1 * accelerator.tdp_w * server.accelerators
        ):
            raise ValueError(
                f"servers.{server.key}.power_w is below a tenth of the TDP of its {server.accelerators} accelerators: "
                "give watts of the whole server"
            )
        return Assumption(
            name=name,
            value=server.power_w,
            unit="W",
            origin="yours" if yours else "published",
            source="given" if yours else server.source("power_w"),
            private=yours,
        )
    if accelerator is None or accelerator.tdp_w is None:
        raise UnknownValueError(
            f"{server.key}: neither its power nor the TDP of its accelerator {server.accelerator} is known; "
            f"give power_w (in a costs file: [servers.{server.key}] power_w = ...)"
        )
    own = not is_shipped(accelerator, "tdp_w")
    tdp = "your TDP" if own else f"TDP {accelerator.tdp_w:g} W ({accelerator.source('tdp_w')})"
    return Assumption(
        name=name,
        value=accelerator.tdp_w * server.accelerators * SERVER_TO_CHIPS_POWER,
        unit="W",
        origin="derived",
        source=f"{SERVER_TO_CHIPS_POWER:.2f} (server over chips: DGX H100, 10.2 kW for 8 × 700 W, Epoch AI) × "
        f"{server.accelerators} × {tdp}",
        private=own,
    )


def facility_assumptions(facility: Facility) -> tuple[Assumption, ...]:
    """Every input of a facility, with its source where it is a default.

    Parameters
    ----------
    facility : Facility
        The facility.

    Examples
    --------
    >>> [a.origin for a in facility_assumptions(Facility(pue=1.2))][:2]
    ['yours', 'default']
    """
    return tuple(
        Assumption(
            name=name,
            value=getattr(facility, name),
            unit=unit_of(name),
            origin="yours" if name in facility.model_fields_set else "default",
            source="given" if name in facility.model_fields_set else FACILITY_SOURCES[name],
            private=name in facility.model_fields_set,
        )
        for name in FACILITY_SOURCES
    )


_PREFERENCE = ("user", "kit", "list", "street", "msrp", "estimate", "server-share")


def _chip_price(accelerator: Accelerator | None) -> Price | None:
    """Return the price to derive a server's from: a kit's or a chip's; a server's share where there is nothing else."""
    prices = accelerator.prices if accelerator is not None else ()
    return min(prices, key=lambda price: _PREFERENCE.index(price.basis), default=None)


def _quoted(price: Price) -> str:
    if price.private:
        return "given"
    date = f", {price.date}" if price.date else ""
    if not price.is_range:
        return f"{price.basis} price{date}: {price.source}"
    return f"{price.basis} price, low end of {price.usd('low'):,.0f}-{price.usd('high'):,.0f} USD{date}: {price.source}"
