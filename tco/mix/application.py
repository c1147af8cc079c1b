"""An application: what is asked of a model, how fast, how well, and how much of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

import roofline as rl
from roofline._text import span
from roofline._validation import count
from tco._checked import Limits, given

if TYPE_CHECKING:
    import numpy.typing as npt

    from roofline.llm import LLM
    from roofline.precision import PrecisionPolicy
    from roofline.quality import Accuracy

_DEMANDS = ("share", "tokens_per_s", "requests_per_s")
_LIMITS: dict[str, tuple[str, ...]] = {
    "prefill": ("ttft_s",),
    "decode": ("itl_s",),
    "generate": ("ttft_s", "itl_s", "latency_s"),
}


@dataclass(frozen=True, repr=False)
class Application:
    """One application of a mix (Kim VII-B): a point of its own on the TCO surface.

    Its lengths say which phase it is of: `prompt_tokens` alone a prefill, `context_tokens` a decode, `prompt_tokens`
    and `output_tokens` both from the prompt to the last token.

    Attributes
    ----------
    name : str
        What it is called.
    llm : LLM or str
        The model, or its name; kept as an `LLM`.
    prompt_tokens, output_tokens, context_tokens : int, optional
        Read and written by a request, and cached at a decode step [token]. A decode takes `output_tokens` only to
        know what a request is.
    share : float, optional
        Share of the mix's tokens, those that :attr:`counted` names; a weight, which need not add up to 1 with others.
    tokens_per_s, requests_per_s : float, optional
        The demand itself, in place of a share [1/s]. One of the three is given, the same for all of a mix.
    ttft_s, itl_s, latency_s : float, optional
        Longest time to first token, inter-token latency and end-to-end latency [s]; those that the phase has.
    precision : str, PrecisionPolicy or a sequence of them, optional
        Formats that may be used. If not given: BF16, or with `max_quality_loss` all that the machine runs.
    max_quality_loss : float, optional
        Gate: largest loss of accuracy against the baseline [percentage point]. A precision whose loss nobody measured
        does not pass it.
    benchmark, element, rounding, accuracies
        Of the gate, as `rows` and the rest in :func:`roofline.quality.allowed_precisions`.

    Raises
    ------
    ValueError
        Lengths of no phase, a limit that the phase does not have, no demand or more than one.

    Examples
    --------
    >>> chat = Application("chat", llm="llama-3.1-8b", prompt_tokens=512, output_tokens=256, share=0.7, itl_s=0.02)
    >>> chat
    Application(chat: generate of Llama 3.1 8B, 512 prompt and 256 output tokens, itl_s 0.02)
    >>> chat.phase, chat.counted
    ('generate', 'output tokens')
    """

    name: str
    _: KW_ONLY
    llm: LLM | str
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    context_tokens: int | None = None
    share: float | None = None
    tokens_per_s: float | None = None
    requests_per_s: float | None = None
    ttft_s: float | None = None
    itl_s: float | None = None
    latency_s: float | None = None
    precision: str | PrecisionPolicy | Sequence[str | PrecisionPolicy] | None = None
    max_quality_loss: float | None = None
    benchmark: str | None = None
    element: str | None = None
    rounding: Literal["nearest", "stochastic"] = "nearest"
    accuracies: Sequence[Accuracy] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name = {self.name!r} is not accepted: give a text")
        if isinstance(self.llm, str):
            object.__setattr__(self, "llm", rl.get_llm(self.llm))
        elif not isinstance(self.llm, rl.LLM):
            raise ValueError(f"{self.name}: llm = {self.llm!r} is not accepted: give an LLM or its name")
        self._check_lengths()
        for limit in ("ttft_s", "itl_s", "latency_s"):
            self._one_number(limit, above=0.0)
            if getattr(self, limit) is not None and limit not in _LIMITS[self.phase]:
                raise ValueError(f"{self.name}: {limit} is not accepted: it is no limit of a {self.phase}")
        for demand in _DEMANDS:
            self._one_number(demand, above=0.0)
        demands = [name for name in _DEMANDS if getattr(self, name) is not None]
        if len(demands) > 1:
            raise ValueError(f"{self.name}: {' and '.join(demands)} are both given: give one")
        if demands == ["requests_per_s"] and self.tokens_per_request is None:
            raise ValueError(f"{self.name}: requests_per_s of a decode needs output_tokens, the tokens of a request")
        self._one_number("max_quality_loss", at_least=0.0)
        for several in ("precision", "accuracies"):
            value = getattr(self, several)
            if isinstance(value, list):
                object.__setattr__(self, several, tuple(value))

    def _one_number(self, name: str, **limits: Unpack[Limits]) -> None:
        value = getattr(self, name)
        if value is None:
            return
        # The user's traffic is not repeated; a limit is.
        private = name in ("tokens_per_s", "requests_per_s")
        checked = given(f"{self.name}: {name}", value, **limits | {"at_most": 1e30, "private": private})
        if checked.shape != ():
            said = "" if private else f" = {value!r}"
            raise ValueError(f"{self.name}: {name}{said} is not accepted: give one number")
        object.__setattr__(self, name, float(checked))

    def _check_lengths(self) -> None:
        names = ("prompt_tokens", "output_tokens", "context_tokens")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if set(given) not in ({names[0]}, {names[0], names[1]}, {names[2]}, {names[1], names[2]}):
            raise ValueError(
                f"{self.name}: {', '.join(given) or 'no length'} is not accepted: give prompt_tokens (a prefill), "
                "prompt_tokens and output_tokens (prompt to last token), or context_tokens (a decode)"
            )
        longest = self.architecture.max_context
        for name, value in given.items():
            object.__setattr__(self, name, count(f"{self.name}: {name}", value, at_most=longest))
        if self.phase == "generate" and self.prompt_tokens + self.output_tokens > longest:  # type: ignore[operator]  # of one both are given
            raise ValueError(
                f"{self.name}: prompt and output tokens are more than the {longest:,} that the model takes"
            )

    @property
    def architecture(self) -> LLM:
        """The model."""
        return self.llm  # type: ignore[return-value]  # a name has been looked up

    @property
    def phase(self) -> str:
        """``prefill``, ``decode`` or ``generate``, by the lengths that are given."""
        if self.context_tokens is not None:
            return "decode"
        return "prefill" if self.output_tokens is None else "generate"

    @property
    def counted(self) -> str:
        """The tokens that throughput, share and demand are of: ``prompt tokens`` or ``output tokens``."""
        return "prompt tokens" if self.phase == "prefill" else "output tokens"

    @property
    def tokens_per_request(self) -> int | None:
        """Tokens of a request that are counted; ``None`` of a decode that does not say."""
        return self.prompt_tokens if self.phase == "prefill" else self.output_tokens

    @property
    def limits(self) -> dict[str, float]:
        """The limits on latency that are set [s]."""
        return {name: getattr(self, name) for name in _LIMITS[self.phase] if getattr(self, name) is not None}

    def __repr__(self) -> str:
        lengths = {"prompt": self.prompt_tokens, "context": self.context_tokens, "output": self.output_tokens}
        words = " and ".join(f"{span(tokens)} {name}" for name, tokens in lengths.items() if tokens is not None)
        limits = [f"{name} {limit:g}" for name, limit in self.limits.items()]
        gate = [] if self.max_quality_loss is None else [f"at most {self.max_quality_loss:g} points of quality lost"]
        said = ", ".join([f"{self.phase} of {self.architecture.name}", f"{words} tokens", *limits, *gate])
        return f"Application({self.name}: {said})"


def demand_shares(applications: Sequence[Application]) -> npt.NDArray[np.float64]:
    """Share of tokens of each application, from shares, tokens per second or requests per second.

    Parameters
    ----------
    applications : sequence of Application
        All saying their demand in the same way.

    Returns
    -------
    array
        Adding up to 1.

    Raises
    ------
    ValueError
        Demands of unlike kinds, or none.

    Examples
    --------
    >>> chat = Application("chat", llm="llama-3.1-8b", prompt_tokens=512, output_tokens=256, requests_per_s=9)
    >>> long = Application("long", llm="llama-3.1-8b", prompt_tokens=512, output_tokens=2304, requests_per_s=1)
    >>> demand_shares([chat, long])
    array([0.5, 0.5])
    """
    kinds = {name for one in applications for name in _DEMANDS if getattr(one, name) is not None}
    silent = [one.name for one in applications if all(getattr(one, name) is None for name in _DEMANDS)]
    if silent and kinds:
        raise ValueError(f"{silent[0]} gives no {kinds.pop()}, which others do: give it for all")
    if silent and len(applications) > 1:
        raise ValueError(f"{silent[0]} gives none of {', '.join(_DEMANDS)}: give one of them for all applications")
    if len(kinds) > 1:
        raise ValueError(f"applications give {' and '.join(sorted(kinds))}: give the same for all")
    kind = kinds.pop() if kinds else "share"
    demand: Any = [1.0 if silent else getattr(one, kind) for one in applications]
    if kind == "requests_per_s":
        demand = np.multiply(demand, [float(one.tokens_per_request or 0) for one in applications])
    shares: npt.NDArray[np.float64] = np.asarray(demand, dtype=np.float64) / np.sum(demand)
    return shares
