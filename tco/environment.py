"""What a token costs beside money: joules, carbon and water.

Greenhouse gas comes from two places: electricity, at the facility's meter, and the making of the hardware, spread over
its life. Water leaves the site with its cooling, and the power stations with theirs. A piece that nobody knows is
absent, and the result says what it covers: unknown is never zero.

Every function takes keywords that broadcast and checks them; its formula alone is its attribute ``pure``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hardware_specs.errors import UnknownNameError, did_you_mean
from roofline._arrays import Array
from tco._checked import AT_LEAST_ZERO, POSITIVE, Limits, checked, given
from tco.references import REFERENCES

_GRID: Limits = {"at_least": 0.0, "at_most": 5e3}
_WATER: Limits = {"at_least": 0.0, "at_most": 1e3}
_PUE: Limits = {"at_least": 1.0, "at_most": 10.0}
_YEARS: Limits = {"at_least": 0.01, "at_most": 100.0}

GRID_GCO2_PER_KWH: dict[str, float] = {
    name.removeprefix("grid."): reference.value for name, reference in REFERENCES.items() if name.startswith("grid.")
}
"""Greenhouse gas per kWh of electricity in 2023, by country [gCO₂e/kWh] (Ember, by way of Our World in Data)."""


def grid_gco2_per_kwh(region: str) -> float:
    """Greenhouse gas per kWh of a country's electricity in 2023 [gCO₂e/kWh].

    A yearly mean over what is generated: hours differ several times over, and so do the tariffs' own certificates.

    Parameters
    ----------
    region : str
        A key of :data:`GRID_GCO2_PER_KWH`, such as ``"germany"`` or ``"world"``.

    Raises
    ------
    UnknownNameError
        A region that is not in the table; close names are shown.

    Examples
    --------
    >>> grid_gco2_per_kwh("france")
    56.0
    """
    try:
        return GRID_GCO2_PER_KWH[region]
    except (KeyError, TypeError):
        hint = did_you_mean(str(region), GRID_GCO2_PER_KWH) or f": known are {', '.join(GRID_GCO2_PER_KWH)}"
        raise UnknownNameError(f"the carbon intensity of {region!r} is not in the table{hint}") from None


@checked(tokens_per_s=POSITIVE, power_w=POSITIVE)
def tokens_per_joule(*, tokens_per_s: Array, power_w: Array) -> Array:
    """Tokens per joule, of the power that is given: of a chip, a server, or the facility [token/J].

    Parameters
    ----------
    tokens_per_s : number or array
        Throughput, above 0 [token/s].
    power_w : number or array
        Power of whatever delivers it, above 0 [W].

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number; a power is not shown.

    Examples
    --------
    >>> tokens_per_joule(tokens_per_s=1_500.0, power_w=1_000.0)
    np.float64(1.5)
    """
    return tokens_per_s / power_w


@checked(tokens_per_s=POSITIVE, power_w=POSITIVE)
def joules_per_token(*, tokens_per_s: Array, power_w: Array) -> Array:
    """Joules per token, the inverse of :func:`tokens_per_joule` [J/token].

    Parameters are those of :func:`tokens_per_joule`.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        As :func:`tokens_per_joule`.

    Examples
    --------
    InferenceX's rule for MI355X: all-in watts of one GPU over its tokens.

    >>> print(f"{joules_per_token(tokens_per_s=6_757.5, power_w=2_650.0):.3f}")
    0.392
    """
    return power_w / tokens_per_s


@checked(tokens_per_s=POSITIVE, power_w=POSITIVE)
def tokens_per_s_per_mw(*, tokens_per_s: Array, power_w: Array) -> Array:
    """Throughput per megawatt, what a site with limited power maximises [token/s per MW].

    Parameters are those of :func:`tokens_per_joule`.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        As :func:`tokens_per_joule`.

    Examples
    --------
    >>> print(f"{tokens_per_s_per_mw(tokens_per_s=6_757.5, power_w=2_650.0):,.0f}")
    2,550,000
    """
    return tokens_per_s / power_w * 1e6


@checked(tokens_per_s=POSITIVE, power_w=POSITIVE)
def kwh_per_million_tokens(*, tokens_per_s: Array, power_w: Array) -> Array:
    """Energy of a million tokens [kWh per 10⁶ tokens].

    Parameters are those of :func:`tokens_per_joule`.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        As :func:`tokens_per_joule`.

    Examples
    --------
    >>> print(f"{kwh_per_million_tokens(tokens_per_s=1_000.0, power_w=3_600.0):.6f}")
    1.000000
    """
    return power_w / tokens_per_s / 3.6  # 10⁶ tokens and 3.6·10⁶ J in a kWh


@checked(kwh=AT_LEAST_ZERO, grid_gco2_per_kwh=_GRID)
def operational_kgco2(*, kwh: Array, grid_gco2_per_kwh: Array) -> Array:
    """Greenhouse gas of electricity: ``E·g`` [kgCO₂e].

    Parameters
    ----------
    kwh : number or array
        Energy at the facility's meter, PUE included [kWh].
    grid_gco2_per_kwh : number or array
        Of the electricity, 0 to 5,000 (see :func:`grid_gco2_per_kwh`) [gCO₂e/kWh].

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number; energy is not shown.

    Examples
    --------
    >>> float(operational_kgco2(kwh=1_000.0, grid_gco2_per_kwh=381.0))
    381.0
    """
    return kwh * grid_gco2_per_kwh / 1e3


@checked(embodied_kgco2=AT_LEAST_ZERO, years=_YEARS)
def embodied_kgco2_per_year(*, embodied_kgco2: Array, years: Array) -> Array:
    """Greenhouse gas of making hardware, spread evenly over its life [kgCO₂e/year].

    Parameters
    ----------
    embodied_kgco2 : number or array
        Of all servers, from the mine to the gate [kgCO₂e].
    years : number or array
        Life, 0.01 to 100 [year].

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    Examples
    --------
    >>> float(embodied_kgco2_per_year(embodied_kgco2=1_312.0, years=4))
    328.0
    """
    return embodied_kgco2 / years


@checked(it_kwh=AT_LEAST_ZERO, wue_l_per_kwh=_WATER)
def site_litres(*, it_kwh: Array, wue_l_per_kwh: Array) -> Array:
    """Water that the site's cooling evaporates: ``E_IT·WUE`` [l].

    Parameters
    ----------
    it_kwh : number or array
        Energy of the IT alone, without PUE [kWh].
    wue_l_per_kwh : number or array
        Water usage effectiveness of the site, 0 to 1,000 [l per kWh of IT].

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number; energy is not shown.

    Examples
    --------
    >>> float(site_litres(it_kwh=1_000.0, wue_l_per_kwh=1.8))
    1800.0
    """
    return it_kwh * wue_l_per_kwh


@checked(it_kwh=AT_LEAST_ZERO, pue=_PUE, ewif_l_per_kwh=_WATER)
def source_litres(*, it_kwh: Array, pue: Array, ewif_l_per_kwh: Array) -> Array:
    """Water that the power stations evaporate: ``E_IT·PUE·EWIF`` [l].

    Parameters
    ----------
    it_kwh : number or array
        Energy of the IT alone, without PUE [kWh].
    pue : number or array
        Power usage effectiveness, 1 to 10.
    ewif_l_per_kwh : number or array
        Water intensity of the electricity, 0 to 1,000 [l/kWh].

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number; energy is not shown.

    Examples
    --------
    >>> float(source_litres(it_kwh=1_000.0, pue=1.25, ewif_l_per_kwh=2.0))
    2500.0
    """
    return it_kwh * pue * ewif_l_per_kwh


@checked(per_year=AT_LEAST_ZERO, tokens_per_year=POSITIVE)
def per_million_tokens(*, per_year: Array, tokens_per_year: Array) -> Array:
    """Share of a yearly amount that falls to a million tokens, in the unit of the amount.

    Parameters
    ----------
    per_year : number or array
        Energy, gas or water of a year.
    tokens_per_year : number or array
        Tokens served in it, above 0.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    Examples
    --------
    >>> float(per_million_tokens(per_year=500.0, tokens_per_year=1e9))
    0.5
    """
    return per_year / tokens_per_year * 1e6


@checked(kgco2=AT_LEAST_ZERO, usd_per_tonne={"at_least": 0.0, "at_most": 1e6})
def carbon_usd(*, kgco2: Array, usd_per_tonne: Array) -> Array:
    """Cost of greenhouse gas at a carbon price, paid or internal [USD].

    Parameters
    ----------
    kgco2 : number or array
        What the price applies to [kgCO₂e].
    usd_per_tonne : number or array
        Carbon price, 0 to 10⁶ [USD/tCO₂e].

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number; a price is not shown.

    Examples
    --------
    >>> float(carbon_usd(kgco2=2_000.0, usd_per_tonne=80.0))
    160.0
    """
    return kgco2 / 1e3 * usd_per_tonne


@dataclass(frozen=True, kw_only=True)
class Carbon:
    """Greenhouse gas of a year, by origin.

    Attributes
    ----------
    operational_kg_per_year : array
        From electricity [kgCO₂e/year].
    embodied_kg_per_year : array or None
        From making the hardware [kgCO₂e/year]; ``None`` if no figure is known.
    """

    operational_kg_per_year: Array
    embodied_kg_per_year: Array | None = None

    @property
    def covers(self) -> str:
        """What the total holds: ``operational and embodied``, or ``operational only``."""
        return "operational only" if self.embodied_kg_per_year is None else "operational and embodied"

    @property
    def kg_per_year(self) -> Array:
        """What is known together; `covers` says what that is [kgCO₂e/year]."""
        if self.embodied_kg_per_year is None:
            return self.operational_kg_per_year
        return self.operational_kg_per_year + self.embodied_kg_per_year

    def gco2_per_million_tokens(self, tokens_per_year: Any) -> Array:
        """Greenhouse gas of a million tokens, of what is known [gCO₂e per 10⁶ tokens].

        Parameters
        ----------
        tokens_per_year : number or array
            Tokens served in a year, above 0.

        Raises
        ------
        ValueError
            Not such a number.
        """
        return per_million_tokens(per_year=self.kg_per_year * 1e3, tokens_per_year=tokens_per_year)


def carbon(*, kwh: Any, grid_gco2_per_kwh: Any, embodied_kgco2: Any = None, years: Any = None) -> Carbon:
    """Greenhouse gas of a year: electricity, and the hardware if its figure is known.

    Parameters
    ----------
    kwh : number or array
        Energy of a year at the facility's meter [kWh/year].
    grid_gco2_per_kwh : number or array
        As for :func:`operational_kgco2` [gCO₂e/kWh].
    embodied_kgco2 : number or array, optional
        Of all servers; leave it out if it is not known [kgCO₂e].
    years : number or array, optional
        Life of the servers, needed beside `embodied_kgco2` [year].

    Returns
    -------
    Carbon

    Raises
    ------
    ValueError
        An argument out of range, or one of `embodied_kgco2` and `years` without the other.

    Examples
    --------
    >>> year = carbon(kwh=1e6, grid_gco2_per_kwh=400.0, embodied_kgco2=40_000.0, years=4)
    >>> float(year.kg_per_year), float(year.gco2_per_million_tokens(1e12))
    (410000.0, 410.0)
    >>> carbon(kwh=1e6, grid_gco2_per_kwh=400.0).covers
    'operational only'
    """
    if embodied_kgco2 is not None and years is None:
        raise ValueError("embodied_kgco2 is given without years: give the life that it is spread over")
    if embodied_kgco2 is None and years is not None:
        raise ValueError("years is given without embodied_kgco2: give both, or neither if it is not known")
    return Carbon(
        operational_kg_per_year=operational_kgco2(kwh=kwh, grid_gco2_per_kwh=grid_gco2_per_kwh),
        embodied_kg_per_year=None
        if embodied_kgco2 is None
        else embodied_kgco2_per_year(embodied_kgco2=embodied_kgco2, years=years),
    )


@dataclass(frozen=True, kw_only=True)
class Water:
    """Water of a year, by where it evaporates.

    Attributes
    ----------
    site_litres_per_year : array
        In the site's cooling [l/year].
    source_litres_per_year : array or None
        In power stations [l/year]; ``None`` if no figure is known.
    """

    site_litres_per_year: Array
    source_litres_per_year: Array | None = None

    @property
    def covers(self) -> str:
        """What the total holds: ``site and source``, or ``site only``."""
        return "site only" if self.source_litres_per_year is None else "site and source"

    @property
    def litres_per_year(self) -> Array:
        """What is known together; `covers` says what that is [l/year]."""
        if self.source_litres_per_year is None:
            return self.site_litres_per_year
        return self.site_litres_per_year + self.source_litres_per_year

    def litres_per_million_tokens(self, tokens_per_year: Any) -> Array:
        """Water of a million tokens, of what is known [l per 10⁶ tokens].

        Parameters
        ----------
        tokens_per_year : number or array
            Tokens served in a year, above 0.

        Raises
        ------
        ValueError
            Not such a number.
        """
        return per_million_tokens(per_year=self.litres_per_year, tokens_per_year=tokens_per_year)


def water(*, it_kwh: Any, wue_l_per_kwh: Any, pue: Any = None, ewif_l_per_kwh: Any = None) -> Water:
    """Water of a year: ``E_IT·(WUE + PUE·EWIF)``, the second term if its figure is known.

    Parameters
    ----------
    it_kwh : number or array
        Energy of the IT in a year, without PUE [kWh/year].
    wue_l_per_kwh : number or array
        As for :func:`site_litres` [l/kWh].
    pue, ewif_l_per_kwh : number or array, optional
        As for :func:`source_litres`; leave `ewif_l_per_kwh` out if it is not known.

    Returns
    -------
    Water

    Raises
    ------
    ValueError
        An argument out of range, or `ewif_l_per_kwh` without `pue`.

    References
    ----------
    P. Li, J. Yang, M. A. Islam, S. Ren, "Making AI Less 'Thirsty'", arXiv:2304.03271.

    Examples
    --------
    >>> year = water(it_kwh=1e6, wue_l_per_kwh=1.8, pue=1.25, ewif_l_per_kwh=2.0)
    >>> float(year.litres_per_year), year.covers
    (4300000.0, 'site and source')
    >>> water(it_kwh=1e6, wue_l_per_kwh=1.8).covers
    'site only'
    """
    if ewif_l_per_kwh is not None and pue is None:
        raise ValueError("ewif_l_per_kwh is given without pue: power stations feed the whole facility")
    if ewif_l_per_kwh is None and pue is not None:
        given("pue", pue, **_PUE)  # it is not needed, but a wrong one is not passed over
    return Water(
        site_litres_per_year=site_litres(it_kwh=it_kwh, wue_l_per_kwh=wue_l_per_kwh),
        source_litres_per_year=None
        if ewif_l_per_kwh is None
        else source_litres(it_kwh=it_kwh, pue=pue, ewif_l_per_kwh=ewif_l_per_kwh),
    )
