"""Disaggregated serving in steady state: a pool that reads prompts, a pool that decodes, and a link between them.

Requests arrive at random and go to one replica of each pool, chosen at random. A prefill replica takes one prompt at a
time. Its KV cache then travels to the decode pool over the replica's link, one cache at a time. A decode replica runs
continuous batching without chunks (:mod:`roofline.serving.queues`).

As in DistServe (Zhong et al., arXiv:2401.09670) the first token comes from the prefill pool. Here it counts once its
cache has arrived, so that the time to first token and the decode steps add up to the latency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import Accelerator, UnknownValueError
from roofline._arrays import Array
from roofline._text import span
from roofline._validation import count, number
from roofline.estimates import PhaseEstimate
from roofline.machine import Machine, require_records
from roofline.memory import kv_cache_bytes
from roofline.phases import decode, prefill
from roofline.precision import PrecisionPolicy
from roofline.serving.continuous import UnsustainableLoadError, decode_slots
from roofline.serving.lengths import Shares, decode_contexts, request_lengths
from roofline.serving.options import OF_PREFILL, check_options
from roofline.serving.queues import poisson_wait_s, shared_batch

if TYPE_CHECKING:
    from roofline.llm import LLM


@dataclass(frozen=True, eq=False, kw_only=True)
class Pools:
    """A prefill pool, a decode pool and the link between them, before anything is said about the rate of requests.

    Attributes
    ----------
    prompt, output : Shares
        Lengths of requests.
    prefill_s : array
        Time of a prompt, for each of its lengths [s].
    transfer_s : array
        Time of its KV cache on the link [s].
    decode_step_s : array
        Decode step of 1, 2, … sequences, up to as many as fit [s].
    prefill_replicas, decode_replicas : int
        Replicas of each pool.
    prefill_devices, decode_devices : int
        Devices of one replica.
    names : tuple of str
        Machines of the two pools.
    kind : str
        What the figures are: an ``ideal roofline``, or one ``with losses`` if either pool has any.
    """

    prompt: Shares
    output: Shares
    prefill_s: Array = field(repr=False)
    transfer_s: Array = field(repr=False)
    decode_step_s: Array = field(repr=False)
    prefill_replicas: int
    decode_replicas: int
    prefill_devices: int
    decode_devices: int
    names: tuple[str, str]
    kind: str = "ideal roofline"

    def __repr__(self) -> str:
        prefill, decode = (
            f"{replicas} × {devices} {name}"
            for replicas, devices, name in zip(
                (self.prefill_replicas, self.decode_replicas),
                (self.prefill_devices, self.decode_devices),
                self.names,
                strict=True,
            )
        )
        return (
            f"Pools(prefill on {prefill}, decode on {decode}: at most {self.requests_per_s:.4g} requests/s, "
            f"{self.bound} bound; {self.balanced_ratio:.3g} prefill replicas per decode replica would balance)"
        )

    @property
    def decode_steps(self) -> float:
        """Mean decode steps of a request."""
        return self.output.mean - 1

    @property
    def prefill_requests_per_s(self) -> float:
        """Requests that the prefill pool can take [1/s]."""
        return self.prefill_replicas / float(self.prompt.shares @ self.prefill_s)

    @property
    def link_requests_per_s(self) -> float:
        """Requests whose caches the links can carry; each prefill replica has one [1/s]."""
        return self.prefill_replicas / float(self.prompt.shares @ self.transfer_s)

    @property
    def decode_requests_per_s(self) -> float:
        """Requests that the decode pool can take, its batches full [1/s]."""
        return float(self.decode_replicas * self.decode_step_s.size / (self.decode_steps * self.decode_step_s[-1]))

    @property
    def requests_per_s(self) -> float:
        """Largest rate that can be served: of the slowest pool, or of the link [1/s]."""
        return min(self.prefill_requests_per_s, self.link_requests_per_s, self.decode_requests_per_s)

    def sustains(self, requests_per_s: Any) -> Array:
        """Whether rates of requests can be served, element by element.

        Parameters
        ----------
        requests_per_s : float or array
            Rates [1/s].
        """
        return number("requests_per_s", requests_per_s, above=0) < self.requests_per_s

    @property
    def bound(self) -> str:
        """What is slowest: ``prefill``, ``link`` or ``decode``."""
        rates = {
            "prefill": self.prefill_requests_per_s,
            "link": self.link_requests_per_s,
            "decode": self.decode_requests_per_s,
        }
        return min(rates, key=lambda name: rates[name])

    @property
    def balanced_ratio(self) -> float:
        """Prefill replicas for every decode replica with which neither pool waits for the other."""
        of_one_prefill = min(self.prefill_requests_per_s, self.link_requests_per_s) / self.prefill_replicas
        return self.decode_requests_per_s / self.decode_replicas / of_one_prefill

    @property
    def devices(self) -> int:
        """Devices of both pools."""
        return self.prefill_replicas * self.prefill_devices + self.decode_replicas * self.decode_devices


@dataclass(frozen=True, eq=False, kw_only=True)
class Disaggregated:
    """Disaggregated pools in steady state. Attributes are computed when asked for.

    Figures have the shape of `requests_per_s`.

    Attributes
    ----------
    requests_per_s : array
        Rate at which requests arrive at all replicas together [1/s].
    pools : Pools
        What serves them.
    """

    requests_per_s: Array
    pools: Pools

    @property
    def kind(self) -> str:
        """What the figures are: an ``ideal roofline`` or one ``with losses``, in steady state."""
        return f"{self.pools.kind}, steady state"

    def __repr__(self) -> str:
        reader, writer = self.pools.names
        return (
            f"Disaggregated({self.kind}: "
            f"{self.pools.prefill_replicas} prefill replicas of {self.pools.prefill_devices} × {reader}, "
            f"{self.pools.decode_replicas} decode replicas of {self.pools.decode_devices} × {writer}, "
            f"{span(self.requests_per_s)} requests/s of at most {self.pools.requests_per_s:.4g}: "
            f"batch {span(self.batch)}, TTFT {span(self.ttft_s * 1e3)} ms, ITL {span(self.itl_s * 1e3)} ms)"
        )

    @cached_property
    def prefill_wait_s(self) -> Array:
        """Mean wait for a prefill replica [s]."""
        return self._wait_s(self.pools.prefill_s)

    @cached_property
    def transfer_s(self) -> Array:
        """Mean time of a KV cache on its way, the wait for the link included [s]."""
        return self._wait_s(self.pools.transfer_s) + self.pools.prompt.shares @ self.pools.transfer_s

    def _wait_s(self, service_s: Array) -> Array:
        shares = self.pools.prompt.shares
        return poisson_wait_s(
            requests_per_s=self.requests_per_s / self.pools.prefill_replicas,
            service_s=shares @ service_s,
            service_s2=shares @ service_s**2,
        )

    @cached_property
    def _decoding(self) -> tuple[Array, Array]:
        """Mean batch of a decode replica, and requests that wait for a slot in it."""
        solved = [
            shared_batch(
                requests_per_s=float(rate) / self.pools.decode_replicas,
                steps=self.pools.decode_steps,
                step_s=self.pools.decode_step_s,
            )
            for rate in np.ravel(self.requests_per_s)
        ]
        shape = np.shape(self.requests_per_s)
        means, waiting = [one.mean for one in solved], [one.waiting for one in solved]
        return np.reshape(means, shape)[()], np.reshape(waiting, shape)[()]

    @property
    def batch(self) -> Array:
        """Mean number of sequences that decode on one decode replica."""
        return self._decoding[0]

    @property
    def decode_wait_s(self) -> Array:
        """Mean wait for a slot of a decode replica [s]."""
        return self._decoding[1] * self.pools.decode_replicas / self.requests_per_s

    @property
    def ttft_s(self) -> Array:
        """Time to first token [s]: wait, prefill, transfer of the KV cache, wait for a slot."""
        prefill_s = self.pools.prompt.shares @ self.pools.prefill_s
        return self.prefill_wait_s + prefill_s + self.transfer_s + self.decode_wait_s

    @property
    def itl_s(self) -> Array:
        """Inter-token latency [s]: mean over tokens."""
        return self.batch * self.pools.decode_replicas / (self.requests_per_s * self.pools.decode_steps)

    @property
    def latency_s(self) -> Array:
        """End-to-end latency [s]: mean, from arrival to last token."""
        return self.ttft_s + self.pools.decode_steps * self.itl_s

    @property
    def requests_in_flight(self) -> Array:
        """Mean number of requests between arrival and last token: Little's law."""
        return self.requests_per_s * self.latency_s

    @property
    def output_tokens_per_s(self) -> Array:
        """Output tokens of all replicas [1/s]."""
        return self.requests_per_s * self.pools.output.mean

    @property
    def tokens_per_s(self) -> Array:
        """Input and output tokens of all replicas [1/s]."""
        return self.requests_per_s * (self.pools.prompt.mean + self.pools.output.mean)

    @property
    def utilisation(self) -> Array:
        """Rate over the largest that can be served."""
        return self.requests_per_s / self.pools.requests_per_s

    @property
    def prefill_utilisation(self) -> Array:
        """Share of the time for which a prefill replica works."""
        return self.requests_per_s / self.pools.prefill_requests_per_s

    @property
    def decode_utilisation(self) -> Array:
        """Rate over the largest that the decode pool can take."""
        return self.requests_per_s / self.pools.decode_requests_per_s

    @property
    def devices(self) -> int:
        """Devices of both pools."""
        return self.pools.devices


