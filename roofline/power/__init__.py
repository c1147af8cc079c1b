"""Power and energy of a phase, and what a power cap or the TDP does to its speed.

A device draws idle power, power that its running clocks cost whatever they do, and energy for what it computes and
moves. Over a phase of time ``T`` at clock ``φ`` (1 is full speed), with exponent ``α``:

    P(φ) = idle + active·φ^α + (φ^(α−1)·Σ_core W_c·T_c + Σ_other W_c·T_c) / T(φ)

``T_c`` is the time that the work of ceiling ``c`` takes at its peak, on average over the devices (those that wait for
the busiest draw idle power and that of their clocks), and ``W_c`` what it draws while busy all the time. Work of the
core costs φ^(α−1) of its energy, since the voltage falls with the clock; main memory and links keep their own clocks.
Where ``P(1)`` exceeds the cap or the TDP, the clock falls until it does not. The rates of the core fall with φ, and so
does the bandwidth, by min(1, headroom·φ): what comes from memory passes through the core's fabric.

A control loop of firmware is slower than a phase is long: one clock holds over the phase, and the cap bounds the mean.

>>> import hardware_specs as hs
>>> import roofline as rl
>>> d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h200-sxm"), batch=64, context_tokens=8192, precision="fp8")
>>> print(f"{rl.power.estimate(d).power_w:.0f} W, {rl.power.under_cap(d, cap_w=400).loss:.0%} slower at 400 W")
700 W, 41% slower at 400 W
"""

from __future__ import annotations

from roofline.power.caps import PooledCap, pooled, share_cap
from roofline.power.draw import mean_power_w, watts_to_reach, work_s
from roofline.power.measured import ACTIVE_SHARE, IDLE_SHARE, MEMORY_J_PER_BYTE
from roofline.power.models import BOUNDARIES, CORE_CEILINGS, DRAWING_CEILINGS, PowerModel, model
from roofline.power.throttle import PowerEstimate, estimate, under_cap
from roofline.power.tokens import TokensPerJoule

__all__ = [
    "ACTIVE_SHARE",
    "BOUNDARIES",
    "CORE_CEILINGS",
    "DRAWING_CEILINGS",
    "IDLE_SHARE",
    "MEMORY_J_PER_BYTE",
    "PooledCap",
    "PowerEstimate",
    "PowerModel",
    "TokensPerJoule",
    "estimate",
    "mean_power_w",
    "model",
    "pooled",
    "share_cap",
    "under_cap",
    "watts_to_reach",
    "work_s",
]
