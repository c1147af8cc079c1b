"""A choice that holds up in every scenario: minimax regret, minimax cost, or expected cost.

Kim VII-B asks for the hardware that stays cost-efficient over most of what may come, not for the one that excels in a
narrow region. Scenarios are rows of shares, single applications, or whatever else costs were computed for. The regret
of a machine in a scenario is what it costs above the best one there.

Where scenarios are corners of a region of shares (:func:`tco.mix.share_vertices`), the worst of all three, cost, regret
and relative regret, is at a corner: cost is linear in the shares, regret is a maximum of linear functions, and relative
regret a maximum of ratios of linear ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline._validation import choice, number
from tco.mix._checks import positive

if TYPE_CHECKING:
    import numpy.typing as npt

CRITERIA = ("minimax regret", "minimax", "expected")
"""Smallest worst regret (Savage), lowest worst cost (Wald), lowest expected cost."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Choice:
    """A machine chosen over several scenarios, and how all of them stand. Its ``repr`` shows no cost.

    Attributes
    ----------
    machine : str
        The choice; of equals the first.
    criterion : str
        One of :data:`CRITERIA`.
    relative : bool
        Whether regret was counted as a share of the best cost.
    machines : tuple of str
        All of them.
    costs : ndarray
        Machines by scenarios, in the unit that was given.
    scores : ndarray
        What the criterion compares, by machine: the least wins. In the unit of the costs, or a ratio where `relative`.
    excluded : mapping of str to str
        Machines that were not among them, each with its reason.
    """

    machine: str
    criterion: str
    relative: bool
    machines: tuple[str, ...]
    costs: npt.NDArray[np.float64] = field(repr=False)
    scores: npt.NDArray[np.float64] = field(repr=False)
    excluded: dict[str, str] = field(default_factory=dict)

    @property
    def regrets(self) -> npt.NDArray[np.float64]:
        """What each machine costs above the best one of each scenario, in the unit of the costs."""
        above: npt.NDArray[np.float64] = self.costs - self.costs.min(axis=0)
        return above

    @property
    def relative_regrets(self) -> npt.NDArray[np.float64]:
        """The same as a share of the best one's cost: 0.1 is 10 % dearer."""
        above: npt.NDArray[np.float64] = self.regrets / self.costs.min(axis=0)
        return above

    @property
    def worst_regret(self) -> float:
        """Largest relative regret of the choice."""
        return float(self.relative_regrets[self.machines.index(self.machine)].max())

    def __repr__(self) -> str:
        machines, scenarios = self.costs.shape
        out = f"; {', '.join(self.excluded)} excluded" if self.excluded else ""
        return (
            f"Choice({self.machine}, by {self.criterion} of {machines} machines in {scenarios} scenarios: at most "
            f"{self.worst_regret:.1%} dearer than the best of any{out})"
        )


def robust_choice(
    costs: Any,
    *,
    criterion: str = "minimax regret",
    probabilities: Any = None,
    relative: bool = False,
    machines: Sequence[str] | None = None,
) -> Choice:
    """Choose the machine that stands up best in several scenarios.

    Parameters
    ----------
    costs : array
        Machines by scenarios, above 0, in any unit that is the same in all of them.
    criterion : {"minimax regret", "minimax", "expected"}
        Smallest worst regret, lowest worst cost, or lowest expected cost.
    probabilities : array, optional
        Of the scenarios, adding up to 1; alike if not given. They matter to the expected cost only, and are refused
        with another criterion.
    relative : bool
        Count regret as a share of the best cost, so that cheap scenarios matter as much as dear ones; of the other two
        criteria, costs are divided by the best of each scenario.
    machines : sequence of str, optional
        Names; numbers from 0 if not given.

    Returns
    -------
    Choice

    Raises
    ------
    ValueError
        A cost that is not above 0, probabilities that do not add up to 1, or shapes that do not match.

    References
    ----------
    Savage, The theory of statistical decision, 1951 (minimax regret); Kim VII-B for why.

    Examples
    --------
    >>> costs = [[1.0, 9.0], [2.0, 5.0], [7.0, 4.0]]
    >>> [robust_choice(costs, criterion=criterion).machine for criterion in ("minimax regret", "minimax", "expected")]
    ['1', '1', '1']
    >>> robust_choice(costs, criterion="expected", probabilities=[0.9, 0.1], machines=["A", "B", "C"])
    Choice(A, by expected of 3 machines in 2 scenarios: at most 125.0% dearer than the best of any)
    """
    choice("criterion", criterion, CRITERIA)
    table = np.asarray(positive("costs", costs, private=True))
    if table.ndim != 2:
        raise ValueError(f"costs has shape {table.shape}: give machines by scenarios")
    names = tuple(map(str, range(len(table))) if machines is None else machines)
    if len(names) != len(table):
        raise ValueError(f"machines has {len(names)} names, but costs has {len(table)} rows")
    chances = _probabilities(probabilities, table.shape[1], criterion)
    best = table.min(axis=0)
    merit = table / best if relative else table
    if criterion == "minimax regret":
        scores = (merit - merit.min(axis=0)).max(axis=1)
    elif criterion == "minimax":
        scores = merit.max(axis=1)
    else:
        scores = merit @ chances
    return Choice(
        machine=names[int(np.argmin(scores))],
        criterion=criterion,
        relative=bool(relative),
        machines=names,
        costs=table,
        scores=scores,
    )


def _probabilities(value: Any, scenarios: int, criterion: str) -> npt.NDArray[np.float64]:
    if value is None:
        return np.full(scenarios, 1 / scenarios)
    if criterion != "expected":
        raise ValueError(f"probabilities are not accepted with criterion = {criterion!r}: it looks at the worst alone")
    chances = np.asarray(number("probabilities", value, at_least=0, at_most=1))
    if chances.shape != (scenarios,):
        raise ValueError(f"probabilities has shape {chances.shape}: give one for each of {scenarios} scenarios")
    if abs(chances.sum() - 1) > 1e-9:
        raise ValueError(f"probabilities add up to {chances.sum():.9g}: give some that add up to 1")
    return chances
