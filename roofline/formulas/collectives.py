"""What devices that share a model send each other."""

from __future__ import annotations

from roofline._arrays import Array, in_floats


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
