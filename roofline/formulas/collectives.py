"""What devices that share a model send each other."""

from __future__ import annotations

from roofline._arrays import Array, in_floats, maximum, minimum, namespace


@in_floats
def ring_all_reduce_bytes(*, message_bytes: Array, devices: Array) -> Array:
    """Bytes that each device sends in a ring all-reduce: ``2(n−1)/n`` of the message [byte].

    Parameters
    ----------
    message_bytes : number or array
        Size of the tensor that is summed [byte].
    devices : number or array
        ``n`` devices of the ring.

    Returns
    -------
    number or array
        Per device, in one direction of its link [byte].

    References
    ----------
    Patarasuk, Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", JPDC 69(2), 2009.

    Examples
    --------
    >>> ring_all_reduce_bytes(message_bytes=8.0, devices=4)
    12.0
    """
    n = devices
    return 2 * (n - 1) / n * message_bytes


@in_floats
def all_gather_bytes(*, message_bytes: Array, devices: Array) -> Array:
    """Bytes that each device sends in a ring all-gather: ``(n−1)/n`` of the gathered tensor.

    Parameters
    ----------
    message_bytes : number or array
        Size of the whole tensor, of which each device holds ``1/n`` at first [byte].
    devices : number or array
        ``n`` devices.

    Returns
    -------
    number or array
        Per device, in one direction of its link [byte].

    References
    ----------
    Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH", IJHPCA 19(1), 2005.

    Examples
    --------
    >>> all_gather_bytes(message_bytes=8.0, devices=4)
    6.0
    """
    n = devices
    return (n - 1) / n * message_bytes


@in_floats
def reduce_scatter_bytes(*, message_bytes: Array, devices: Array) -> Array:
    """Bytes that each device sends in a ring reduce-scatter: ``(n−1)/n`` of the summed tensor.

    With :func:`all_gather_bytes` it makes :func:`ring_all_reduce_bytes`; reference as there.

    Parameters
    ----------
    message_bytes : number or array
        Size of the whole tensor, of which each device keeps ``1/n`` at last [byte].
    devices : number or array
        ``n`` devices.

    Returns
    -------
    number or array
        Per device, in one direction of its link [byte].

    Examples
    --------
    >>> reduce_scatter_bytes(message_bytes=8.0, devices=4)
    6.0
    """
    n = devices
    return (n - 1) / n * message_bytes


@in_floats
def all_to_all_bytes(*, message_bytes: Array, devices: Array) -> Array:
    """Bytes that each device sends in an all-to-all: ``(n−1)/n`` of what it holds, the rest stays.

    Parameters
    ----------
    message_bytes : number or array
        What one device holds, such as its tokens, each once per expert it goes to [byte].
    devices : number or array
        ``n`` devices.

    Returns
    -------
    number or array
        Per device, in one direction of its links, if destinations are equally likely [byte].

    Examples
    --------
    >>> all_to_all_bytes(message_bytes=8.0, devices=4)
    6.0
    """
    n = devices
    return (n - 1) / n * message_bytes


@in_floats
def mesh_share(*, devices: Array, domain: Array | None = None) -> Array:
    """Share of a device's links that it can use when ``n`` of ``N`` fully meshed devices work together.

    In a mesh each link leads to one peer, so only the links to the ``n − 1`` peers of the group carry traffic:
    ``(n−1)/(N−1)``. Through a switch all of them do.

    Parameters
    ----------
    devices : number or array
        ``n`` devices of the group; 1, which sends nothing, counts as 2 so that no bytes take no time.
    domain : number or array, optional
        ``N`` devices of the mesh, at least 2; without it, a switch.

    Returns
    -------
    number or array
        Above 0, at most 1.

    Examples
    --------
    Two of the eight devices of a Gaudi 2 or MI300X board talk over one of seven links:

    >>> round(float(mesh_share(devices=2, domain=8)), 4), float(mesh_share(devices=8, domain=8)), mesh_share(devices=2)
    (0.1429, 1.0, 1.0)
    """
    return 1.0 if domain is None else (maximum(devices, 2.0) - 1) / (domain - 1)


@in_floats
def ring_all_reduce_steps(*, devices: Array) -> Array:
    """Message latencies, one after the other, in a ring all-reduce: ``2(n−1)``.

    Parameters
    ----------
    devices : number or array
        ``n`` devices.

    Returns
    -------
    number or array
        [message].

    References
    ----------
    Patarasuk, Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", JPDC 69(2), 2009.

    Examples
    --------
    >>> ring_all_reduce_steps(devices=8)
    14
    """
    return 2 * (devices - 1)


@in_floats
def direct_all_reduce_steps(*, devices: Array) -> Array:
    """Message latencies in a direct all-reduce, where each device sends to all others at once: 2, and 0 for one device.

    A reduce-scatter and an all-gather of one step each, at the ring's bytes (the two-shot kernels of GPU libraries).

    Parameters
    ----------
    devices : number or array
        ``n`` devices.

    Returns
    -------
    number or array
        [message].

    Examples
    --------
    >>> float(direct_all_reduce_steps(devices=8)), float(direct_all_reduce_steps(devices=1))
    (2.0, 0.0)
    """
    return 2 * minimum(devices - 1, 1.0)


@in_floats
def tree_all_reduce_steps(*, devices: Array) -> Array:
    """Message latencies in a tree all-reduce, up to the root and down again: ``2·⌈log₂ n⌉``.

    Parameters
    ----------
    devices : number or array
        ``n`` devices, at most half a million.

    Returns
    -------
    number or array
        [message].

    References
    ----------
    Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH", IJHPCA 19(1), 2005.

    Examples
    --------
    >>> float(tree_all_reduce_steps(devices=8)), float(tree_all_reduce_steps(devices=9))
    (6.0, 8.0)
    """
    xp = namespace(devices)
    return 2 * xp.ceil(xp.log2(xp.asarray(devices * 1.0)) - 1e-6)  # a logarithm of 8 may come out just above 3