def pools(
    llm: LLM,
    prefill_accelerator: Accelerator | Machine,
    decode_accelerator: Accelerator | Machine | None = None,
    *,
    prompt_tokens: Any,
    output_tokens: Any,
    prefill_replicas: int = 1,
    decode_replicas: int = 1,
    link_bytes_per_s: float | None = None,
    max_sequences: int | None = None,
    precision: str | PrecisionPolicy = "bf16",
    prefill_options: Mapping[str, Any] | None = None,
    decode_options: Mapping[str, Any] | None = None,
) -> Pools:
    """Pools of prefill and decode replicas: what each can take, and the ratio in which they balance.

    Parameters
    ----------
    llm : LLM
        The architecture.
    prefill_accelerator : Accelerator or Machine
        One device of the prefill pool.
    decode_accelerator : Accelerator or Machine, optional
        One device of the decode pool; as the other's if absent.
    prompt_tokens, output_tokens : int or Lengths
        Tokens that requests bring and get; independent of one another [token].
    prefill_replicas, decode_replicas : int
        Replicas of each pool.
    link_bytes_per_s : float, optional
        What carries the KV cache of one prefill replica, in one direction [byte/s]; if absent, the slower scale-up link
        of the two devices.
    max_sequences : int, optional
        Most sequences that a decode replica runs together; as many as fit if absent.
    precision : str or PrecisionPolicy
        Formats of each part.
    prefill_options, decode_options : mapping, optional
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share, such as `tensor_parallel` or
        `overlap`, for each pool; the first may have `logits` too.

    Returns
    -------
    Pools
        With ``requests_per_s``, ``bound`` and ``balanced_ratio``.

    Raises
    ------
    OutOfMemoryError
        The longest prompt does not fit on a prefill replica, or not even one request of mean length does on a decode
        replica.
    UnknownValueError
        A link that is neither given nor known.
    ValueError
        A bad argument, or outputs of one token only.
    TypeError
        An option that the phase of a pool does not take.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> p = pools(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), prompt_tokens=2048, output_tokens=256)
    >>> p.bound, bool(0 < p.requests_per_s <= p.decode_requests_per_s)
    ('prefill', True)
    """
    decoder = prefill_accelerator if decode_accelerator is None else decode_accelerator
    require_records(llm, prefill_accelerator)
    require_records(llm, decoder)
    prompt = request_lengths("prompt_tokens", prompt_tokens, at_most=llm.max_context)
    output = request_lengths("output_tokens", output_tokens, at_most=llm.max_context)
    check_options("prefill_options", prefill_options or {}, OF_PREFILL)
    check_options("decode_options", decode_options or {})
    before = {"precision": precision, **(prefill_options or {})}
    after = {"precision": precision, **(decode_options or {})}
    slots, _, largest = decode_slots(llm, decoder, prompt, output, max_sequences, after)
    first = prefill(llm, prefill_accelerator, batch=1, prompt_tokens=prompt.values, **before)
    if first.machine.shape or largest.machine.shape:
        raise ValueError("arrays of rates are not accepted: pools take one machine at a time")
    first.require_fit()
    link = _link_bytes_per_s(link_bytes_per_s, first, largest)
    return Pools(
        prompt=prompt,
        output=output,
        prefill_s=np.asarray(first.time_s),
        transfer_s=kv_cache_bytes(llm, first.precision, batch=1, tokens=prompt.values) / link,
        decode_step_s=_decode_step_s(llm, decoder, decode_contexts(prompt, output), slots, after),
        prefill_replicas=count("prefill_replicas", prefill_replicas),
        decode_replicas=count("decode_replicas", decode_replicas),
        prefill_devices=first.devices,
        decode_devices=largest.devices,
        names=(first.machine.name, largest.machine.name),
        kind=next((step.kind for step in (first, largest) if step.machine.lossy), first.kind),
    )


