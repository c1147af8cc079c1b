"""From applications and servers to a table of what each gives of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import hardware_specs as hs
from hardware_specs import Accelerator, Server
from tco.deployment import Deployment
from tco.facility import Facility
from tco.mix._checks import positive
from tco.mix.application import Application, demand_shares
from tco.mix.serving import CannotServeError, Served, serve
from tco.mix.table import MixTable

if TYPE_CHECKING:
    from roofline.calibration import Calibration


class _Candidate(NamedTuple):
    """A server, what it holds, and what it costs a year."""

    server: Server
    accelerator: Accelerator
    usd_per_year: float
    server_usd_per_year: float | None


def evaluate(
    applications: Sequence[Application],
    machines: Mapping[str, Any] | Sequence[Any],
    *,
    facility: Facility | None = None,
    costs: Mapping[str, Any] | None = None,
    calibrations: Mapping[str, Calibration] | None = None,
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
    **options: Any,
) -> MixTable:
    """Throughput and cost of every application on every machine.

    Each server is filled with the layout that serves the application best, see :func:`tco.mix.serve`. A machine that
    cannot serve one is in the table with the reason.

    Parameters
    ----------
    applications : sequence of Application
        The mix; all say their share, their tokens per second, or their requests per second.
    machines : sequence or mapping
        Servers, their names in the catalogue, or deployments; a mapping names them, otherwise the servers' keys do.
    facility : Facility, optional
        Where servers stand that come without a cost; their prices and powers are then the catalogue's or their own.
    costs : mapping of str to float or (float, float), optional
        By name of the machine, cost of a server, or of a server and of its infrastructure [USD/year]; instead of what
        a facility would make of it.
    calibrations : mapping of str to Calibration, optional
        By name of the machine, losses found on measured runs. Machines without one are upper bounds, so give one for
        all or for none.
    progress : callable, optional
        Wraps the iterable over applications and machines, such as ``tqdm.auto.tqdm``.
    **options
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share.

    Returns
    -------
    MixTable

    Raises
    ------
    ValueError
        No applications or machines, a name twice, a cost that is not known, a calibration for some machines only.
    UnknownValueError
        A price or a power that a facility's cost needs.

    References
    ----------
    Kim VII-B.

    Examples
    --------
    >>> import tco
    >>> from tco.mix import Application, evaluate
    >>> read = Application("read", llm="llama-3.1-8b", prompt_tokens=2048, ttft_s=0.5, share=0.8)
    >>> write = Application("write", llm="llama-3.1-8b", context_tokens=2048, itl_s=0.03, share=0.2)
    >>> table = evaluate([read, write], ["gaudi-2-hls", "dgx-h100"], facility=tco.Facility())
    >>> table.winners
    {'read': 'dgx-h100', 'write': 'gaudi-2-hls'}
    >>> sorted(table.points("gaudi-2-hls", "dgx-h100"))
    ['mix', 'read', 'write']
    """
    mix = tuple(applications)
    for one in mix:
        if not isinstance(one, Application):
            raise ValueError(f"applications hold {one!r}: give tco.mix.Application")
    if not mix:
        raise ValueError("applications is empty: give at least one")
    if facility is not None and not isinstance(facility, Facility):
        raise ValueError("facility is not accepted: give a Facility, such as tco.Facility()")
    named = _named(machines)
    own_costs, losses = dict(costs or {}), dict(calibrations or {})
    for what, given in (("costs", own_costs), ("calibrations", losses)):
        strange = [name for name in given if name not in named]
        if strange:
            raise ValueError(f"{what} names {strange[0]!r}, which is no machine: there are {', '.join(named)}")
    if losses and len(losses) < len(named):
        lacking = ", ".join(name for name in named if name not in losses)
        raise ValueError(f"calibrations has none of {lacking}: a forecast against an upper bound favours the bound")
    candidates = {name: _candidate(name, one, facility, own_costs.get(name)) for name, one in named.items()}
    shares = demand_shares(mix)
    served: dict[tuple[str, str], Served] = {}
    refused: dict[tuple[str, str], str] = {}
    pairs: Iterable[Any] = [(one, name) for one in mix for name in named]
    for one, name in pairs if progress is None else progress(pairs):
        machine = candidates[name]
        try:
            served[one.name, name] = serve(
                one,
                machine.accelerator,
                devices=machine.server.accelerators,
                calibration=losses.get(name),
                **options,
            )
        except CannotServeError as reason:
            refused[one.name, name] = str(reason)
    splits = [one.server_usd_per_year for one in candidates.values()]
    return MixTable(
        applications=tuple(one.name for one in mix),
        machines=tuple(named),
        tokens_per_s=np.ma.masked_array(
            [
                [served[one.name, name].tokens_per_s if (one.name, name) in served else 1.0 for name in named]
                for one in mix
            ],
            [[(one.name, name) in refused for name in named] for one in mix],
        ),
        shares=shares,
        usd_per_year=[one.usd_per_year for one in candidates.values()],
        server_usd_per_year=None if None in splits else splits,
        refused=refused,
        served=served,
    )


def _named(machines: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Return machines by name."""
    if isinstance(machines, Mapping):
        found = dict(machines)
    else:
        if isinstance(machines, str):
            raise ValueError(f"machines = {machines!r} is not accepted: give a sequence of them")
        listed = [(_server(one).key, one) for one in machines]
        found = dict(listed)
        if len(found) < len(listed):
            raise ValueError("machines holds a server twice: give a mapping with a name for each")
    if not found:
        raise ValueError("machines is empty: give at least one")
    return found


def _server(one: Any) -> Server:
    if isinstance(one, str):
        return hs.get_server(one)
    server = one if isinstance(one, Server) else getattr(one, "server", None)
    if not isinstance(server, Server):
        raise ValueError(f"machines hold {type(one).__name__}: give a server, its name, or a Deployment")
    return server


def _candidate(name: str, one: Any, facility: Facility | None, cost: Any) -> _Candidate:
    server = _server(one)
    accelerator = getattr(one, "accelerator", None)
    device = accelerator if isinstance(accelerator, Accelerator) else hs.get(server.accelerator)
    if cost is not None:
        parts = positive(f"costs of {name}", cost, private=True)
        if parts.shape not in ((), (2,)):
            raise ValueError(f"costs of {name} are not accepted: give one number, or server and infrastructure")
        return _Candidate(server, device, float(parts.sum()), float(parts[0]) if parts.shape else None)
    if not hasattr(one, "usd_per_year"):
        if facility is None:
            raise ValueError(f"the cost of {name} is not known: give costs, a facility, or a Deployment in its place")
        one = Deployment(server=server, facility=facility, throughput=1.0, accelerator=device)
    return _Candidate(server, device, float(one.usd_per_year), float(one.server_usd_per_year))
