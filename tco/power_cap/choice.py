"""The cheapest power cap of a server, exactly: at a breakpoint of the racks, at an end, or where the margin is level.

Between two breakpoints ``P_rack/n`` the cost of a server is a line in its watts, and between two knots of its curve the
throughput is a power law. There ``(A + k·P)/P^a`` has one stationary point at most, so the least of a handful of powers
is the least of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import hardware_specs as hs
from hardware_specs import Server, UnknownValueError
from roofline._arrays import Array
from tco._checked import AT_LEAST_ZERO, POSITIVE
from tco.accounts import account
from tco.defaults import server_power, server_price
from tco.facility import Facility, servers_per_rack
from tco.power_cap.curves import ThroughputCurve, single
from tco.power_cap.formulas import NO_LIMIT, breakpoints
from tco.power_cap.terms import CapPoint, Terms, points

_BY_ENERGY = ("energy", "demand", "carbon", "water")
_ROOMS = {"slots": "slots_u", "weight": "weight_kg"}
_LEVEL = 1e-12  # costs that differ by less are the same, and then the higher cap is better


@dataclass(frozen=True, eq=False)
class CapChoice:
    """The cheapest cap of a server, and what else was tried; ``repr`` shows neither dollars nor watts.

    Attributes
    ----------
    best, uncapped : CapPoint
        The cheapest cap, and none.
    candidates : tuple of CapPoint
        What was tried, from the highest cap: the ends, every ``P_rack/n``, and the best between two of them.
    curve : ThroughputCurve
        Throughput over the cap.
    terms : Terms
        What it costs.
    """

    best: CapPoint
    uncapped: CapPoint
    candidates: tuple[CapPoint, ...]
    curve: ThroughputCurve
    terms: Terms

    @property
    def cap_w(self) -> float:
        """Cap of a device [W]."""
        return float(self.best.cap_w)

    @property
    def server_w(self) -> float:
        """What the server is then provisioned for [W]."""
        return float(self.best.server_w)

    @property
    def servers_per_rack(self) -> float:
        """Servers that share a rack."""
        return float(self.best.servers_per_rack)

    @property
    def cost_ratio(self) -> float:
        """Cost of throughput over that without a cap, at most 1."""
        return float(self.best.cost_ratio)

    @property
    def gain(self) -> float:
        """Share of the cost of throughput that the cap saves; 0 where none pays."""
        return 1 - self.cost_ratio

    @property
    def throughput_loss(self) -> float:
        """Share of a server's throughput that the cap costs."""
        return float(self.best.loss)

    @property
    def kind(self) -> str:
        """What the throughput at the cap is: ``assumed``, ``measured``, ``interpolated`` or ``modelled``."""
        return str(self.best.kind)

    @property
    def extrapolated(self) -> bool:
        """Whether the cap is beyond those that were measured, by a model."""
        return bool(self.best.extrapolated)

    @property
    def limit(self) -> str:
        """What keeps another server out of the rack: ``power``, ``cooling``, or what `most_per_rack` calls it."""
        fed = servers_per_rack(rack_power_w=self.terms.rack_power_w, server_power_w=self.server_w)
        return self.terms.limits[int(fed > self.terms.most_per_rack)]

    @property
    def stranded_share(self) -> float:
        """Share of the rack's power that no server uses."""
        return max(0.0, 1 - self.servers_per_rack * self.server_w / self.terms.rack_power_w)

    def at(self, cap_w: Any) -> CapPoint:
        """What other caps give.

        Parameters
        ----------
        cap_w : number or array
            Cap of a device [W].

        Returns
        -------
        CapPoint
            Of the same shape.

        Raises
        ------
        ValueError
            A cap outside the curve, or so high that no rack holds a server.
        """
        return points(self.curve, self.terms, cap_w, uncapped_w=float(self.uncapped.cap_w))

    def sweep(self, steps: int = 200) -> CapPoint:
        """Caps from the lowest tried to none, with the measured ones and both sides of every breakpoint.

        Parameters
        ----------
        steps : int
            How many, beside the breakpoints.

        Returns
        -------
        CapPoint
            Of arrays, rising.
        """
        tried = np.array([float(point.cap_w) for point in self.candidates])
        measured = np.asarray(getattr(self.curve, "powers_w", ()), dtype=np.float64)
        even = np.linspace(tried.min(), tried.max(), int(single("steps", steps, at_least=2, at_most=1e7)))
        measured = measured[(measured >= tried.min()) & (measured <= tried.max())]
        both = np.unique(np.concatenate([even, tried, measured, np.minimum(tried * (1 + 1e-9), tried.max())]))
        return self.at(both)

    def drawn(self, steps: int = 200) -> dict[str, Any]:
        """What :func:`tco.plot.power_cap` takes, over the power of the server.

        Parameters
        ----------
        steps : int
            As of :meth:`sweep`.
        """
        shown = self.sweep(steps)
        kinds = np.where(shown.extrapolated, "extrapolated", shown.kind)
        return {
            "power_w": shown.server_w,
            "relative_cost": shown.cost_ratio,
            "relative_throughput": shown.throughput_ratio,
            "servers_per_rack": shown.servers_per_rack,
            "optimum_w": self.server_w,
            "kinds": np.broadcast_to(kinds, np.shape(shown.server_w)).tolist(),
        }

    def __repr__(self) -> str:
        if self.best.why == "uncapped":
            return f"CapChoice(no cap pays; {self.servers_per_rack:g} a rack, {self.kind})"
        beyond = ", extrapolated" if self.extrapolated else ""
        return (
            f"CapChoice(cap at {self.best.cap_ratio:.3f} of full power: {self.servers_per_rack:g} a rack instead of "
            f"{self.uncapped.servers_per_rack:g}, throughput {-self.throughput_loss:+.1%}, its cost {-self.gain:+.1%}, "
            f"{self.kind}{beyond})"
        )

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th>{name}</th>" for name in ("cap", "a rack", "loss", "saving", "cost", "tried", "throughput")
        )
        rows = "".join(
            f"<tr><td>{point.cap_ratio:.3f}</td><td>{point.servers_per_rack:g}</td><td>{point.loss:.1%}</td>"
            f"<td>{point.saving:.1%}</td><td>{point.cost_ratio:.3f}</td><td>{point.why}</td>"
            f"<td>{point.kind}{', extrapolated' if point.extrapolated else ''}</td></tr>"
            for point in self.candidates
        )
        return f"<p>{self!r}</p><table><tr>{head}</tr>{rows}</table>"


