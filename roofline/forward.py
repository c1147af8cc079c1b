"""The operations of one forward pass: prefill of prompts, or a decode step.

Every architecture of the catalogue is covered: grouped-query and latent attention, sliding and chunked windows, dense
MLPs and mixtures of experts, attention beside the MLP, layers that differ. A pass takes ``rows`` new tokens through all
layers; in decode each attends to its cache, in prefill to its prompt.

Element-wise work (norms, rotary embedding, residuals, gates, quantisation) rides along with the product beside it, as
fused kernels do it: its arithmetic counts, its traffic does not. A LayerNorm counts as an RMSNorm, any activation as a
SiLU, and rotation of a part of each head as of the whole. With ``fusion="none"`` each is an operation of its own
that reads and writes main memory; with ``fusion="layer"`` no activation touches main memory at all, as on dataflow
machines that run a whole layer as one kernel. The embedding look-up with its positions and norm, and sampling, are left
out.

Nothing here is validated; :mod:`roofline.phases` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hardware_specs import number_format
from roofline import formulas
from roofline._arrays import Array, ceil, floats, maximum, minimum
from roofline.layout import Layout
from roofline.lengths import Lengths, average
from roofline.operations import Counts, Operation, Product
from roofline.precision import PrecisionPolicy

if TYPE_CHECKING:
    from roofline.llm import LLM, LayerGroup

_ONE_DEVICE = Layout()
_ALIBI_FLOPS_PER_PAIR = 2  # slope times distance, added to the score
Shard = Literal["columns", "rows", "none"]


def decode_operations(
    llm: LLM,
    *,
    batch: Array,
    context_tokens: Array | Lengths,
    precision: PrecisionPolicy,
    new_tokens: Array = 1,
    layout: Layout = _ONE_DEVICE,
    fusion: str = "fused",
    routing_skew: float = 0.0,
) -> tuple[Operation, ...]:
    """Operations of one decode step: each of `batch` sequences gets `new_tokens` tokens.

    Parameters
    ----------
    llm : LLM
        The architecture.
    batch : array
        Sequences.
    context_tokens : array or Lengths
        Kim's ``sᵢ``: cached tokens that a sequence's (first) new token attends to, itself included.
    precision : PrecisionPolicy
        Formats of each part.
    new_tokens : array
        Tokens per sequence and step: 1, or more where guesses are verified (Kim Eq. 7).
    layout : Layout
        How devices share the model.
    fusion : {"fused", "none", "layer"}
        Whether element-wise work is fused into the products, or whole layers into one kernel.
    routing_skew : float
        Zipf exponent of the experts' popularity; 0 is uniform routing.

    Returns
    -------
    tuple of Operation
        Each of its own natural shape: linear layers do not depend on the context, and so are not broadcast over it.

    References
    ----------
    Kim Eq. 7 and 8 (FLOPs); Kim IV-D (traffic); DeepSeek-V2, arXiv:2405.04434, section 2.1 (absorbed latent attention).

    Examples
    --------
    >>> import roofline as rl
    >>> step = decode_operations(
    ...     rl.get_llm("llama-3.1-8b"), batch=64.0, context_tokens=2048.0, precision=rl.policy("bf16")
    ... )
    >>> [(operation.name, round(operation.flops / 1e9)) for operation in step][:2]
    [('qkv', 103), ('attention', 69)]
    """
    batch, new_tokens, context_tokens = floats(batch), floats(new_tokens), floats(context_tokens)
    one_each = isinstance(new_tokens, int | float) and new_tokens == 1
    chunked = llm.sliding_window is not None and llm.sliding_window.kind == "chunked"

    def of_group(group: LayerGroup) -> tuple[Array, Array]:
        window = group.window if group.window is not None and group.window < llm.max_context else None

        def seen(tokens: Array) -> Array:
            return formulas.decode_pairs(context_tokens=tokens, new_tokens=1, window=window, chunked=chunked)

        def pairs(tokens: Array) -> Array:
            return formulas.decode_pairs(context_tokens=tokens, new_tokens=new_tokens, window=window, chunked=chunked)

        # The product with the batch is shared by windows of the same length: it is the only full-size array of a grid.
        key = (window, "read")
        if key not in known:
            known[key] = batch * average(context_tokens, seen)
            known[window, "pairs"] = known[key] if one_each else batch * average(context_tokens, pairs)
        read = known[key] if one_each else known[key] + batch * (new_tokens - 1)
        return known[window, "pairs"], read

    known: dict[Any, Array] = {}
    rows = batch if one_each else batch * new_tokens
    return tuple(
        _Pass(
            llm=llm,
            precision=precision,
            layout=layout,
            fusion=fusion,
            skew=routing_skew,
            sequences=batch,
            rows=rows,
            head_rows=rows,
            rows_each=new_tokens,
            attention_of=of_group,
            absorbed=True,
        )
    )


def prefill_operations(
    llm: LLM,
    *,
    batch: Array,
    prompt_tokens: Array | Lengths,
    precision: PrecisionPolicy,
    cached_tokens: Array = 0,
    logits: str = "last",
    layout: Layout = _ONE_DEVICE,
    fusion: str = "fused",
    routing_skew: float = 0.0,
) -> tuple[Operation, ...]:
    """Operations of a prefill: `batch` prompts of `prompt_tokens` each, from an empty cache or after a prefix in it.

    Parameters
    ----------
    llm : LLM
        The architecture.
    batch : array
        Sequences.
    prompt_tokens : array or Lengths
        New tokens of each prompt [token].
    precision : PrecisionPolicy
        Formats of each part.
    cached_tokens : array
        Tokens before them that are in the cache already: a shared prefix, or earlier chunks [token].
    logits : {"last", "all"}
        Positions at which the LM head runs: the last of each prompt, as serving does, or all of them, as Kim Eq. 5
        counts.
    layout, fusion, routing_skew
        As for :func:`decode_operations`.

    Returns
    -------
    tuple of Operation

    References
    ----------
    Kim Eq. 5 (FLOPs, with ``logits="all"``), of which a cached prefix is the difference ``f(c + s) − f(c)``.

    Examples
    --------
    >>> import roofline as rl
    >>> prompt = prefill_operations(
    ...     rl.get_llm("llama-3.1-8b"), batch=1.0, prompt_tokens=2048.0, precision=rl.policy("bf16"), logits="all"
    ... )
    >>> round(sum(operation.flops for operation in prompt) / 1e12, 2)
    31.84
    """
    batch, prompt_tokens, cached_tokens = floats(batch), floats(prompt_tokens), floats(cached_tokens)
    chunked = llm.sliding_window is not None and llm.sliding_window.kind == "chunked"
    prompt = average(prompt_tokens, lambda tokens: tokens)
    rows = batch * prompt

    def of_group(group: LayerGroup) -> tuple[Array, Array]:
        window = group.window if group.window is not None and group.window < llm.max_context else None

        def pairs(tokens: Array) -> Array:
            return formulas.visible_pairs(
                new_tokens=tokens, cached_tokens=cached_tokens, window=window, chunked=chunked
            )

        prefix = cached_tokens
        if window is not None:  # of a chunk, what of it is in the cache
            prefix = cached_tokens % window if chunked else minimum(cached_tokens, window)
        return batch * average(prompt_tokens, pairs), rows + batch * prefix

    return tuple(
        _Pass(
            llm=llm,
            precision=precision,
            layout=layout,
            fusion=fusion,
            skew=routing_skew,
            sequences=batch,
            rows=rows,
            head_rows=rows if logits == "all" else batch,
            rows_each=prompt,
            attention_of=of_group,
            absorbed=False,
        )
    )


class _Between(NamedTuple):
    """Element-wise work beside a product, per row and layer: arithmetic, exponentials, and values in and out."""

    name: str
    flops: float
    exponentials: float
    read: float
    written: float


@dataclass(kw_only=True)
class _Pass:
    """A forward pass of `rows` new tokens; iterating it yields its operations, group of layers by group of layers."""

    llm: LLM
    precision: PrecisionPolicy
    layout: Layout
    fusion: str
    skew: float
    sequences: Array
    rows: Array
    head_rows: Array
    rows_each: Array
    attention_of: Callable[[LayerGroup], tuple[Array, Array]]
    absorbed: bool
    attends: bool = True

    def __post_init__(self) -> None:
        data, stages = self.layout.data, self.layout.pipeline
        # Copies of the model share whole sequences: the busiest has the rounded-up share, and some may have none.
        self.copies = minimum(self.sequences, data) if data > 1 else 1
        share = ceil(self.sequences / data) if data > 1 else self.sequences
        uneven = share * data / self.sequences if data > 1 else 1.0
        # In decode a pipeline works on as many micro-batches as it has stages: each sequence waits for its token before
        # the next step. A prefill can be cut into chunks as small as a row, so that only the first of them sees every
        # stage empty but its own; it waits for the weights of each stage, which then serve the other chunks too.
        self.micro_batches: Array = 1
        self.passes: Array = 1
        idle: Array = 1.0
        weights_idle: Array = 1.0
        if stages > 1:
            longest = ceil(self.llm.layers / stages) / self.llm.layers  # of the stages, as a share of all layers
            if self.absorbed:
                self.micro_batches = minimum(share, stages)
                self.passes = maximum(1.0, self.micro_batches * longest)
                idle = weights_idle = self.passes * stages / self.micro_batches
            else:
                chunks = share * self.rows_each
                idle = (1 + (chunks - 1) * longest) * stages / chunks
                weights_idle = float(stages)
        self.idle, self.weights_idle = idle, weights_idle
        self.imbalance = uneven * idle
        self.weight_imbalance = (data / self.copies if data > 1 else 1.0) * weights_idle
        self.weight_reads = self.copies * self.micro_batches
        self.share = share

    def __iter__(self) -> Iterator[Operation]:
        llm = self.llm
        for group in llm.layer_groups:
            self.attends = group.attention != "none"
            if self.attends:
                yield from self._latent(group) if llm.mla is not None else self._grouped_query(group)
                if not llm.parallel_attention:  # in parallel, what devices exchange is the sum with the MLP's output
                    yield from self._all_reduce(group)
            if group.ffn == "moe":
                yield from self._experts(group)
            elif group.intermediate:
                yield from self._mlp(group, "mlp", group.intermediate, normed=self._norms_for_mlp())
                yield from self._all_reduce(group)
        if self.layout.pipeline > 1:
            yield self._send()
        yield from self._product(
            "lm_head",
            1,
            k=llm.hidden,
            n=llm.vocab,
            rows=self.head_rows,
            before=(self._norm(llm.hidden),),
            weights=self.precision.head,
            inputs=self.precision.head,
            compute=self.precision.head,
            kind="head",
        )

    # Attention.

    def _grouped_query(self, group: LayerGroup) -> Iterator[Operation]:
        llm, d = self.llm, self.llm.head_dim
        copies = self.layout.kv_copies(group.kv_heads)
        width, kv_width = llm.heads * d, 2 * group.kv_heads * d
        rotated = (llm.heads + group.kv_heads) * d
        after = []
        if llm.positions == "rotary":
            after.append(_Between("rotary", formulas.rotary_flops(width=rotated), 0, rotated, rotated))
        if llm.qk_norm != "none":
            after.append(_Between("norm", formulas.rms_norm_flops(width=rotated), 0, rotated, rotated))
        yield from self._product(
            "qkv",
            group.count,
            k=llm.hidden,
            n=width + kv_width,
            executed_n=width + copies * kv_width,
            before=(self._norm(llm.hidden),),
            after=tuple(after),
            cached_width=kv_width,
            cached_copies=copies,
        )
        yield self._attention(
            group,
            qk_dim=d,
            v_dim=d,
            heads_per_cache=llm.heads / self.layout.tensor / max(1, group.kv_heads / self.layout.tensor),
            cached_values=2 * group.kv_heads * d,
            cache_copies=copies,
        )
        yield from self._output(group, width)

    def _latent(self, group: LayerGroup) -> Iterator[Operation]:
        """Latent attention: expanded to all heads in prefill, absorbed into queries and outputs in decode."""
        llm, mla, n = self.llm, self.llm.mla, self.layout.tensor
        if mla is None:
            raise TypeError("latent attention without its widths")  # for the type checker: LLM groups rule it out
        latent, rope = mla.kv_lora_rank, mla.qk_rope_head_dim
        count, width = group.count, llm.heads * llm.head_dim
        query_input = llm.hidden
        if mla.q_lora_rank is not None:
            yield from self._product(
                "q_down", count, k=llm.hidden, n=mla.q_lora_rank, shard="none", before=(self._norm(llm.hidden),)
            )
            query_input = mla.q_lora_rank
        yield from self._product(
            "q_up",
            count,
            k=query_input,
            n=width,
            before=(self._norm(query_input),),
            after=(_Between("rotary", formulas.rotary_flops(width=llm.heads * rope), 0, width, width),),
        )
        yield from self._product(
            "kv_down",
            count,
            k=llm.hidden,
            n=latent + rope,
            shard="none",
            after=(
                self._norm(latent),
                _Between("rotary", formulas.rotary_flops(width=rope), 0, rope, rope),
            ),
            cached_width=latent + rope,
            cached_copies=n,
        )
        cached: dict[str, Any] = {"cached_values": latent + rope, "cache_copies": n}
        if self.absorbed:
            yield from self._per_head("absorb_k", count, k=mla.qk_nope_head_dim, n=latent)
            yield self._attention(
                group, qk_dim=latent + rope, v_dim=latent, heads_per_cache=llm.heads / n, **cached, absorbed=True
            )
            yield from self._per_head("absorb_v", count, k=latent, n=mla.v_head_dim)
        else:
            _, keys = self.attention_of(group)
            expanded = llm.heads * (mla.qk_nope_head_dim + mla.v_head_dim)
            yield from self._product("kv_up", count, k=latent, n=expanded, rows=keys)
            yield self._attention(group, qk_dim=llm.head_dim, v_dim=mla.v_head_dim, heads_per_cache=1, **cached)
        yield from self._output(group, llm.heads * mla.v_head_dim)

    def _attention(
        self,
        group: LayerGroup,
        *,
        qk_dim: int,
        v_dim: int,
        heads_per_cache: float,
        cached_values: int,
        cache_copies: int,
        absorbed: bool = False,
    ) -> Operation:
        llm, precision, layers = self.llm, self.precision, group.count
        pairs, keys = self.attention_of(group)
        scores = layers * formulas.attention_flops(pairs=1, query_heads=llm.heads, qk_dim=qk_dim, v_dim=0, layers=1)
        values = layers * formulas.attention_flops(pairs=1, query_heads=llm.heads, qk_dim=0, v_dim=v_dim, layers=1)
        queries_and_outputs = layers * llm.heads * (qk_dim + v_dim) * _bytes(precision.output)
        cached = layers * cache_copies * cached_values
        of_key: dict[str, float] = {"kv_bytes": cached * _bytes(precision.kv_cache)}
        if llm.mla is not None and not absorbed:  # keys and values were expanded from the latent beforehand
            of_key = self._activations(queries_and_outputs)
        if _widens(precision.kv_cache, precision.attention):
            of_key["vector_flops"] = cached * formulas.dequantise_flops(elements=1)
        per_score = formulas.SOFTMAX_FLOPS_PER_PAIR + (_ALIBI_FLOPS_PER_PAIR if llm.positions == "alibi" else 0)
        of_pair = {
            "flops": float(scores + values),
            "vector_flops": float(layers * llm.heads * per_score),
            "exponentials": float(layers * llm.heads),
        }
        fixed: dict[str, Array] = self._activations(queries_and_outputs * self.rows)
        if keys is pairs:
            of_pair = {name: of_pair.get(name, 0.0) + of_key.get(name, 0.0) for name in {**of_pair, **of_key}}
        else:
            fixed = {name: fixed.get(name, 0.0) + of_key.get(name, 0.0) * keys for name in {**fixed, **of_key}}
        queries_per_cache = heads_per_cache * self.rows_each
        return Operation(
            name="attention",
            kind="attention",
            layers=layers,
            precision=precision.attention,
            work=pairs,
            each=Counts(**of_pair),
            fixed=Counts(**fixed),
            products=(
                Product(m=queries_per_cache, k=qk_dim, n=None, flops=float(scores)),
                Product(m=queries_per_cache, k=None, n=v_dim, flops=float(values)),
            ),
            launches=layers * self.passes,  # with whole layers fused, the one start of a layer is counted here
            sharing=heads_per_cache,
            keys=keys,
            sequences=self.rows
            if isinstance(self.rows_each, int) and self.rows_each == 1
            else self.rows / self.rows_each,
            imbalance=self.imbalance,
            weight_imbalance=self.weight_imbalance,
        )

    def _output(self, group: LayerGroup, width: int) -> Iterator[Operation]:
        h = self.llm.hidden
        after = [_Between("residual", formulas.residual_flops(width=h), 0, 2 * h, h)]
        if self.llm.norms_per_layer == 4:
            after.append(self._norm(h))
        yield from self._product("output", group.count, k=width, n=h, shard="rows", after=tuple(after))

    # Feed-forward.

    def _mlp(
        self, group: LayerGroup, name: str, width: int, *, normed: bool = True, adds: bool = True
    ) -> Iterator[Operation]:
        llm, h = self.llm, self.llm.hidden
        after = [_Between("residual", formulas.residual_flops(width=h), 0, 2 * h, h)] if adds else []
        if adds and llm.norms_per_layer == 4:
            after.append(self._norm(h))
        yield from self._product(
            f"{name}_up",
            group.count,
            k=h,
            n=self._up(width),
            before=(self._norm(h),) if normed else (),
            after=(self._gate(width),),
        )
        yield from self._product(f"{name}_down", group.count, k=width, n=h, shard="rows", after=tuple(after))

    def _experts(self, group: LayerGroup) -> Iterator[Operation]:
        llm, moe, layout = self.llm, self.llm.moe, self.layout
        if moe is None:
            raise TypeError("experts without their number")  # for the type checker: LLM groups rule it out
        h, width, k = llm.hidden, group.intermediate, moe.experts_per_token
        yield from self._product(
            "router",
            group.count,
            k=h,
            n=moe.experts,
            shard="none",
            before=(self._norm(h),) if self._norms_for_mlp() else (),
            weights=self.precision.head,
            inputs=self.precision.head,
            compute=self.precision.head,
        )
        if moe.shared_experts:
            shared_width = moe.shared_experts * (moe.shared_intermediate or 0)
            yield from self._mlp(group, "shared", shared_width, normed=False, adds=False)
        whole = layout.expert > 1
        if whole and layout.data > 1:
            yield self._all_to_all(group, k)
        # Tokens that are routed together: those of one copy of the model, or of all of them.
        together = self.rows / self.micro_batches if whole else self._of_one(self.rows)
        if self.skew:
            chosen = formulas.inclusion_probabilities(experts=moe.experts, experts_per_token=k, skew=self.skew)
            distinct = formulas.expected_distinct_experts_of(probabilities=chosen, tokens=together)
        else:
            distinct = formulas.expected_distinct_experts(
                experts=moe.experts, experts_per_token=k, tokens=maximum(together, 1.0)
            )
        busiest: Array = 1.0
        imbalance, weight_imbalance = self.imbalance, self.weight_imbalance
        if whole:  # the experts are one pool, whoever the tokens belong to
            n = layout.expert
            busiest = formulas.load_imbalance(assignments=together * k, devices=n)
            if self.skew:
                share = formulas.busiest_share(probabilities=chosen, devices=n, placement="random")
                busiest = maximum(busiest, n * share)
            imbalance = self.idle * busiest
            weight_imbalance = self.weights_idle * formulas.distinct_imbalance(
                distinct=distinct, experts=moe.experts, devices=n
            )
        options: dict[str, Any] = {
            "kind": "experts",
            "rows": self.rows * k,
            "rows_of_one": maximum(together * k / distinct, 1.0) * busiest,
            "weight_reads": distinct * self.micro_batches * (1 if whole else self.copies),
            "imbalance": imbalance,
            "weight_imbalance": weight_imbalance,
        }
        yield from self._product(
            "experts_up",
            group.count,
            k=h,
            n=self._up(width),
            shard="whole" if whole else "columns",
            after=(self._gate(width),),
            **options,
        )
        # Each token adds up its experts' outputs, weighted, and the residual.
        adds = _Between("residual", formulas.residual_flops(width=2 * h), 0, h + h / k, h / k)
        yield from self._product(
            "experts_down", group.count, k=width, n=h, shard="whole" if whole else "rows", after=(adds,), **options
        )
        yield from self._all_reduce(group)

    # Products.

    def _product(
        self,
        name: str,
        layers: int,
        *,
        k: int,
        n: int,
        executed_n: int | None = None,
        rows: Array | None = None,
        rows_of_one: Array | None = None,
        shard: str = "columns",
        before: tuple[_Between, ...] = (),
        after: tuple[_Between, ...] = (),
        cached_width: int = 0,
        cached_copies: int = 1,
        weights: str | None = None,
        inputs: str | None = None,
        compute: str | None = None,
        kind: Literal["linear", "experts", "head"] = "linear",
        weight_reads: Array | None = None,
        imbalance: Array | None = None,
        weight_imbalance: Array | None = None,
    ) -> Iterator[Operation]:
        """Yield a linear layer K→N, and, where nothing is fused, the element-wise work around it.

        Sharded by columns, every device reads the whole input; by rows, every device writes a partial sum of the whole
        output; not at all, every device does everything; ``whole`` experts are each on one device. Of the output
        columns, `cached_width` go to the KV cache instead of the activations.
        """
        precision, tensor = self.precision, self.layout.tensor
        rows = self.rows if rows is None else rows
        rows_of_one = self._of_one(rows) if rows_of_one is None else rows_of_one
        weights, inputs = weights or precision.weights, inputs or precision.activations
        compute, reads = compute or precision.compute, self.weight_reads if weight_reads is None else weight_reads
        reading = tensor if shard in ("columns", "none") else 1
        writing = tensor if shard in ("rows", "none") else 1
        doing = tensor if shard == "none" else 1
        executed_n = n if executed_n is None else executed_n
        bytes_in = reading * k * _bytes(inputs)
        bytes_out = writing * (n - cached_width) * _bytes(precision.output)
        vector_per_row = 0.0
        if _widens(inputs, precision.output):  # narrower activations are scaled and converted on the way in
            vector_per_row += reading * formulas.quantise_flops(elements=k)
            if precision.activation_scaling == "dynamic":  # Kim III-C: one more pass, for the largest value of a row
                vector_per_row += reading * formulas.absmax_flops(elements=k)
                bytes_in += reading * k * _bytes(precision.output)
        exponentials_per_row = 0.0
        if self.fusion != "none":
            for work in (*before, *after):
                vector_per_row += work.flops
                exponentials_per_row += work.exponentials
        else:
            for work in before:
                yield self._alone(work, layers, rows, imbalance)
        converted = doing * k * executed_n * formulas.dequantise_flops(elements=1) if _widens(weights, compute) else 0.0
        flops = float(layers * formulas.gemm_flops(m=1, k=k, n=n))
        yield Operation(
            name=name,
            kind=kind,
            layers=layers,
            precision=compute,
            work=rows,
            each=Counts(
                flops=flops,
                kv_bytes=layers * cached_copies * cached_width * _bytes(precision.kv_cache),
                **self._activations(layers * (bytes_in + bytes_out)),
                vector_flops=layers * vector_per_row,
                exponentials=float(layers * exponentials_per_row),
            ),
            fixed=Counts(
                weight_bytes=layers * doing * k * executed_n * _bytes(weights) * reads,
                vector_flops=layers * converted * reads if converted else 0.0,
            ),
            products=(
                Product(
                    m=rows_of_one,
                    k=k / tensor if shard == "rows" else k,
                    n=executed_n / tensor if shard == "columns" else executed_n,
                    flops=flops * doing * executed_n / n,
                ),
            ),
            launches=layers * self.passes if self._starts(kind, name) else 0,
            imbalance=self.imbalance if imbalance is None else imbalance,
            weight_imbalance=self.weight_imbalance if weight_imbalance is None else weight_imbalance,
        )
        if self.fusion == "none":
            for work in after:
                yield self._alone(work, layers, rows, imbalance)

    def _per_head(self, name: str, layers: int, *, k: int, n: int) -> Iterator[Operation]:
        """Yield one small product per head: the latent's expansion, absorbed into queries or outputs."""
        heads, precision = self.llm.heads, self.precision
        flops = float(layers * heads * formulas.gemm_flops(m=1, k=k, n=n))
        weights = layers * heads * k * n
        quantised = formulas.quantise_flops(elements=k) if _widens(precision.activations, precision.output) else 0.0
        if quantised and precision.activation_scaling == "dynamic":
            quantised += formulas.absmax_flops(elements=k)
        converted = formulas.dequantise_flops(elements=weights) if _widens(precision.weights, precision.compute) else 0
        yield Operation(
            name=name,
            kind="linear",
            layers=layers,
            precision=precision.compute,
            work=self.rows,
            each=Counts(
                flops=flops,
                vector_flops=float(layers * heads * quantised),
                **self._activations(layers * heads * (k + n) * _bytes(precision.output)),
            ),
            fixed=Counts(
                weight_bytes=weights * _bytes(precision.weights) * self.weight_reads,
                vector_flops=converted * self.weight_reads if converted else 0.0,
            ),
            products=(Product(m=self._of_one(self.rows), k=k, n=n, flops=flops),),
            launches=layers * self.passes if self._starts("linear", name) else 0,
            imbalance=self.imbalance,
            weight_imbalance=self.weight_imbalance,
        )

    def _starts(self, kind: str, name: str) -> bool:
        """Whether an operation is a kernel of its own: where a whole layer is one, its attention stands for it."""
        return self.fusion != "layer" or kind == "head" or (name == "mlp_up" and not self.attends)

    def _of_one(self, rows: Array) -> Array:
        """Rows that one product of the busiest device has, of those in all."""
        if self.layout.data == self.layout.pipeline == 1:
            return rows
        return rows / self.sequences * self.share / self.micro_batches  # in this order whole numbers stay whole

    # Between the products.

    def _activations(self, crossing_bytes: Array) -> dict[str, Array]:
        """Activations between operations: to main memory and back, unless a whole layer is one kernel."""
        return {"on_chip_bytes" if self.fusion == "layer" else "activation_bytes": crossing_bytes}

    def _norm(self, width: int) -> _Between:
        """RMSNorm; every device of a tensor-parallel group normalises the whole row."""
        n = self.layout.tensor
        return _Between("norm", n * formulas.rms_norm_flops(width=width), 0, n * width, n * width)

    def _norms_for_mlp(self) -> bool:
        """Whether the MLP has a norm of its own: not where it shares that of the attention beside it."""
        return self.llm.norms_per_layer > 1 or not self.attends

    def _gate(self, width: int) -> _Between:
        read = (2 if self.llm.gated_mlp else 1) * width
        return _Between("gate", formulas.gate_flops(width=width), width, read, width)

    def _up(self, width: int) -> int:
        return (2 if self.llm.gated_mlp else 1) * width

    def _alone(self, work: _Between, layers: int, rows: Array, imbalance: Array | None) -> Operation:
        return Operation(
            name=work.name,
            kind="elementwise",
            layers=layers,
            precision=self.precision.output,
            work=rows,
            each=Counts(
                activation_bytes=layers * (work.read + work.written) * _bytes(self.precision.output),
                vector_flops=float(layers * work.flops),
                exponentials=float(layers * work.exponentials),
            ),
            launches=layers * self.passes,
            imbalance=self.imbalance if imbalance is None else imbalance,
        )

    # Between devices.

    def _all_reduce(self, group: LayerGroup) -> Iterator[Operation]:
        n = self.layout.tensor
        if n > 1:
            message_bytes = self.llm.hidden * _bytes(self.precision.output)
            yield self._collective(
                "all_reduce",
                group.count,
                n * formulas.ring_all_reduce_bytes(message_bytes=message_bytes, devices=n),
                devices=n,
            )

    def _all_to_all(self, group: LayerGroup, experts_per_token: int) -> Operation:
        """Send each token to its experts and the results back, in the formats of input and output."""
        n, precision = self.layout.expert, self.precision
        both_ways = _bytes(precision.activations) + _bytes(precision.output)
        message_bytes = experts_per_token * self.llm.hidden * both_ways
        sent = formulas.all_to_all_bytes(message_bytes=message_bytes, devices=n)
        return self._collective("all_to_all", group.count, sent, devices=n, launches=2)

    def _send(self) -> Operation:
        """From each stage of the pipeline to the next."""
        boundaries = self.layout.pipeline - 1
        return Operation(
            name="send",
            kind="collective",
            layers=1,
            precision=self.precision.output,
            work=self.rows,
            each=Counts(link_bytes=boundaries * self.llm.hidden * _bytes(self.precision.output)),
            group=2,
            pattern="send",
            launches=boundaries,
            imbalance=self.imbalance,
        )

    def _collective(self, name: Any, layers: int, link_bytes: float, *, devices: int, launches: int = 1) -> Operation:
        return Operation(
            name=name,
            kind="collective",
            layers=layers,
            precision=self.precision.output,
            work=self.rows,
            each=Counts(link_bytes=layers * link_bytes),
            group=devices,
            pattern=name,
            launches=launches * layers * self.passes,
            imbalance=self.imbalance,
        )


@lru_cache
def _bytes(format_name: str) -> float:
    return number_format(format_name).bits / 8


@lru_cache
def _widens(stored: str, used: str) -> bool:
    """Whether numbers are kept in fewer bits than they are used in, and so must be converted."""
    return number_format(stored).element_bits < number_format(used).element_bits
