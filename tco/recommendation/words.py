"""Numbers and names as a page says them."""

from __future__ import annotations

import math
from collections.abc import Sequence

SPACE = "\N{NO-BREAK SPACE}"

INPUTS: dict[str, tuple[str, str]] = {
    "traffic_per_s": ("traffic", "tokens/s"),
    "tokens_per_s": ("throughput of a server", "tokens/s"),
    "power_w": ("power of a server", "W"),
    "discount_rate": ("cost of capital", "% a year"),
    "server_years": ("life of a server", "years"),
    "payments_per_year": ("payments on capital", "a year"),
    "profile": ("demand over the day", ""),
    "headroom": ("headroom over the busiest hour", "%"),
    "whole": ("whole servers", ""),
    "released": ("idle servers switched off", ""),
    "load": ("load of a busy server", "%"),
    "idle_share": ("load of an idle server", "%"),
    "accelerators": ("accelerators in a server", ""),
    "failures_per_year": ("failures of a server", "a year"),
    "failures_per_accelerator_year": ("failures of an accelerator", "a year"),
    "repair_days": ("repair of a server", "days"),
    "spares_confidence": ("how surely spares suffice", "%"),
    "price_usd": ("price of a server", "USD"),
    "residual_share": ("value left at the end of a server's life", "%"),
    "network_usd": ("network of a server", "USD"),
    "storage_usd": ("storage of a server", "USD"),
    "installation_usd": ("installation of a server", "USD"),
    "licences_usd_per_year": ("software licences of a server", "USD/year"),
    "licence_usd_per_accelerator_year": ("software licences of an accelerator", "USD/year"),
    "support_share_per_year": ("support and repairs, of a server's price", "% a year"),
    "porting_usd": ("porting of the applications", "USD"),
    "accelerator_usd": ("price of an accelerator", "USD"),
    "host_usd": ("price of the rest of a server", "USD"),
    "host_memory_gib": ("host memory as quoted", "GiB"),
    "host_memory_alike_gib": ("host memory made alike", "GiB"),
    "usd_per_gib": ("price of host memory", "USD/GiB"),
    "scale_up_usd": ("network inside a server", "USD"),
    "scale_out_usd": ("network between servers", "USD"),
    "network_share": ("network, of the cost of servers and network", "%"),
    "years": ("life of a server", "years"),
    "embodied_kg": ("greenhouse gases of making a server", "kg CO₂e"),
    "rent_usd_per_h": ("rent of an accelerator", "USD/h"),
    "upfront_share": ("rent paid in advance", "%"),
    "commitment_years": ("commitment to the rent", "years"),
    "servers_per_rack": ("servers in a rack", ""),
    "rack_power_kw": ("power of a rack", "kW"),
    "rack_cooling_kw": ("cooling of a rack", "kW"),
    "rack_slots_u": ("height of a rack", "U"),
    "rack_weight_kg": ("weight that a rack carries", "kg"),
    "rack_usd": ("cost of a rack", "USD"),
    "usd_per_watt": ("power and cooling plant", "USD/W"),
    "facility_years": ("life of the site", "years"),
    "colocation_usd_per_kw_month": ("colocation", "USD/kW-month"),
    "operations_usd_per_kw_month": ("staff and upkeep of the site", "USD/kW-month"),
    "site_power_kw": ("power of the site", "kW"),
    "pue": ("power usage effectiveness", ""),
    "pue_by_load": ("PUE by load", ""),
    "usd_per_kwh": ("electricity tariff", "USD/kWh"),
    "demand_usd_per_kw_month": ("charge for the highest power", "USD/kW-month"),
    "usd_per_tonne_co2": ("carbon price", "USD/t"),
    "grid_gco2_per_kwh": ("carbon of the electricity", "g CO₂e/kWh"),
    "grid_l_per_kwh": ("water used to make electricity", "l/kWh"),
    "usd_per_m3_water": ("price of water", "USD/m³"),
    "litres_per_kwh": ("water used on site", "l/kWh"),
    "wue_l_per_kwh": ("water used on site", "l/kWh"),
    "growth_per_year": ("growth of the traffic", "% a year"),
}
"""What inputs and keys of a scenario are called, and their unit; a share is written in percent."""


def split(name: str) -> tuple[str, str]:
    """Return the candidate, or nothing, and the input that a name such as ``h100.price_usd`` is of.

    Parameters
    ----------
    name : str
        Of an input.
    """
    owner, _, inner = name.rpartition(".")
    return owner, inner


def named(name: str) -> str:
    """Name an input in words.

    Parameters
    ----------
    name : str
        As in ``[ranges]``.

    Examples
    --------
    >>> named("usd_per_kwh"), named("h100.price_usd")
    ('electricity tariff', 'price of a server (h100)')
    """
    owner, inner = split(name)
    words = INPUTS.get(inner, (inner, ""))[0]
    return f"{words} ({owner})" if owner else words


def keyed(name: str) -> str:
    """Name an input in words, with its key.

    Parameters
    ----------
    name : str
        As in ``[ranges]``, or a key of the scenario.

    Examples
    --------
    >>> keyed("usd_per_kwh"), keyed("h100.price_usd")
    ('electricity tariff (usd_per_kwh)', 'price of a server (h100.price_usd)')
    """
    words = INPUTS.get(split(name)[1], ("", ""))[0]
    return f"{words} ({name})" if words else name