def best_cap(
    curve: ThroughputCurve,
    *,
    facility: Facility,
    server: Server | None = None,
    server_price_usd: float | None = None,
    server_usd_per_year: float | None = None,
    devices: int | None = None,
    host_w: float | None = None,
    lowest_cap_w: float | None = None,
    highest_cap_w: float | None = None,
    whole_racks: bool = True,
    most_per_rack: int | Mapping[str, int] | None = None,
    shadow_usd_per_watt_year: float = 0.0,
    charge_draw: bool = False,
) -> CapChoice:
    """Cheapest power cap of a server: the least ``(C_s + C_rack/n + k·P)/T(P)``.

    What is tried: every power ``P_rack/n`` at which one more server fits a rack, the ends, the knots of the curve, and
    between any two of these the power at which the next percent of it costs as much throughput as it saves.

    Parameters
    ----------
    curve : ThroughputCurve
        Throughput over the cap of a device, or of the whole server: :class:`PowerLaw`, :class:`MeasuredCaps`,
        :class:`FromModel`.
    facility : Facility
        Rack, plant, energy, and what capital costs.
    server : Server, optional
        Says what is not given: price, devices, the power beside them, and what slots and weight leave room for.
    server_price_usd, server_usd_per_year : float, optional
        Price, or yearly cost of all that does not depend on power [USD, USD/year]; one of them.
    devices : int, optional
        That share the server's power, each with the cap; 1 if not given, and then the curve is of the server.
    host_w : float, optional
        What the server is provisioned for beside its devices, which a cap leaves as it is [W]; 0 if not given.
    lowest_cap_w, highest_cap_w : float, optional
        Of a device; as far as the curve goes if not given. The highest counts as "uncapped" [W].
    whole_racks : bool
        Whole servers in a rack; else a rack is shared out to the last watt.
    most_per_rack : int or mapping of str to int, optional
        Servers that other limits leave room for, such as ``{"slots": 4, "weight": 5}``; a number is of slots.
    shadow_usd_per_watt_year : float
        :func:`shadow_price` of a watt, where a site has no more of it [USD/W-year].
    charge_draw : bool
        Charge energy for what the model says that devices draw; else it goes with provisioned watts, as elsewhere, and
        a cap above what they would draw seems to save some.

    Returns
    -------
    CapChoice

    Raises
    ------
    ValueError
        A number out of range, bounds outside the curve or in the wrong order, a server that fits no rack without a cap,
        or no price. Dollars and watts are not shown.
    UnknownValueError
        Something that is needed is not known of the server.

    References
    ----------
    Kim et al., arXiv:2502.01070, VI-D.

    Examples
    --------
    Three servers of 10.2 kW in a rack of 40 kW leave 9.4 kW unused; 2 % less make room for a fourth.

    >>> import tco
    >>> from tco.power_cap import PowerLaw
    >>> site = tco.Facility(rack_power_kw=40.0, rack_usd=300_000, usd_per_watt=0.0, load=0.8, usd_per_kwh=0.08)
    >>> curve = PowerLaw(reference_w=10_200, exponent=0.35)
    >>> best_cap(curve, facility=site, server_price_usd=300_000, lowest_cap_w=5_000)
    CapChoice(cap at 0.980 of full power: 4 a rack instead of 3, throughput -0.7%, its cost -2.4%, assumed)
    """
    if not isinstance(curve, ThroughputCurve):
        raise ValueError("curve is not accepted: give a PowerLaw, MeasuredCaps or FromModel")
    if not isinstance(facility, Facility):
        raise ValueError("facility is not accepted: give a Facility, such as tco.Facility()")
    known = _of_server(server, curve, facility, devices, host_w)
    rooms = {**known.rooms, **_named(most_per_rack)}
    for limit, field in _ROOMS.items():
        if getattr(facility, f"rack_{field}") is not None and limit not in rooms:
            raise ValueError(f"facility.rack_{field} limits the rack: give server, or most_per_rack={{{limit!r}: ...}}")
    price = known.price_usd
    if server_price_usd is not None:
        price = single("server_price_usd", server_price_usd, **AT_LEAST_ZERO)
    if (server_price_usd is not None and server_usd_per_year is not None) or price is server_usd_per_year is None:
        raise ValueError("give one of server_price_usd and server_usd_per_year, or a server with a price")

    # One watt alone in a rack: what a server, a rack and a watt cost, by the same account as everywhere else.
    parts = account(
        traffic_per_s=1.0,
        tokens_per_s=1.0,
        power_w=1.0,
        server_years=facility.server_years,
        price_usd=price,
        whole=False,
        **facility.terms,
    ).parts
    by_energy = sum(float(parts[name]) for name in _BY_ENERGY if name in parts)
    by_watt = sum(float(usd) for name, usd in parts.items() if name not in (*_BY_ENERGY, "server", "rack"))
    bounds_w = {"power": facility.rack_power_kw * 1e3}
    if facility.rack_cooling_kw is not None:
        bounds_w["cooling"] = facility.rack_cooling_kw * 1e3
    bound = min(bounds_w, key=lambda name: bounds_w[name])
    checked = {name: single(f"most_per_rack[{name!r}]", room, at_least=1, whole=True) for name, room in rooms.items()}
    scarcest = min(checked, key=lambda name: checked[name], default="slots")
    if charge_draw and curve.demand_w is None:
        raise ValueError("charge_draw = True is not accepted: the curve has no model that says what devices draw")
    terms = Terms(
        server_usd_per_year=float(parts["server"])
        if server_usd_per_year is None
        else single("server_usd_per_year", server_usd_per_year, **AT_LEAST_ZERO),
        rack_usd_per_year=float(parts.get("rack", 0.0)),
        usd_per_watt_year=by_watt + single("shadow_usd_per_watt_year", shadow_usd_per_watt_year, **AT_LEAST_ZERO),
        energy_usd_per_watt_year=by_energy,
        rack_power_w=bounds_w[bound],
        most_per_rack=checked.get(scarcest, NO_LIMIT),
        limits=(bound, scarcest),
        devices=known.devices,
        host_w=known.host_w,
        whole_racks=whole_racks,
        draw_w=curve.demand_w if charge_draw else None,
    )
    return _cheapest(curve, terms, lowest_cap_w, highest_cap_w)