def disaggregated(
    llm: LLM,
    prefill_accelerator: Accelerator | Machine,
    decode_accelerator: Accelerator | Machine | None = None,
    *,
    requests_per_s: Any,
    prompt_tokens: Any,
    output_tokens: Any,
    prefill_replicas: int = 1,
    decode_replicas: int = 1,
    link_bytes_per_s: float | None = None,
    max_sequences: int | None = None,
    precision: str | PrecisionPolicy = "bf16",
    prefill_options: Mapping[str, Any] | None = None,
    decode_options: Mapping[str, Any] | None = None,
) -> Disaggregated:
    """Disaggregated prefill and decode in steady state: latencies and batch at a rate of random arrivals.

    Parameters
    ----------
    llm : LLM
        The architecture.
    prefill_accelerator : Accelerator or Machine
        One device of the prefill pool.
    decode_accelerator : Accelerator or Machine, optional
        One device of the decode pool; as the other's if absent.
    requests_per_s : float or array
        Rate of a Poisson process of requests to all replicas together [1/s].
    prompt_tokens, output_tokens : int or Lengths
        Tokens that requests bring and get; independent of one another [token].
    prefill_replicas, decode_replicas : int
        Replicas of each pool.
    link_bytes_per_s : float, optional
        What carries the KV cache of one prefill replica, in one direction [byte/s]; if absent, the slower scale-up link
        of the two devices.
    max_sequences : int, optional
        Most sequences that a decode replica runs together; as many as fit if absent.
    precision : str or PrecisionPolicy
        Formats of each part.
    prefill_options, decode_options : mapping, optional
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share, such as `tensor_parallel` or
        `overlap`, for each pool; the first may have `logits` too.

    Returns
    -------
    Disaggregated

    Raises
    ------
    UnsustainableLoadError
        More arrives than can be served; the message names the largest rate and what bounds it.
    OutOfMemoryError
        The longest prompt does not fit on a prefill replica, or not even one request of mean length does on a decode
        replica.
    UnknownValueError
        A link that is neither given nor known.
    ValueError
        A bad argument, or outputs of one token only.
    TypeError
        An option that the phase of a pool does not take.

    References
    ----------
    Zhong et al., DistServe, arXiv:2401.09670; Patel et al., Splitwise, arXiv:2311.18677.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> s = disaggregated(
    ...     rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), requests_per_s=4, prompt_tokens=2048, output_tokens=256
    ... )
    >>> s.devices, bool(abs(s.requests_in_flight - 4 * s.latency_s) < 1e-9)
    (2, True)
    """
    rate = number("requests_per_s", requests_per_s, above=0)
    served_by = pools(
        llm,
        prefill_accelerator,
        decode_accelerator,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        prefill_replicas=prefill_replicas,
        decode_replicas=decode_replicas,
        link_bytes_per_s=link_bytes_per_s,
        max_sequences=max_sequences,
        precision=precision,
        prefill_options=prefill_options,
        decode_options=decode_options,
    )
    largest = served_by.requests_per_s
    if np.max(rate) >= largest:
        raise UnsustainableLoadError(
            f"requests_per_s = {np.max(rate):.6g} is not sustainable: {prefill_replicas} prefill and {decode_replicas} "
            f"decode replicas serve fewer than {largest:.4g} such requests per second, bounded by {served_by.bound}"
        )
    return Disaggregated(requests_per_s=rate, pools=served_by)


def _decode_step_s(
    llm: LLM, accelerator: Accelerator | Machine, contexts: Shares, slots: int, options: Mapping[str, Any]
) -> Array:
    """Decode step of 1, 2, … `slots` sequences, averaged over their contexts [s]."""
    batch = np.arange(1.0, slots + 1)
    steps = decode(llm, accelerator, batch=batch, context_tokens=contexts.values[:, None], **options)
    return contexts.shares @ np.broadcast_to(steps.time_s, (contexts.values.size, slots))


def _link_bytes_per_s(given: float | None, *steps: PhaseEstimate) -> float:
    """Return the bandwidth that carries a KV cache: what is given, or the slower scale-up link [byte/s]."""
    if given is not None:
        return float(number("link_bytes_per_s", given, above=0))
    rates = []
    for step in steps:
        device = step.accelerator
        rate = device.scale_up_bytes_per_s if isinstance(device, Accelerator) else device.link_bytes_per_s
        if rate is None:
            raise UnknownValueError(f"{device.name} gives no link_bytes_per_s: give link_bytes_per_s")
        rates.append(float(rate))
    return min(rates)
