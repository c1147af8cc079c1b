"""Where each input of a comparison comes from, and the two rules that may stand in for an unknown one.

Where nobody publishes the price or the power of a server, a rule with a source of its own derives it from the chips,
and says "derived" wherever it is printed. Nothing else is ever filled in: an unknown figure is an error, never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from hardware_specs import Accelerator, Price, Server, UnknownValueError, is_shipped
from hardware_specs._base import Spec
from tco.facility import FACILITY_RANGES, FACILITY_SOURCES, Facility, unit_of

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
    low, high : float, optional
        Ends of the range in which sources place it; of a price, which is the low end, the high one.
    basis : str
        What kind of price it is, such as ``list`` or ``kit``; empty for anything else.
    """

    name: str
    value: float
    unit: str
    origin: Origin
    source: str
    private: bool = False
    low: float | None = None
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


def rent(accelerator: Accelerator | None, usd_per_h: float | None = None) -> Assumption:
    """Rent of an accelerator: the user's own, or the low end of what the catalogue quotes, on demand before others.

    Parameters
    ----------
    accelerator : Accelerator, optional
        What is rented.
    usd_per_h : float, optional
        The user's own [USD/h].

    Returns
    -------
    Assumption
        Of one accelerator, hosting and energy included [USD/h].

    Raises
    ------
    UnknownValueError
        None is given and the catalogue has none.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> rent(hs.get("h100-sxm"), 2.0)
    Assumption(rent of h100-sxm: (private), yours: given)
    """
    key = "an accelerator" if accelerator is None else accelerator.key
    if usd_per_h is not None:
        return Assumption(
            name=f"rent of {key}", value=usd_per_h, unit="USD/h", origin="yours", source="given", private=True
        )
    rents = accelerator.rents if accelerator is not None else ()
    if not rents:
        raise UnknownValueError(f"the rent of {key} is not known: give terms.usd_per_h")
    chosen = min(rents, key=lambda item: _RENT_PREFERENCE.index(item.basis))
    return Assumption(
        name=f"rent of {key}",
        value=chosen.usd_per_h("low"),
        unit="USD/h",
        origin="yours" if chosen.private else "published",
        source="given" if chosen.private else f"{chosen.basis} rent, {chosen.date}: {chosen.source}",
        private=chosen.private,
        high=chosen.usd_per_h("high") if chosen.is_range else None,
        basis=f"{chosen.basis} rent",
    )


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


def facility_assumptions(facility: Facility, leave_out: Collection[str] = ()) -> tuple[Assumption, ...]:
    """Every input of a facility that has a bearing on costs, with its source where it is a default.

    Parameters
    ----------
    facility : Facility
        The facility.
    leave_out : collection of str
        Further fields that are of no account.

    Examples
    --------
    >>> [a.origin for a in facility_assumptions(Facility(pue=1.2))][:2]
    ['yours', 'default']
    """
    idle = {
        ("rack_usd", "usd_per_watt", "facility_years"): facility.colocation_usd_per_kw_month is not None,
        ("grid_gco2_per_kwh",): facility.usd_per_tonne_co2 is None,
        ("wue_l_per_kwh",): facility.usd_per_m3_water is None,
        ("pue",): facility.pue_by_load is not None,
        ("payments_per_year",): "payments_per_year" not in facility.model_fields_set,
    }
    out = {name for names, out_of_account in idle.items() if out_of_account for name in names}
    return _of_facility(facility, out.union(leave_out))


def environment_assumptions(facility: Facility) -> tuple[Assumption, ...]:
    """Inputs of a facility that greenhouse gases and water follow from, beside those of its energy.

    Parameters
    ----------
    facility : Facility
        The facility.

    Examples
    --------
    >>> [a.name for a in environment_assumptions(Facility(grid_l_per_kwh=2.0))]
    ['grid_gco2_per_kwh', 'wue_l_per_kwh', 'grid_l_per_kwh']
    """
    shown = ("grid_gco2_per_kwh", "wue_l_per_kwh", "grid_l_per_kwh")
    return _of_facility(facility, set(Facility.model_fields).difference(shown))


def _of_facility(facility: Facility, out: Collection[str]) -> tuple[Assumption, ...]:
    return given_or_default(facility, FACILITY_SOURCES, unit_of, leave_out=out, ranges=FACILITY_RANGES)


def terms_assumptions(terms: Spec, server: str) -> tuple[Assumption, ...]:
    """Every term of a purchase or a rental that is given: the user's own.

    Parameters
    ----------
    terms : Purchase or Rental
        The terms.
    server : str
        Key of the server.
    """
    units = {"usd": "USD", "gib": "GiB", "year": "USD/year", "years": "years", "kg": "kg"}
    found = given_or_default(terms, {}, lambda name: units.get(name.rpartition("_")[2], ""), leave_out=_UNSAID)
    return tuple(replace(item, name=f"{item.name} of {server}") for item in found if item.origin == "yours")


_UNSAID = ("usd_per_h",)  # said as the rent itself


def given_or_default(
    spec: Spec,
    sources: Mapping[str, str],
    unit: Callable[[str], str],
    *,
    leave_out: Collection[str] = (),
    ranges: Mapping[str, tuple[float, float, str]] = MappingProxyType({}),
) -> tuple[Assumption, ...]:
    """Every input that a specification of terms holds: the user's own, private, or a default with its source.

    Of a course, such as a profile, it is the number of points.

    Parameters
    ----------
    spec : Spec
        Terms whose fields are inputs.
    sources : mapping of str to str
        Where each default comes from.
    unit : callable
        Unit of a field.
    leave_out : collection of str
        Fields that are of no account here.
    ranges : mapping of str to (low, high, source)
        The range in which sources place a default.
    """
    found = []
    for name in type(spec).model_fields:
        value, yours = getattr(spec, name), name in spec.model_fields_set
        if value is None or value is False or name in leave_out:
            continue
        points = isinstance(value, tuple)
        low, high, _ = ranges.get(name, (None, None, ""))
        source = sources.get(name, "") + (f"; range {low:g}-{high:g}" if low is not None else "")
        found.append(
            Assumption(
                name=name,
                value=float(len(value) if points else value),
                unit="points" if points else unit(name),
                origin="yours" if yours else "default",
                source="given" if yours else source,
                private=yours,
                low=None if yours else low,
                high=None if yours else high,
            )
        )
    return tuple(found)


_RENT_PREFERENCE = ("user", "on-demand", "list", "advertised", "reserved", "spot")
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