def most_per_watt(
    curve: ThroughputCurve,
    *,
    devices: int = 1,
    host_w: float = 0.0,
    lowest_cap_w: float | None = None,
    highest_cap_w: float | None = None,
) -> CapChoice:
    """Cap with the most throughput per watt: what a site that can add no power runs, if servers cost nothing beside it.

    The other end of :func:`best_cap`, which lies between this and no cap as the shadow price of a watt rises.

    Parameters
    ----------
    curve : ThroughputCurve
        Throughput over the cap of a device, or of the whole server.
    devices, host_w, lowest_cap_w, highest_cap_w
        As for :func:`best_cap`.

    Returns
    -------
    CapChoice
        Its "cost" is watts.

    Raises
    ------
    ValueError
        As for :func:`best_cap`.

    Examples
    --------
    What is beside the devices runs whatever they do, so that the most per watt is not at the lowest cap:

    >>> from tco.power_cap import PowerLaw
    >>> curve = PowerLaw(reference_w=700, exponent=0.35)
    >>> choice = most_per_watt(curve, devices=8, host_w=4_600, lowest_cap_w=200)
    >>> round(choice.cap_w), round(0.35 * 4_600 / (0.65 * 8))
    (310, 310)
    """
    terms = Terms(
        server_usd_per_year=0.0,
        rack_usd_per_year=0.0,
        usd_per_watt_year=1.0,
        energy_usd_per_watt_year=0.0,
        rack_power_w=1e30,
        most_per_rack=1.0,
        whole_racks=False,
        devices=int(single("devices", devices, at_least=1, at_most=1e6, whole=True)),
        host_w=single("host_w", host_w, **AT_LEAST_ZERO),
    )
    return _cheapest(curve, terms, lowest_cap_w, highest_cap_w)


