"""The search for the cheapest fleet, and what is in the way where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tco.fleet.option import LIMITS, Option
from tco.fleet.program import ANY, Program, Solution
from tco.fleet.question import Question, ask
from tco.fleet.result import Fleet, Outcome, mean_of_worst


class InfeasibleError(ValueError):
    """No fleet serves the demand within its limits.

    Attributes
    ----------
    limits : tuple of str
        Those that are in the way: each alone, if :attr:`each` is true, else together.
    each : bool
        Whether lifting any one of them is enough.
    """

    def __init__(self, message: str, limits: tuple[str, ...] = (), *, each: bool = True) -> None:
        super().__init__(message)
        self.limits = limits
        self.each = each


def cheapest(
    options: Sequence[Option],
    demand: Mapping[str, float] | Mapping[str, Mapping[str, float]],
    *,
    site_power_w: float | None = None,
    racks: float | None = None,
    gco2_per_year: float | None = None,
    slices: int = 1,
    split: bool = True,
    headroom: float = 0.0,
    overflow_usd_per_year: Mapping[str, float] | None = None,
    probabilities: Mapping[str, float] | None = None,
    objective: str = "expected",
    cvar_level: float = 0.9,
    gap: float = 1e-6,
    time_limit_s: float = 60.0,
) -> Fleet:
    """Find the cheapest mix of whole servers that serves a demand within its limits.

    A mixed integer program (see :mod:`tco.fleet.program`). The load of a kind is taken together, so that the answer is
    a lower bound of what packing each slice on one server needs.

    Parameters
    ----------
    options : sequence of Option
        What may be bought or rented.
    demand : mapping
        Rate of each workload, in the unit of the options' rates; or scenarios of them: name → workload → rate.
    site_power_w : float, optional
        Most provisioned power at the site, in every scenario [W].
    racks : float, optional
        Most racks at the site, whole.
    gco2_per_year : float, optional
        Most greenhouse gas of the servers, in every scenario [gCO2e/year].
    slices : int
        Equal parts into which each workload is cut; they matter with ``split=False``.
    split : bool
        Whether a part may be divided between kinds at will; else it goes to one kind whole, as in Mélange.
    headroom : float
        Capacity kept free, over the demand (0.2 is 20 %).
    overflow_usd_per_year : mapping of str to float, optional
        Workloads that need not be served all, with what a unit of their rate costs that is left for a year: the price
        of an API that takes it, or the margin lost. Overflow takes nothing of any limit [USD/year per unit of rate].
    probabilities : mapping of str to float, optional
        Of the scenarios, above 0; equal if not given. Shares of the year do as well.
    objective : str
        ``expected`` cost, or ``cvar``: the mean cost of the worst scenarios.
    cvar_level : float
        ``α``, 0 to below 1: the worst ``1 − α`` of the probability counts.
    gap : float
        Share of its cost by which the answer may be above the best possible. Proving the last percent takes long where
        many scenarios rent whole servers: give 0.01 or 0.02 there.
    time_limit_s : float
        After which the best fleet so far is taken; its ``gap`` says how good it is [s].

    Returns
    -------
    Fleet
        Fleets of equal objective may exist, and workloads may often be shared out in other ways at equal cost.

    Raises
    ------
    InfeasibleError
        No fleet serves the demand: the message names the limits that are in the way.
    ValueError
        An argument out of range; a limit needs what an option does not say; or the time ran out without a fleet.

    References
    ----------
    Griggs et al., "Mélange: Cost Efficient LLM Serving by Exploiting GPU Heterogeneity", arXiv:2404.14527.
    Rockafellar & Uryasev, "Optimization of conditional value-at-risk", J. of Risk 2, 2000.

    Examples
    --------
    Own for the base, rent for the peak that comes one day in ten:

    >>> own = Option(name="own", usd_per_year=20_000, rates={"chat": 10}, power_w=10_200, private=False)
    >>> rent = Option.rented(name="rent", usd_per_h=5.0, rates={"chat": 10}, on_demand=True, private=False)
    >>> days = {"usual": {"chat": 95}, "peak": {"chat": 150}}
    >>> found = cheapest([own, rent], days, probabilities={"usual": 0.9, "peak": 0.1}, site_power_w=200e3)
    >>> found
    Fleet(10 × own, on demand up to 5 × rent: 221,900 USD/year, 1.10 × the bound of divisible servers)
    >>> {name: round(usd) for name, usd in found.breakdown.items()}
    {'own': 200000, 'rent': 21900}
    """
    question = ask(
        options,
        demand,
        probabilities=probabilities,
        limits={"site_power_w": site_power_w, "racks": racks, "gco2_per_year": gco2_per_year},
        slices=slices,
        split=split,
        headroom=headroom,
        overflow_usd_per_year=overflow_usd_per_year,
        objective=objective,
        cvar_level=cvar_level,
        gap=gap,
        time_limit_s=time_limit_s,
    )
    _refuse_unserved(question)
    program = Program(question)
    solution = program.solve()
    if solution is None:
        raise _explained(question)
    bought = {
        o.name: solution.servers[next(iter(question.demand))][o.name] for o in question.options if not o.on_demand
    }
    later = question.overflow or any(option.on_demand for option in question.options)
    outcomes = tuple(
        _outcome(question, scenario, _settled(question, scenario, bought) or solution if later else solution)
        for scenario in question.demand
    )
    bounds, chances = [question.bound(scenario) for scenario in question.demand], [*question.probabilities.values()]
    return Fleet(
        options=question.options,
        servers=bought,
        outcomes=outcomes,
        limits=dict(question.limits),
        shadow_prices=program.shadow_prices() if question.limits else {},
        bound_usd_per_year=mean_of_worst(bounds, chances, level=question.cvar_level or 0.0),
        cvar_level=question.cvar_level,
        gap=solution.gap,
    )


def _settled(question: Question, scenario: str, bought: Mapping[str, int]) -> Solution | None:
    """Decide a scenario by itself, the purchase being made: at a given risk its cost alone may still be too high."""
    if question.cvar_level is None:
        return None
    alone = replace(
        question, demand={scenario: question.demand[scenario]}, probabilities={scenario: 1.0}, cvar_level=None
    )
    return Program(alone, bought=bought).solve()


def _outcome(question: Question, scenario: str, solution: Solution) -> Outcome:
    rates, servers, shares = question.demand[scenario], solution.servers[scenario], solution.shares[scenario]
    load, breakdown = {}, {}
    for option in question.options:
        count = servers[option.name]
        busy = sum(
            parts[option.name] * rates[workload] / (option.rates[workload] * option.availability)
            for workload, parts in shares.items()
            if option.name in parts
        )
        load[option.name] = busy / count if count else 0.0
        breakdown[option.name] = count * option.usd_per_year
    if question.overflow:
        breakdown["overflow"] = sum(
            question.overflow[workload] * rates[workload] * parts.get("overflow", 0.0)
            for workload, parts in shares.items()
            if workload in question.overflow
        )
    return Outcome(
        name=scenario,
        probability=question.probabilities[scenario],
        demand=dict(rates),
        servers=dict(servers),
        shares=shares,
        load=load,
        breakdown=breakdown,
    )


def _refuse_unserved(question: Question) -> None:
    asked = {workload for rates in question.demand.values() for workload, rate in rates.items() if rate > 0}
    served = {workload for option in question.options for workload in option.rates} | question.overflow.keys()
    if missing := [workload for workload in next(iter(question.demand.values())) if workload in asked - served]:
        raise InfeasibleError(
            f"no option serves {', '.join(map(repr, missing))}: give an option a rate for it; "
            f"options serve {', '.join(map(repr, sorted(served)))}"
        )


def _explained(question: Question) -> InfeasibleError:
    """Say which limits are in the way: those that it is enough to lift alone, else a smallest set of them."""
    names = Program.liftable(question)
    alone = {}
    for name in names:
        program = Program(question, lifted={name}, goal=name if name in LIMITS else ANY)
        found = program.solve()
        if found is not None:
            alone[name] = f"{name} (at least {found.objective:.3g} times as much)" if name in LIMITS else name
    start = "no fleet serves this demand within the limits; "
    if alone:
        return InfeasibleError(f"{start}it takes more room in {', or in '.join(alone.values())}", tuple(alone))
    together = set(names)
    for name in names:  # put each back that is not needed
        if Program(question, lifted=together - {name}, goal=ANY).solve() is not None:
            together.remove(name)
    blamed = tuple(name for name in names if name in together)
    return InfeasibleError(f"{start}it takes more room in all of {', '.join(blamed)}", blamed, each=False)
