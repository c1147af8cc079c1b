"""Queues in steady state: arrivals at random, and the mean wait and number in service that follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roofline._arrays import Array


def poisson_wait_s(*, requests_per_s: Array, service_s: Array, service_s2: Array) -> Array:
    """Mean wait of random arrivals for one server, first come first served: Pollaczek and Khinchine.

    ``W = λ E[S²] / (2 (1 - λ E[S]))``

    Parameters
    ----------
    requests_per_s : array
        Rate ``λ`` of a Poisson process [1/s]; below ``1 / service_s``.
    service_s : array
        Mean service time ``E[S]`` [s].
    service_s2 : array
        Mean of its square ``E[S²]`` [s²].

    Returns
    -------
    array
        [s], without the service itself.

    References
    ----------
    Kleinrock, Queueing Systems, vol. 1 (1975), section 5.6.

    Examples
    --------
    A server half busy with jobs of one second each: half a second.

    >>> poisson_wait_s(requests_per_s=0.5, service_s=1.0, service_s2=1.0)
    0.5
    """
    return requests_per_s * service_s2 / (2 * (1 - requests_per_s * service_s))


@dataclass(frozen=True, eq=False)
class Occupancy:
    """How many sequences decode together, in steady state.

    Attributes
    ----------
    probability : array
        Of 0, 1, … `slots` sequences in the batch; a full batch includes the times when others wait for a slot.
    waiting : float
        Mean number of sequences that wait for a slot.
    """

    probability: Array
    waiting: float

    @property
    def mean(self) -> float:
        """Mean batch."""
        return float(self.probability @ np.arange(self.probability.size))


def shared_batch(*, requests_per_s: float, steps: float, step_s: Array) -> Occupancy:
    """Occupancy of a batch that requests join at random and leave after some steps.

    With ``n`` sequences a step takes ``t(n)``, so they finish at rate ``n / (D t(n))`` for a mean need of ``D`` steps.
    That is a queue under processor sharing, whose distribution depends on the mean need alone:

    ``p(n) = p(0) Π (λ D t(i) / i)``, over ``i = 1 … n``

    and beyond the last slot it falls by the same factor for every sequence that waits. Little's law holds in it:
    the mean batch is ``λ D`` times the mean step that a token sees.

    Parameters
    ----------
    requests_per_s : float
        Rate ``λ`` of a Poisson process [1/s].
    steps : float
        Mean number of steps ``D`` that a sequence stays for.
    step_s : array
        Time of a step with 1, 2, … sequences [s]; the last is the full batch.

    Returns
    -------
    Occupancy

    Raises
    ------
    ValueError
        More arrives than a full batch finishes.

    References
    ----------
    Cohen, The multiple phase service network with generalized processor sharing, Acta Informatica 12 (1979).

    Examples
    --------
    Two slots, steps of one second whatever the batch, four steps each: a full batch finishes one in two seconds.

    >>> batch = shared_batch(requests_per_s=0.25, steps=4, step_s=np.array([1.0, 1.0]))
    >>> batch.probability.round(3), round(batch.waiting, 3)
    (array([0.333, 0.333, 0.333]), 0.333)
    """
    slots = np.arange(1, step_s.size + 1)
    load = requests_per_s * steps * step_s / slots
    full = float(load[-1])
    if full >= 1:
        raise ValueError(f"requests_per_s = {requests_per_s:.6g} is not accepted: a full batch finishes fewer")
    log = np.concatenate([[0.0], np.cumsum(np.log(load))])
    weight = np.exp(log - log.max())
    weight[-1] /= 1 - full  # with those of every length of the queue
    probability = weight / weight.sum()
    return Occupancy(probability, float(probability[-1]) * full / (1 - full))