class _Known(NamedTuple):
    """What is known of a server."""

    price_usd: float | None
    devices: int
    host_w: float
    rooms: Mapping[str, float]


def _of_server(
    server: Server | None, curve: ThroughputCurve, facility: Facility, devices: int | None, host_w: float | None
) -> _Known:
    if devices is not None:
        devices = int(single("devices", devices, at_least=1, at_most=1e6, whole=True))
    if host_w is not None:
        host_w = single("host_w", host_w, **AT_LEAST_ZERO)
    if server is None:
        return _Known(None, devices or 1, host_w or 0.0, {})
    if not isinstance(server, Server):
        raise ValueError("server is not accepted: give a Server, such as hs.get_server('dgx-h200')")
    accelerator = hs.get(server.accelerator) if server.accelerator in hs.names() else None
    try:
        price: float | None = server_price(server, accelerator).value
    except UnknownValueError:
        price = None  # the caller may know it
    devices = devices or server.accelerators
    if host_w is None:
        full = getattr(accelerator, "tdp_w", None) or curve.uncapped_w
        host_w = server_power(server, accelerator).value - devices * full
        if host_w < 0 or curve.uncapped_w > full * (1 + 1e-9):
            raise ValueError(
                "curve goes beyond the TDP of the server's accelerators: give it over the cap of one of them, or "
                "devices=1 and host_w=0 for a curve over the power of the server"
            )
    rooms: dict[str, float] = {}
    for limit, field in _ROOMS.items():
        has, needs = getattr(facility, f"rack_{field}"), getattr(server, field)
        if has is not None and needs is not None:
            rooms[limit] = float(servers_per_rack(rack_power_w=has, server_power_w=needs))
    return _Known(price, devices, host_w, rooms)


def _named(most_per_rack: int | Mapping[str, int] | None) -> dict[str, Any]:
    if most_per_rack is None:
        return {}
    return dict(most_per_rack) if isinstance(most_per_rack, Mapping) else {"slots": most_per_rack}


