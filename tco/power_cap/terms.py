"""What a server costs under a cap, and what limits a rack."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from roofline._arrays import Array
from tco._checked import POSITIVE, given
from tco.power_cap.curves import ThroughputCurve
from tco.power_cap.formulas import NO_LIMIT, servers_held


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a server costs by what drives it, and what limits a rack. ``repr`` shows none of it.

    Attributes
    ----------
    server_usd_per_year, rack_usd_per_year : float
        Of a server, whatever its power; of a rack, however many servers it holds [USD/year].
    usd_per_watt_year, energy_usd_per_watt_year : float
        Of a provisioned watt: plant or colocation; and energy, at the facility's load [USD/W-year].
    rack_power_w : float
        What a rack feeds, or cools if that is less [W].
    most_per_rack : float
        Servers that anything else leaves room for.
    limits : tuple of str
        Names of the two: of what bounds watts, and of what bounds servers.
    devices : int
        That share the server's power, each with the cap.
    host_w : float
        What the server is provisioned for beside them [W].
    whole_racks : bool
        Whole servers in a rack, or fractions.
    draw_w : float or None
        Power of a device above which a cap saves no energy; ``None`` where energy goes with provisioned watts [W].
    """

    server_usd_per_year: float
    rack_usd_per_year: float
    usd_per_watt_year: float
    energy_usd_per_watt_year: float
    rack_power_w: float
    most_per_rack: float = NO_LIMIT
    limits: tuple[str, str] = ("power", "slots")
    devices: int = 1
    host_w: float = 0.0
    whole_racks: bool = True
    draw_w: float | None = None

    def server_w(self, cap_w: Array) -> Array:
        """Provisioned power of a server whose devices are capped [W].

        Parameters
        ----------
        cap_w : array
            Of a device [W].
        """
        return self.host_w + self.devices * cap_w

    def cap_w(self, server_w: Array) -> Array:
        """Cap of a device that leaves a server its power [W].

        Parameters
        ----------
        server_w : array
            Of the server [W].
        """
        return (server_w - self.host_w) / self.devices

    def servers_per_rack(self, server_w: Array) -> Array:
        """Servers that share a rack.

        Parameters
        ----------
        server_w : array
            Provisioned power of one [W].
        """
        return servers_held(
            power_w=server_w,
            rack_power_w=self.rack_power_w,
            most_per_rack=self.most_per_rack,
            whole_racks=self.whole_racks,
        )

    def usd_per_year(self, cap_w: Array) -> Array:
        """Cost of a server: ``C_s + C_rack/n + k·P`` [USD/year].

        Parameters
        ----------
        cap_w : array
            Of a device [W].
        """
        P = self.server_w(cap_w)
        drawn = P if self.draw_w is None else self.server_w(np.minimum(cap_w, self.draw_w))
        n = self.servers_per_rack(P)
        return (
            self.server_usd_per_year
            + self.rack_usd_per_year / n
            + self.usd_per_watt_year * P
            + self.energy_usd_per_watt_year * drawn
        )

    def __repr__(self) -> str:
        return "Terms(private)"


@dataclass(frozen=True, eq=False, kw_only=True)
class CapPoint:
    """A cap, or an array of them, against no cap.

    Attributes
    ----------
    cap_w, server_w : float or array
        Cap of a device, and what its server is provisioned for [W].
    cap_ratio : float or array
        The cap over the power without one.
    servers_per_rack : float or array
        At that power.
    throughput_ratio : float or array
        Throughput over that without a cap.
    saving : float or array
        Share of a server's yearly cost that the cap saves: Kim's "TCO gain".
    kind : str or array of str
        What the throughput is: ``assumed``, ``measured``, ``interpolated``, ``modelled``.
    extrapolated : bool or array of bool
        Whether the cap is beyond those that were measured.
    why : str
        Why it was tried: ``uncapped``, ``lowest``, ``fits 4``, ``between``.
    """

    cap_w: Any = field(repr=False)
    server_w: Any = field(repr=False)
    cap_ratio: Any
    servers_per_rack: Any
    throughput_ratio: Any
    saving: Any
    kind: Any
    extrapolated: Any
    why: str = ""

    def one(self, index: int, *, why: str = "") -> CapPoint:
        """Take one of an array of caps.

        Parameters
        ----------
        index : int
            Which.
        why : str
            Why it was tried.
        """
        values = {name: np.asarray(value)[[index]].tolist()[0] for name, value in vars(self).items() if name != "why"}
        return CapPoint(**values, why=why)

    @property
    def loss(self) -> Array:
        """Share of the throughput that the cap costs."""
        return 1 - self.throughput_ratio

    @property
    def cost_ratio(self) -> Array:
        """Cost of throughput over that without a cap: ``(1 − saving)/(1 − loss)``."""
        return (1 - self.saving) / self.throughput_ratio

    @property
    def pays(self) -> Array:
        """Whether throughput is cheaper than without a cap: exactly where the loss is below the saving (Kim VI-D)."""
        return self.loss < self.saving


def points(curve: ThroughputCurve, terms: Terms, cap_w: Any, *, uncapped_w: float) -> CapPoint:
    """Set caps against no cap.

    Parameters
    ----------
    curve : ThroughputCurve
        Throughput over the cap.
    terms : Terms
        What it costs.
    cap_w : number or array
        Of a device [W].
    uncapped_w : float
        What counts as no cap [W].
    """
    cap = given("cap_w", cap_w, **POSITIVE)
    throughput = curve.throughput(cap)
    server_w = terms.server_w(cap)
    held = terms.servers_per_rack(server_w)
    if np.any(held < 1):
        raise ValueError("cap_w is so high that a rack does not hold one server: give a lower one")
    found = {
        "cap_w": cap,
        "server_w": server_w,
        "cap_ratio": cap / uncapped_w,
        "servers_per_rack": held,
        "throughput_ratio": throughput / curve.throughput(uncapped_w),
        "saving": 1 - terms.usd_per_year(cap) / terms.usd_per_year(np.asarray(uncapped_w)),
        "kind": curve.kind(cap),
        "extrapolated": curve.extrapolated(cap),
    }
    if np.shape(cap) == ():
        found = {name: np.asarray(value).item() for name, value in found.items()}
    return CapPoint(**found)