def value(name: str, amount: float, digits: int = 4) -> str:
    """Write the value of an input with its unit.

    Parameters
    ----------
    name : str
        Of the input.
    amount : float
        In its own unit; a share, which is written in percent.
    digits : int
        That count.

    Examples
    --------
    >>> value("usd_per_kwh", 0.0826), value("h100.tokens_per_s", 11400.3)
    ('0.0826 USD/kWh', '11,400 tokens/s')
    """
    number, unit = bare(name, amount, digits), unit_of(name)
    return f"{number}{SPACE if unit.startswith('%') else ' '}{unit}".strip()


def unit_of(name: str) -> str:
    """Return the unit in which an input is written, empty for a ratio or a count.

    Parameters
    ----------
    name : str
        Of the input.

    Examples
    --------
    >>> unit_of("h100.price_usd"), unit_of("discount_rate")
    ('USD', '% a year')
    """
    return INPUTS.get(split(name)[1], ("", ""))[1]


def bare(name: str, amount: float, digits: int = 4) -> str:
    """Write the value of an input without its unit.

    Parameters
    ----------
    name : str
        Of the input.
    amount : float
        In its own unit; a share, which is written in percent.
    digits : int
        That count.

    Examples
    --------
    >>> bare("discount_rate", 0.08), bare("usd_per_kwh", 0.0826, 2)
    ('8', '0.083')
    """
    return plain(100 * amount if unit_of(name).startswith("%") else amount, digits)


def plain(amount: float, digits: int = 4) -> str:
    """Write a number in so many digits or more, with thousands and never with an exponent.

    Parameters
    ----------
    amount : float
        Any finite number.
    digits : int
        That count.

    Examples
    --------
    >>> plain(0.0612345), plain(11400.3), plain(1.14e7), plain(12), plain(0)
    ('0.06123', '11,400', '11,400,000', '12', '0')
    """
    if amount == 0:
        return "0"
    places = max(digits - 1 - math.floor(math.log10(abs(amount))), 0)
    text = f"{amount:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rough(amount: float, digits: int = 3) -> str:
    """Write a number rounded to so many digits, those before the point too.

    Parameters
    ----------
    amount : float
        Any finite number.
    digits : int
        That count.

    Examples
    --------
    >>> rough(3_088_639.0), rough(0.81649)
    ('3,090,000', '0.816')
    """
    return plain(float(f"{amount:.{digits}g}"), digits)


def percent(share: float, digits: int = 2) -> str:
    """Write a share in percent.

    Parameters
    ----------
    share : float
        1 is all.
    digits : int
        That count; more where it is needed to write a whole number.

    Examples
    --------
    >>> percent(0.0764).replace(SPACE, " "), percent(0.9).replace(SPACE, " "), percent(1.234).replace(SPACE, " ")
    ('7.6 %', '90 %', '123 %')
    """
    return f"{plain(100 * share, digits)}{SPACE}%"


def chance(share: float) -> str:
    """Write a probability in percent, one that is nearly sure or nearly nothing not as if it were.

    Parameters
    ----------
    share : float
        0 to 1.

    Examples
    --------
    >>> chance(0.996).replace(SPACE, " "), chance(0.81).replace(SPACE, " ")
    ('over 99 %', '81 %')
    """
    if share > 0.99:
        return f"over 99{SPACE}%"
    return f"below 1{SPACE}%" if share < 0.01 else f"{100 * share:.0f}{SPACE}%"


def times(ratio: float) -> str:
    """Write a ratio.

    Parameters
    ----------
    ratio : float
        Above 0.

    Examples
    --------
    >>> times(0.9241), times(2.0)
    ('0.924×', '2×')
    """
    return f"{plain(ratio, 3)}×"


def less(ratio: float) -> str:
    """Say how much less or more a cost is than another.

    Parameters
    ----------
    ratio : float
        The one over the other.

    Examples
    --------
    >>> [less(ratio).replace(SPACE, " ") for ratio in (0.924, 1.13, 1.0001, 2.5)]
    ['7.6 % less than', '13 % more than', 'the same as', '2.5 times as much as']
    """
    if abs(ratio - 1) < 0.0005:
        return "the same as"
    if ratio >= 2:
        return f"{plain(ratio, 2)} times as much as"
    return f"{percent(1 - ratio)} less than" if ratio < 1 else f"{percent(ratio - 1)} more than"


def between(low: float, high: float) -> str:
    """Say a range of :func:`less`.

    Parameters
    ----------
    low, high : float
        Ends of a ratio.

    Examples
    --------
    >>> between(0.72, 1.132).replace(SPACE, " "), between(0.5, 0.9).replace(SPACE, " ")
    ('28 % less to 13 % more', '50 % to 10 % less')
    """
    ends = [less(end) for end in (low, high)]
    short = [end.removesuffix(" than").removesuffix(" as") for end in ends]
    first, second = short
    for word in (" less", " more"):
        if first.endswith(word) and second.endswith(word):
            first = first.removesuffix(word)
    return f"{first} to {second}"


def listed(names: Sequence[str], word: str = "and") -> str:
    """Write names as ``a, b and c``.

    Parameters
    ----------
    names : sequence of str
        One or more.
    word : str
        Before the last.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b"], "or")
    ('a, b and c', 'a or b')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def counted(count: float, noun: str) -> str:
    """Write how many.

    Parameters
    ----------
    count : float
        Whole.
    noun : str
        Of one.

    Examples
    --------
    >>> counted(1, "server"), counted(1200, "rack")
    ('1 server', '1,200 racks')
    """
    return f"{count:,.0f} {noun}{'' if count == 1 else 's'}"