def _cheapest(curve: ThroughputCurve, terms: Terms, lowest: float | None, highest: float | None) -> CapChoice:
    low = curve.low_w if lowest is None else single("lowest_cap_w", lowest, **POSITIVE)
    high = curve.uncapped_w if highest is None else single("highest_cap_w", highest, **POSITIVE)
    if low == 0:
        raise ValueError("lowest_cap_w is needed: the curve has no end of its own")
    if low > high:
        raise ValueError("lowest_cap_w is above highest_cap_w: give bounds in order")
    curve.throughput([low, high])  # refuses what is outside it
    if float(terms.servers_per_rack(terms.server_w(high))) < 1:
        raise ValueError(
            "facility: a rack does not hold one server without a cap: give more rack power, or a lower highest_cap_w"
        )

    if terms.whole_racks:
        ends = breakpoints(
            rack_power_w=terms.rack_power_w,
            low_w=terms.server_w(low),
            high_w=terms.server_w(high),
            most_per_rack=terms.most_per_rack,
        )
    else:  # a rack is shared out to where something else limits it
        ends = np.array([terms.rack_power_w / terms.most_per_rack])
    fits = terms.cap_w(ends)
    fits = fits[(fits >= low) & (fits <= high)]
    knots = [curve.segments.edges_w] if terms.draw_w is None else [curve.segments.edges_w, [terms.draw_w]]
    knot = np.concatenate(knots)
    edges = np.unique(np.concatenate([fits, knot[(knot > low) & (knot < high)], [low, high]]))
    between = np.concatenate([edges, _stationary(curve, terms, edges)])

    inner = points(curve, terms, between, uncapped_w=high)
    tried = {high: "uncapped", low: "lowest"} if low < high else {high: "uncapped"}
    for cap, n in zip(fits.tolist(), terms.servers_per_rack(terms.server_w(fits)).tolist(), strict=True):
        tried.setdefault(cap, f"fits {n:g}")
    held = np.broadcast_to(np.floor(inner.servers_per_rack) if terms.whole_racks else 0.0, between.shape)
    for n in np.unique(held):  # of what lies between two breakpoints, the best
        among = np.flatnonzero(held == n)
        tried.setdefault(float(between[among[np.argmin(inner.cost_ratio[among])]]), "between")
    caps = sorted(tried, reverse=True)
    every = points(curve, terms, caps, uncapped_w=high)
    candidates = tuple(every.one(i, why=tried[cap]) for i, cap in enumerate(caps))
    least = min(float(point.cost_ratio) for point in candidates)
    best = next(point for point in candidates if float(point.cost_ratio) <= least * (1 + _LEVEL))
    return CapChoice(best, candidates[0], candidates, curve, terms)


def _stationary(curve: ThroughputCurve, terms: Terms, edges: Array) -> Array:
    """Caps between `edges` at which the margin is level: ``x = a·A/((1−a)·b)`` for ``(A + b·x)/x^a``."""
    lower, upper = edges[:-1], edges[1:]
    middle = (lower + upper) / 2
    a = curve.elasticity(middle)
    server_w = terms.server_w(middle)
    k = terms.usd_per_watt_year + terms.energy_usd_per_watt_year
    fixed, slope = np.full_like(middle, terms.server_usd_per_year), np.full_like(middle, k)
    if terms.draw_w is not None:  # above what is drawn, energy is no matter of the cap
        idle = middle > terms.draw_w
        fixed = fixed + idle * terms.energy_usd_per_watt_year * terms.server_w(terms.draw_w)
        slope = slope - idle * terms.energy_usd_per_watt_year
    n = terms.servers_per_rack(server_w)
    shared = (n < terms.most_per_rack) & (not terms.whole_racks)
    fixed = fixed + np.where(shared, 0.0, terms.rack_usd_per_year / n)
    slope = slope + np.where(shared, terms.rack_usd_per_year / terms.rack_power_w, 0.0)
    # In watts of a device, what the host draws is fixed.
    numerator, denominator = a * (fixed + slope * terms.host_w), (1 - a) * slope * terms.devices
    level = numerator / np.where(denominator > 0, denominator, 1.0)
    return level[(denominator > 0) & (level > lower) & (level < upper)]
