"""What comes with a server beyond its list price, or the rent that takes the place of both.

A :class:`Purchase` adds to a server's price what a quote leaves out; a :class:`Rental` pays accelerators by the hour,
hosting and energy included. What is not given is not in the account, and results list it as left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from tco._own import Own

Usd = Annotated[float, Field(ge=0, le=1e12)]
"""An amount of US dollars, 0 included: a user who says so means it."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of something, 0 to 1."""


class Purchase(Own):
    """Terms on which a server is bought, each of one server unless it says otherwise.

    Attributes
    ----------
    accelerator_usd : float, optional
        Price of one accelerator [USD]; with `host_usd` it stands for the server's price.
    host_usd : float, optional
        Price of everything else in the server [USD].
    host_memory_gib : float, optional
        Memory of the host as quoted [GiB]. A vendor who adds memory would otherwise look dear, one who leaves it out
        cheap.
    host_memory_alike_gib : float, optional
        Memory of the host at which all candidates are compared [GiB].
    usd_per_gib : float, optional
        Price of that memory [USD/GiB]; all three or none.
    scale_up_usd : float, optional
        Network within servers: switches, cables, adapters that the price leaves out [USD].
    scale_out_usd : float, optional
        Network between servers that the price leaves out [USD].
    network_share : float, optional
        Network as a share of the cost of servers and network together, instead of the two above; at the server's price
        here, so that a discount on servers leaves the network as it is.
    storage_usd : float, optional
        Storage that the price leaves out [USD].
    installation_usd : float, optional
        Delivery and installation [USD].
    licence_usd_per_accelerator_year : float, optional
        Software licences of one accelerator [USD/year].
    support_share_per_year : float, optional
        Support and repairs per year, as a share of the server's price.
    porting_usd : float, optional
        Work to bring the applications to this platform, once for the whole fleet [USD].
    residual_share : float
        What is left of the price at the end of the server's life, over the price.
    years : float, optional
        Life, where it is not the facility's `server_years` [year].
    embodied_kg : float, optional
        Greenhouse gases of making one server [kg CO₂e].

    Raises
    ------
    pydantic.ValidationError
        A value out of range, an unknown field, or terms that need each other; the message never shows a value.

    Examples
    --------
    >>> Purchase(scale_out_usd=12_000.0, support_share_per_year=0.05)
    Purchase(scale_out_usd='(private)', support_share_per_year='(private)', residual_share=0.0)
    """

    accelerator_usd: Annotated[float, Field(gt=0, le=1e9)] | None = None
    host_usd: Annotated[float, Field(gt=0, le=1e9)] | None = None
    host_memory_gib: Annotated[float, Field(gt=0, le=1e6)] | None = None
    host_memory_alike_gib: Annotated[float, Field(gt=0, le=1e6)] | None = None
    usd_per_gib: Annotated[float, Field(gt=0, le=1e4)] | None = None
    scale_up_usd: Usd | None = None
    scale_out_usd: Usd | None = None
    network_share: Annotated[float, Field(ge=0, lt=1)] | None = None
    storage_usd: Usd | None = None
    installation_usd: Usd | None = None
    licence_usd_per_accelerator_year: Usd | None = None
    support_share_per_year: Share | None = None
    porting_usd: Usd | None = None
    residual_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    years: Annotated[float, Field(ge=0.25, le=20)] | None = None
    embodied_kg: Annotated[float, Field(ge=0, le=1e6)] | None = None

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        for together in (
            ("accelerator_usd", "host_usd"),
            ("host_memory_gib", "host_memory_alike_gib", "usd_per_gib"),
        ):
            missing = [name for name in together if getattr(self, name) is None]
            if missing and len(missing) < len(together):
                given = " and ".join(name for name in together if name not in missing)
                yield (missing[0],), f"is required beside {given}"
        if self.network_share is not None:
            for name in ("scale_up_usd", "scale_out_usd"):
                if getattr(self, name) is not None:
                    yield (name,), "stands beside network_share: give one or the other"

    def price_usd(self, quoted_usd: float | None, accelerators: int) -> float | None:
        """Price of a server: quoted or itemised, with the host's memory made alike [USD].

        Parameters
        ----------
        quoted_usd : float or None
            Price of the whole server, where it is known [USD].
        accelerators : int
            In the server.

        Returns
        -------
        float or None
            ``None`` where neither is known.

        Examples
        --------
        >>> memory = dict(host_memory_gib=2048.0, host_memory_alike_gib=1024.0, usd_per_gib=10.0)
        >>> Purchase(**memory).price_usd(200_000.0, 8)
        189760.0
        """
        price = quoted_usd
        if self.accelerator_usd is not None and self.host_usd is not None:
            price = accelerators * self.accelerator_usd + self.host_usd
        if price is None or self.usd_per_gib is None:
            return price
        alike, own = self.host_memory_alike_gib, self.host_memory_gib
        assert alike is not None and own is not None  # noqa: S101, PT018 - checked together above
        price += self.usd_per_gib * (alike - own)
        if price <= 0:
            raise ValueError(
                "host_memory_gib: less the memory beyond host_memory_alike_gib the server would cost nothing; check "
                "usd_per_gib (the values are not shown)"
            )
        return price

    def network_usd(self, price_usd: float | None) -> float | None:
        """Network of one server [USD]; ``None`` where nothing is said of it.

        Parameters
        ----------
        price_usd : float or None
            Price of the server [USD].

        Examples
        --------
        >>> round(Purchase(network_share=0.19).network_usd(81_000.0))
        19000
        """
        if self.network_share is not None and price_usd is not None:
            return price_usd * self.network_share / (1 - self.network_share)
        known = [usd for usd in (self.scale_up_usd, self.scale_out_usd) if usd is not None]
        return sum(known) if known else None


class Rental(Own):
    """Terms on which accelerators are rented, with hosting and energy, and whatever carbon price their owner pays.

    Attributes
    ----------
    usd_per_h : float, optional
        Rent of one accelerator [USD/h]; without it, what the catalogue quotes.
    commitment_years : float, optional
        How long it is paid whether used or not [year]; without it the rent is on demand.
    upfront_share : float
        Part of the whole commitment that is paid at its start.
    porting_usd : float, optional
        Work to bring the applications to this platform, once for the whole fleet [USD].

    Raises
    ------
    pydantic.ValidationError
        A value out of range, an unknown field, or money up front without a commitment; no value is shown.

    Examples
    --------
    >>> Rental(usd_per_h=2.0, commitment_years=3.0, upfront_share=0.25)
    Rental(usd_per_h='(private)', commitment_years='(private)', upfront_share='(private)')
    """

    usd_per_h: Annotated[float, Field(gt=0, le=1e4)] | None = None
    commitment_years: Annotated[float, Field(gt=0, le=20)] | None = None
    upfront_share: Share = 0.0
    porting_usd: Usd | None = None

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        if self.upfront_share and self.commitment_years is None:
            yield (
                ("commitment_years",),
                "is required beside upfront_share: what is paid at the start is of a commitment",
            )
