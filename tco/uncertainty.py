"""What is known of how far the inputs of a comparison may be off, and the comparison under all of it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tco.defaults import Assumption
from tco.deployment import Deployment
from tco.kim_ratios import KimRatios

if TYPE_CHECKING:
    from tco.risk import Distribution, Simulation, Tornado


_IN_ACCOUNT = {"wue_l_per_kwh": "litres_per_kwh"}
"""Fields of a facility that an account calls otherwise."""


def known(comparison: KimRatios) -> dict[str, Distribution]:
    """Distributions of the inputs of which sources, or measured runs, say how far they may be off.

    Throughputs have the errors of their calibrations or measurements; a published price that is a range is as likely
    anywhere within it (of rents the lowest that is quoted stands: whom to rent from is a choice); a default of the
    facility is drawn (PERT) from the range in which sources place it. What the user gave is taken as it is: give a
    distribution of your own beside these.

    Parameters
    ----------
    comparison : Comparison or PlanComparison
        Of scalar shape.

    Returns
    -------
    dict of str to Distribution
        By the names that :meth:`Comparison.evaluate` takes; what both sides share is one input, and what one side has
        otherwise is of the other alone.

    Examples
    --------
    >>> import hardware_specs as hs, tco
    >>> a = tco.Deployment(hs.get_server("gaudi-2-hls"), tco.Facility(usd_per_kwh=0.09), 36_000.0)
    >>> b = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(usd_per_kwh=0.09), 45_000.0)
    >>> sorted(tco.uncertainty.known(tco.compare(a, b)))
    ['discount_rate', 'facility_years', 'load', 'pue', 'server_years', 'usd_per_watt']
    """
    a, b = (getattr(side, "deployment", side) for side in (comparison.a, comparison.b))
    _refuse_several(a, b)
    sides = {"a": of_side("a", a, comparison.a.inputs), "b": of_side("b", b, comparison.b.inputs)}
    rates = [side.get(f"{name}.tokens_per_s") for name, side in sides.items()]
    if rates[0] is not None and rates[0] == rates[1] and a.off_alike(b):
        sides = {name: {"tokens_per_s": rates[0]} | _without(side, "tokens_per_s") for name, side in sides.items()}
    found: dict[str, Distribution] = {}
    for name, other, deployment in (("a", "b", b), ("b", "a", a)):
        said = _said(deployment)
        for key, one in sides[name].items():
            # What the other side gives itself must not move with this one's default.
            own = key in said and sides[other].get(key) != one
            found[f"{name}.{key}" if own else key] = one
    return found


def _said(deployment: Deployment) -> set[str]:
    """Inputs that a side's costs follow from, by their names in the account."""
    names = {_IN_ACCOUNT.get(item.name, item.name) for item in deployment.assumptions}
    return names if getattr(deployment.terms, "years", None) is None else names | {"server_years"}


def of_side(prefix: str, deployment: Deployment, inputs: Mapping[str, Any]) -> dict[str, Distribution]:
    """Distributions of one side's inputs; its own carry a prefix, what a facility shares does not.

    Parameters
    ----------
    prefix : str
        Such as ``a``.
    deployment : Deployment
        The side.
    inputs : mapping
        Of its account.
    """
    from tco.risk import FromSpread, Uniform

    found: dict[str, Distribution] = {}
    if deployment.spread is not None and deployment.spread.scale:
        found[f"{prefix}.tokens_per_s"] = FromSpread(float(deployment.tokens_per_s), deployment.spread)
    price = deployment.price
    if price.high is not None and not price.private and price.high > price.value and not deployment.rented:
        paid = inputs["price_usd"]
        # Terms may add to the quoted price, so its range is moved along.
        found[f"{prefix}.price_usd"] = Uniform(paid, paid + price.high - price.value, private=paid != price.value)
    for item in deployment.assumptions:
        name = _IN_ACCOUNT.get(item.name, item.name)
        if _ranged(item) and inputs.get(name) is not None:
            found[name] = _around(item)
    return found


def _without(side: Mapping[str, Distribution], name: str) -> dict[str, Distribution]:
    return {key: one for key, one in side.items() if not key.endswith(f".{name}")}


def _ranged(item: Assumption) -> bool:
    return item.origin == "default" and item.low is not None and item.high is not None


def _around(item: Assumption) -> Distribution:
    from tco.risk import Pert

    assert item.low is not None and item.high is not None  # noqa: S101, PT018 - asked before
    return Pert(item.low, item.value, item.high)


def simulate(
    comparison: KimRatios,
    inputs: Mapping[str, Any] | None = None,
    *,
    draws: int = 4096,
    correlations: Mapping[tuple[str, str], float] | None = None,
    method: str = "sobol",
    seed: int = 0,
) -> Simulation:
    """Draw everything that may be off, and what the TCO ratio then is.

    Parameters
    ----------
    comparison : Comparison or PlanComparison
        Of scalar shape.
    inputs : mapping of str to Distribution, optional
        By name, as :meth:`Comparison.evaluate` takes them; what :func:`known` says if not given.
    draws, correlations, method, seed
        As in :func:`tco.risk.simulate`.

    Returns
    -------
    Simulation
        Of the TCO ratio: probability that A is cheaper, quantiles, value of perfect information.

    Raises
    ------
    ValueError
        A name that neither side's account holds, or nothing that may be off.

    Examples
    --------
    >>> import hardware_specs as hs, tco
    >>> a = tco.Deployment(hs.get_server("gaudi-2-hls"), tco.Facility(), 36_000.0)
    >>> b = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), 45_000.0)
    >>> found = tco.uncertainty.simulate(tco.compare(a, b))
    >>> low, high, _ = found.interval(0.9)
    >>> print(f"{low:.2f} to {high:.2f}, {found.verdict()}")
    0.62 to 0.67, A
    """
    from tco import risk

    return risk.simulate(
        comparison.evaluate,
        _given(comparison, inputs),
        draws=draws,
        correlations=correlations,
        method=method,
        seed=seed,
    )


def tornado(comparison: KimRatios, inputs: Mapping[str, Any] | None = None, *, level: float = 0.9) -> Tornado:
    """What each input alone does to the TCO ratio, between the bounds of its distribution.

    Parameters
    ----------
    comparison, inputs
        As in :func:`simulate`.
    level : float
        Share of cases between the bounds.

    Examples
    --------
    >>> import hardware_specs as hs, tco
    >>> a = tco.Deployment(hs.get_server("gaudi-2-hls"), tco.Facility(), 36_000.0)
    >>> b = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), 45_000.0)
    >>> [bar.name for bar in tco.uncertainty.tornado(tco.compare(a, b)).bars][:2]
    ['server_years', 'usd_per_kwh']
    """
    from tco import risk

    return risk.tornado(comparison.evaluate, _given(comparison, inputs), level=level)


def _given(comparison: KimRatios, inputs: Mapping[str, Any] | None) -> dict[str, Any]:
    _refuse_several(*(getattr(side, "deployment", side) for side in (comparison.a, comparison.b)))
    chosen = known(comparison) if inputs is None else dict(inputs)
    if not chosen:
        raise ValueError("nothing says how far an input may be off: give inputs, such as {'usd_per_kwh': ...}")
    return chosen


def _refuse_several(*sides: Deployment) -> None:
    if any(np.shape(side.tokens_per_s) != () for side in sides):
        raise ValueError("comparison is of several throughputs: give one of scalar shape")
