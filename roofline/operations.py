"""What a forward pass multiplies, reads, writes and sends, as plain counts.

One :class:`Operation` per kind of matrix product and group of equal layers, plus the collectives of the devices that
share a model. :mod:`roofline.forward` lists those of a phase; how long a machine takes for them is
:mod:`roofline.ceilings`' business.

``bytes`` is traffic to main memory: weights once per pass, keys and values read and written, activations into and out
of each operation. Attention is fused (FlashAttention), so no ``s²`` traffic. A quantity is the total over all devices
and all layers of the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from roofline._arrays import Array

Kind = Literal["linear", "experts", "attention", "head", "elementwise", "collective", "host"]
KINDS: tuple[str, ...] = get_args(Kind)
"""Kinds of operations."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What an operation does, over all devices and all layers it stands for.

    Attributes
    ----------
    flops : array
        Model FLOPs: matrix products only, each counted once however many devices repeat it [FLOP].
    weight_bytes, kv_bytes, activation_bytes : array
        Traffic to main memory: weights read, keys and values read or written, activations in and out [byte].
    on_chip_bytes : array
        Activations in and out that stay in the on-chip memory instead [byte].
    link_bytes : array
        What all devices together send over their links [byte].
    vector_flops : array
        Element-wise work, no model FLOPs: norms, softmax, gates, scaling and conversion of numbers [FLOP].
    exponentials : array
        Exponentials of softmax and SiLU.

    Examples
    --------
    >>> Counts(weight_bytes=3e9, activation_bytes=1e9).bytes
    4000000000.0
    """

    flops: Array = 0.0
    weight_bytes: Array = 0.0
    kv_bytes: Array = 0.0
    activation_bytes: Array = 0.0
    on_chip_bytes: Array = 0.0
    link_bytes: Array = 0.0
    vector_flops: Array = 0.0
    exponentials: Array = 0.0

    @property
    def bytes(self) -> Array:
        """Traffic to main memory, all of it [byte]."""
        moved = (self.weight_bytes, self.kv_bytes, self.activation_bytes)
        return sum((part for part in moved if not (isinstance(part, float) and part == 0.0)), start=0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """Equal matrix products (M×K)·(K×N) inside an operation, as one device sees them.

    Attributes
    ----------
    m, k, n : array or None
        Rows, inner dimension and columns of one product [element]; ``None`` for a length that needs no padding.
    flops : array
        What the devices execute per unit of the operation's work, replicas included, before padding [FLOP].
    """

    m: Array
    k: Array | None
    n: Array | None
    flops: Array


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One matrix product, attention, element-wise pass or collective, over all layers that share its shape.

    Its counts are linear in its work: ``fixed + each · work``. The work of a linear layer is its rows, that of
    attention its pairs of query and key; what is fixed are weights, and whatever grows otherwise.

    Attributes
    ----------
    name : str
        ``qkv``, ``attention``, ``output``, ``mlp_up``, ``mlp_down``, ``lm_head``, ``experts_up``, ``all_reduce`` …
    kind : str
        ``linear``, ``experts``, ``attention``, ``head``, ``elementwise``, ``collective``, or ``host``: what it adds to
        a phase.
    layers : int
        Layers it stands for; 1 for the LM head.
    precision : str
        Format in which the matrix engine multiplies.
    work : array
        Units of work.
    each, fixed : Counts
        Counts per unit of work, and beside it.
    products : tuple of Product
        The shapes of the matrix products; without them there is nothing to pad.
    group : int
        Devices that take part in a collective.
    pattern : {"all_reduce", "all_to_all", "send"}
        How a collective exchanges its messages.
    launches : array
        How often a device starts it, one after another: once per layer and, in decode, micro-batch.
    sharing : float
        Query heads that share a key and value head, on one device.
    keys, sequences : array
        Of attention, the tokens that all sequences together attend to, and how many sequences there are.
    imbalance, weight_imbalance : array
        Load of the busiest device over the mean: of all its work but reading and converting weights, and of that.

    Examples
    --------
    >>> product = Operation(
    ...     name="product", kind="linear", layers=1, precision="bf16",
    ...     work=64.0, each=Counts(flops=3e9, activation_bytes=1e5), fixed=Counts(weight_bytes=3e9),
    ... )
    >>> product.flops, product.bytes
    (192000000000.0, 3006400000.0)
    """

    name: str
    kind: Kind
    layers: int
    precision: str
    work: Array = 1.0
    each: Counts = Counts()
    fixed: Counts = Counts()
    products: tuple[Product, ...] = ()
    group: int = 1
    pattern: Literal["all_reduce", "all_to_all", "send"] = "all_reduce"
    launches: Array = 1
    sharing: float = 1.0
    keys: Array = 0.0
    sequences: Array = 1.0
    imbalance: Array = 1.0
    weight_imbalance: Array = 1.0

    def _total(self, count: str) -> Array:
        fixed, each = getattr(self.fixed, count), getattr(self.each, count)
        if isinstance(each, float) and each == 0.0:
            return fixed
        return each * self.work if isinstance(fixed, float) and fixed == 0.0 else fixed + each * self.work

    @property
    def flops(self) -> Array:
        """Model FLOPs [FLOP]."""
        return self._total("flops")

    @property
    def weight_bytes(self) -> Array:
        """Weights read from main memory [byte]."""
        return self._total("weight_bytes")

    @property
    def kv_bytes(self) -> Array:
        """Keys and values read from and written to main memory [byte]."""
        return self._total("kv_bytes")

    @property
    def activation_bytes(self) -> Array:
        """Activations in and out of main memory [byte]."""
        return self._total("activation_bytes")

    @property
    def bytes(self) -> Array:
        """Traffic to main memory, all of it [byte]."""
        return self._total("bytes")

    @property
    def link_bytes(self) -> Array:
        """What all devices together send over their links [byte]."""
        return self._total("link_bytes")

    @property
    def vector_flops(self) -> Array:
        """Element-wise work [FLOP]."""
        return self._total("vector_flops")

    @property
    def exponentials(self) -> Array:
        """Exponentials of softmax and SiLU."""
        return self._total("exponentials")
