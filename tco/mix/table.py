"""Applications by machines: throughput of a server, what it costs, and what follows for a mix of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardware_specs.errors import did_you_mean
from roofline._arrays import Array
from tco.mix._checks import positive, weights
from tco.mix.robust import Choice, robust_choice

if TYPE_CHECKING:
    import numpy.typing as npt

    from tco.mix.serving import Served


class RatioRange(NamedTuple):
    """Lowest and highest TCO ratio over a region of shares, and the shares where they are."""

    low: float
    high: float
    shares_low: Array
    shares_high: Array


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Each application on the machine that serves it cheapest.

    Attributes
    ----------
    machines : dict of str to str
        By application.
    ratio : float or None
        Cost of the mix over that of the best single machine, at most 1; ``None`` where no machine serves all.
    single : str or None
        That machine.
    cost_shares : dict of str to float
        Share of the cost that goes to each machine used.
    """

    machines: dict[str, str]
    ratio: float | None
    single: str | None
    cost_shares: dict[str, float]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MixTable:
    """What servers of several machines give of several applications, and what they cost.

    Costs are of a server and a year whatever it serves; ratios are at equal traffic, with fractional servers. Where
    methods take `shares`, they are those of :attr:`shares` unless given, of shape ``(..., applications)``, and results
    have the shape in front. Ratios of machines are A over B; below 1, A is cheaper.

    Attributes
    ----------
    applications, machines : tuple of str
        Names.
    tokens_per_s : masked array
        Throughput of a server, applications by machines, masked where a machine does not serve [token/s].
    shares : ndarray
        Share of tokens by application; whatever their scale, they are kept adding up to 1.
    usd_per_year : ndarray
        Cost of a server by machine [USD/year].
    server_usd_per_year : ndarray, optional
        Of this, Kim's ``Cost_Server``; the rest is ``Cost_Infra``. The three ratios need it, the cost ratio does not.
    refused : dict of (str, str) to str
        Why a machine does not serve, by application and machine.
    served : dict of (str, str) to Served
        How it does; empty where throughputs were given as numbers.

    Raises
    ------
    ValueError
        Shapes that do not match, names that are not unique, a number out of range, or a cell without a reason.

    Examples
    --------
    >>> table = MixTable(applications=("chat", "documents"), machines=("A", "B"), shares=[0.5, 0.5],
    ...     tokens_per_s=[[100, 200], [400, 200]], usd_per_year=[50_000, 50_000])
    >>> float(table.r_th("A", "B")), table.best_machine(), table.assignment().machines
    (0.8, 'B', {'chat': 'B', 'documents': 'A'})
    >>> table
    MixTable(2 applications × 2 machines: B serves the mix cheapest, A 1.250×; each on its own best 0.750×)
    """

    applications: tuple[str, ...]
    machines: tuple[str, ...]
    tokens_per_s: Any
    shares: Any
    usd_per_year: Any
    server_usd_per_year: Any = None
    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    served: dict[tuple[str, str], Served] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = {name: tuple(getattr(self, name)) for name in ("applications", "machines")}
        for name, values in names.items():
            if len(set(values)) < max(1, len(values)):
                raise ValueError(f"{name} = {values!r} is not accepted: give names, each once")
            object.__setattr__(self, name, values)
        rates = np.ma.asarray(self.tokens_per_s)
        if rates.shape != (len(self.applications), len(self.machines)):
            raise ValueError(
                f"tokens_per_s has shape {rates.shape}: give {len(self.applications)} applications by "
                f"{len(self.machines)} machines"
            )
        mask = np.ma.getmaskarray(rates)
        checked = positive("tokens_per_s", rates.filled(1.0) if mask.any() else np.ma.getdata(rates))
        for i, j in np.argwhere(mask):
            if not self.refused.get((self.applications[i], self.machines[j])):
                raise ValueError(f"{self.machines[j]} does not serve {self.applications[i]}: say why in refused")
        # 1 stands below the mask, so that nothing there can be taken for a throughput, or divide by zero.
        object.__setattr__(self, "tokens_per_s", np.ma.masked_array(np.where(mask, 1.0, checked), mask))
        object.__setattr__(self, "shares", self._checked_shares(self.shares, one=True))
        for name in ("usd_per_year", "server_usd_per_year"):
            if getattr(self, name) is not None:
                cost = positive(name, getattr(self, name), private=True)
                if cost.shape != (len(self.machines),):
                    raise ValueError(
                        f"{name} has shape {cost.shape}: give one for each of {len(self.machines)} machines"
                    )
                object.__setattr__(self, name, np.array(cost))
        if self.server_usd_per_year is not None and np.any(self.server_usd_per_year > self.usd_per_year * (1 + 1e-12)):
            raise ValueError("server_usd_per_year is above usd_per_year, of which it is a part")

    def _checked_shares(self, shares: Any, *, one: bool = False) -> npt.NDArray[np.float64]:
        if shares is None:
            found: npt.NDArray[np.float64] = self.shares
            return found
        checked = np.array(weights("shares", shares))
        if checked.shape[-1] != len(self.applications) or (one and checked.ndim > 1):
            raise ValueError(
                f"shares has shape {checked.shape}: give one for each of {len(self.applications)} applications"
            )
        return checked

    def _index(self, machine: str) -> int:
        if machine not in self.machines:
            raise ValueError(f"machine = {machine!r} is not in the table{did_you_mean(str(machine), self.machines)}")
        return self.machines.index(machine)

    @cached_property
    def _costs(self) -> npt.NDArray[np.float64]:
        """Cost of a token a second, applications by machines; infinite where a machine does not serve."""
        found: npt.NDArray[np.float64] = np.where(
            self.tokens_per_s.mask, np.inf, self.usd_per_year / self.tokens_per_s.data
        )
        return found

    def _mix_costs(self, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Cost of the mix by machine, last axis; infinite where it does not serve all that has a share."""
        finite = np.where(np.isinf(self._costs), 0.0, self._costs)
        lacking = (shares > 0).astype(float) @ np.isinf(self._costs) > 0
        return np.where(lacking, np.inf, shares @ finite)

    def _cost_of(self, machine: str, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        j = self._index(machine)
        needed = np.any(shares > 0, axis=tuple(range(shares.ndim - 1)))
        for i in np.flatnonzero(needed & self.tokens_per_s.mask[:, j]):
            name = self.applications[i]
            raise ValueError(f"{machine} does not serve {name}, which has a share: {self.refused[name, machine]}")
        return self._mix_costs(shares)[..., j]

    def tco_ratio(self, a: str, b: str, *, shares: Any = None) -> Array:
        """TCO of A over TCO of B on the mix, ``Σ(w_i·c_A/T_A,i) / Σ(w_i·c_B/T_B,i)``: Kim Eq. 4 of the mix.

        Parameters
        ----------
        a, b : str
            Machines.
        shares : array, optional
            Other shares of tokens.

        Raises
        ------
        ValueError
            A machine that does not serve an application with a share; the message says why not.
        """
        w = self._checked_shares(shares)
        return self._cost_of(a, w) / self._cost_of(b, w)

    def r_th(self, a: str, b: str, *, shares: Any = None) -> Array:
        """Throughput ratio on the mix: harmonic, see :func:`tco.mix.mixed_r_th`. Arguments as :meth:`tco_ratio`."""
        cost = self.usd_per_year
        return cost[self._index(a)] / cost[self._index(b)] / self.tco_ratio(a, b, shares=shares)

    def r_th_by_application(self, a: str, b: str) -> Any:
        """Throughput ratio of each application, masked where one of the two does not serve it."""
        return self.tokens_per_s[:, self._index(a)] / self.tokens_per_s[:, self._index(b)]

    def tco_ratio_by_application(self, a: str, b: str) -> Any:
        """TCO ratio of each application, masked where one of the two does not serve it."""
        cost = self.usd_per_year
        return cost[self._index(a)] / cost[self._index(b)] / self.r_th_by_application(a, b)

    def _kim(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        if self.server_usd_per_year is None:
            raise ValueError("server_usd_per_year is not known: the cost of a server must be told from infrastructure")
        return self.server_usd_per_year, np.maximum(self.usd_per_year - self.server_usd_per_year, 0.0)

    def r_sc(self, a: str, b: str) -> float:
        """Server cost ratio (Kim Eq. 2).

        Raises
        ------
        ValueError
            Server and infrastructure costs are not known apart.
        """
        server, _ = self._kim()
        return float(server[self._index(a)] / server[self._index(b)])

    def r_ic(self, a: str, b: str) -> float:
        """Infrastructure cost ratio (Kim Eq. 3); raises as :meth:`r_sc`, and where B's is all in its server cost."""
        _, infrastructure = self._kim()
        if infrastructure[self._index(b)] == 0:
            raise ValueError(f"{b} has no infrastructure cost beside its servers', so there is no ratio to it")
        return float(infrastructure[self._index(a)] / infrastructure[self._index(b)])

    def server_share(self, b: str) -> float:
        """``w``: the server's share of B's cost (below Kim Eq. 4); raises as :meth:`r_sc`."""
        server, _ = self._kim()
        return float(server[self._index(b)] / self.usd_per_year[self._index(b)])

    def points(self, a: str, b: str) -> dict[str, tuple[float, float]]:
        """Cloud of points ``(r_sc, r_th)`` on the TCO surface, for :func:`tco.plot.heatmap` (Kim VII-B).

        One for each application that both serve, and one named ``mix`` where that is all that has a share.

        Parameters
        ----------
        a, b : str
            Machines.

        Raises
        ------
        ValueError
            Server and infrastructure costs are not known apart.
        """
        x, by_application = self.r_sc(a, b), self.r_th_by_application(a, b)
        both = ~np.ma.getmaskarray(by_application)
        found = {name: (x, float(by_application[i])) for i, name in enumerate(self.applications) if both[i]}
        if bool(np.all(both | (self.shares == 0))):
            found["mix"] = (x, float(self.r_th(a, b)))
        return found

    @property
    def winners(self) -> dict[str, str | None]:
        """Cheapest machine of each application; ``None`` where none serves it."""
        found = (None if np.all(np.isinf(row)) else self.machines[int(np.argmin(row))] for row in self._costs)
        return dict(zip(self.applications, found, strict=True))

    def best_machine(self, *, shares: Any = None) -> Any:
        """Machine that serves the whole mix cheapest, where only one may be bought.

        Parameters
        ----------
        shares : array, optional
            Other shares of tokens.

        Returns
        -------
        str or array of str
            Of equals the first.

        Raises
        ------
        ValueError
            No machine serves all that has a share.
        """
        costs = self._mix_costs(self._checked_shares(shares))
        if np.any(np.isinf(costs).all(axis=-1)):
            why = "; ".join(f"{machine}, {name}: {reason}" for (name, machine), reason in self.refused.items())
            raise ValueError(f"no machine serves the whole mix: {why}")
        best = np.asarray(self.machines)[np.argmin(costs, axis=-1)]
        return str(best) if best.shape == () else best

    def assignment(self) -> Assignment:
        """Each application on its cheapest machine, and what that saves over the best single one.

        Raises
        ------
        ValueError
            An application with a share that no machine serves.
        """
        used = np.flatnonzero(self.shares > 0)
        for i in used:
            if np.all(np.isinf(self._costs[i])):
                name = self.applications[i]
                why = "; ".join(f"{machine}: {self.refused[name, machine]}" for machine in self.machines)
                raise ValueError(f"no machine serves {name}: {why}")
        cheapest = np.argmin(self._costs, axis=1)
        parts = self.shares[used] * self._costs[used, cheapest[used]]
        totals = self._mix_costs(self.shares)
        single = int(np.argmin(totals))
        exists = bool(np.isfinite(totals[single]))
        by_machine: dict[str, float] = {}
        for i, part in zip(used, parts, strict=True):
            machine = self.machines[cheapest[i]]
            by_machine[machine] = by_machine.get(machine, 0.0) + float(part / parts.sum())
        return Assignment(
            machines={self.applications[i]: self.machines[cheapest[i]] for i in used},
            ratio=min(1.0, float(parts.sum() / totals[single])) if exists else None,
            single=self.machines[single] if exists else None,
            cost_shares=by_machine,
        )

    def break_even_shares(self, a: str, b: str) -> npt.NDArray[np.float64]:
        """Share of each application at which A and B cost the same, the others keeping their proportions.

        With ``d_i = c_A/T_A,i − c_B/T_B,i`` and ``d`` its mean over the others, ``w_i* = d/(d − d_i)``.

        Parameters
        ----------
        a, b : str
            Machines.

        Returns
        -------
        ndarray
            By application; NaN where no share of it changes the winner, or where it is the whole mix.

        Raises
        ------
        ValueError
            A machine that does not serve an application with a share.
        """
        w = self.shares
        self.tco_ratio(a, b)  # refuses what is not served
        gaps = self._costs[:, self._index(a)], self._costs[:, self._index(b)]
        known = np.isfinite(gaps[0]) & np.isfinite(gaps[1])
        d = np.where(known, np.where(known, gaps[0], 0.0) - np.where(known, gaps[1], 0.0), 0.0)
        rest = 1 - w
        others = np.where(rest > 0, (w @ d - w * d) / np.where(rest > 0, rest, 1.0), 0.0)
        # They are level somewhere between none and all of it where the two ends lie on either side.
        crosses = known & (rest > 0) & (np.sign(others) * np.sign(d) < 0)
        return np.where(crosses, others / np.where(crosses, others - d, 1.0), np.nan)

    def ratio_range(self, a: str, b: str, *, share_sets: Any) -> RatioRange:
        """Lowest and highest TCO ratio over all mixtures of some sets of shares.

        A ratio of two linear functions is highest and lowest at a corner, so only the sets themselves are tried.

        Parameters
        ----------
        a, b : str
            Machines.
        share_sets : array
            Sets of shares, shape ``(sets, applications)``: those that may come, or corners of what may come, see
            :func:`tco.mix.share_vertices`.

        Returns
        -------
        RatioRange

        Raises
        ------
        ValueError
            As for :meth:`tco_ratio`.
        """
        w = np.atleast_2d(self._checked_shares(share_sets))
        ratios = self.tco_ratio(a, b, shares=w)
        low, high = int(np.argmin(ratios)), int(np.argmax(ratios))
        return RatioRange(float(ratios[low]), float(ratios[high]), w[low], w[high])

    def win_shares(self, share_sets: Any) -> dict[str, float]:
        """How often each machine is the cheapest single one over sets of shares, such as random draws.

        Parameters
        ----------
        share_sets : array
            Shape ``(sets, applications)``, see :func:`tco.mix.draw_shares`.

        Raises
        ------
        ValueError
            As for :meth:`best_machine`.
        """
        best = np.atleast_1d(self.best_machine(shares=share_sets))
        return {machine: float(np.mean(best == machine)) for machine in self.machines}

    def robust_choice(
        self,
        share_sets: Any = None,
        *,
        criterion: str = "minimax regret",
        probabilities: Any = None,
        relative: bool = False,
    ) -> Choice:
        """Choose the machine that stands up best over sets of shares; see :func:`tco.mix.robust_choice`.

        Parameters
        ----------
        share_sets : array, optional
            Scenarios, shape ``(sets, applications)``. If not given, each application alone: any mix of them is then
            within what the choice was made for.
        criterion, probabilities, relative
            As in :func:`tco.mix.robust_choice`.

        Returns
        -------
        Choice
            Among the machines that serve all that has a share somewhere; the others are in ``excluded``.

        Raises
        ------
        ValueError
            No machine serves all, or as for :func:`tco.mix.robust_choice`.
        """
        w = np.atleast_2d(np.eye(len(self.applications)) if share_sets is None else self._checked_shares(share_sets))
        self.best_machine(shares=w.mean(axis=0))  # refuses where no machine serves all
        costs = self._mix_costs(w)
        able = np.asarray(np.isfinite(costs).all(axis=0))
        found = robust_choice(
            costs[:, able].T,
            criterion=criterion,
            probabilities=probabilities,
            relative=relative,
            machines=[machine for machine, is_able in zip(self.machines, able, strict=True) if is_able],
        )
        needed, excluded = np.any(w > 0, axis=0), {}
        for j in np.flatnonzero(~able):
            name = self.applications[int(np.flatnonzero(needed & self.tokens_per_s.mask[:, j])[0])]
            excluded[self.machines[j]] = f"{name}: {self.refused[name, self.machines[j]]}"
        return replace(found, excluded=excluded)

    @property
    def kinds(self) -> dict[str, str]:
        """What the throughputs of each machine are, such as ``ideal roofline``; ``given`` where they are numbers."""
        found: dict[str, str] = {}
        for machine in self.machines:
            said = dict.fromkeys(one.kind for (_, on), one in self.served.items() if on == machine)
            found[machine] = " and ".join(said) or "given"
        return found

    def _standing(self) -> tuple[str | None, dict[str, str]]:
        """Say who serves the mix cheapest, and what each machine costs against it."""
        totals = self._mix_costs(self.shares)
        best = totals.min()
        told = {
            machine: f"{total / best:.3f}×" if np.isfinite(total) else "not all of it"
            for machine, total in zip(self.machines, totals, strict=True)
        }
        return (self.machines[int(np.argmin(totals))] if np.isfinite(best) else None), told

    def __repr__(self) -> str:
        best, told = self._standing()
        parts = ["no machine serves the whole mix"]
        if best is not None:
            others = "".join(f", {machine} {said}" for machine, said in told.items() if machine != best)
            parts = [f"{best} serves the mix cheapest{others}", f"each on its own best {self.assignment().ratio:.3f}×"]
        if self.refused:
            parts.append(f"{len(self.refused)} of {self.tokens_per_s.size} not served")
        return f"MixTable({len(self.applications)} applications × {len(self.machines)} machines: {'; '.join(parts)})"

    def _repr_html_(self) -> str:
        _, told = self._standing()
        columns, kinds = range(len(self.machines)), self.kinds
        rows = [["cost of a token", *(f"{machine} ({kinds[machine]})" for machine in self.machines)]]
        for i, name in enumerate(self.applications):
            costs = self._costs[i] / self._costs[i].min() if self.winners[name] is not None else self._costs[i]
            cells = (
                f"{costs[j]:.3f}×" if np.isfinite(costs[j]) else self.refused[name, self.machines[j]] for j in columns
            )
            rows.append([f"{name} ({self.shares[i]:.0%})", *cells])
        rows.append(["mix", *told.values()])
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        return f"<p>{escape(repr(self))}</p><table>{body}</table>"
