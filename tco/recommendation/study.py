"""All that a page is written from: the decision, and what is asked of it beyond."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tco.recommendation.caps import Cap, power_caps
from tco.recommendation.decision import Recommendation
from tco.recommendation.levels import Level, flips_in_year, levels
from tco.recommendation.mixed import Mixed, mixed_fleet
from tco.recommendation.terms import OwnOrRent, own_or_rent
from tco.recommendation.worth import worth_knowing
from tco.risk import Tornado

_PHYSICAL = ("pue", "load", "idle_share", "grid_gco2_per_kwh", "wue_l_per_kwh", "grid_l_per_kwh", "embodied_kg")


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """What a page says beside the recommendation itself.

    Attributes
    ----------
    reveal : bool
        Show private numbers and dollars.
    version : str
        Of the library.
    digest : str
        SHA-256 of the scenario file, or empty.
    note : str
        Why throughputs are upper bounds, where they are: a clause.
    """

    reveal: bool = False
    version: str = ""
    digest: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False)
class Study:
    """A recommendation with what follows from it, each worked out when it is asked for.

    Attributes
    ----------
    found : Recommendation
        What the scenario comes to.
    what : Particulars
        What else the page says.
    """

    found: Recommendation
    what: Particulars = Particulars()

    @cached_property
    def mixed(self) -> Mixed:
        """The cheapest fleet of several machines."""
        return mixed_fleet(self.found)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """Where the answer turns, by input."""
        return levels(self.found)

    @cached_property
    def flips_in_year(self) -> int | None:
        """Year in which growth turns the answer."""
        return flips_in_year(self.found)

    @cached_property
    def bars(self) -> Tornado | None:
        """What each input alone does to the answer."""
        return self.found.tornado()

    @cached_property
    def worth(self) -> dict[str, float]:
        """What knowing each input before deciding is worth, as a share of the cost."""
        return worth_knowing(self.found)

    @cached_property
    def own_or_rent(self) -> tuple[OwnOrRent, ...]:
        """Owning against renting, of accelerators that can be had on both terms."""
        return own_or_rent(self.found)

    @cached_property
    def caps(self) -> tuple[Cap, ...]:
        """Power caps, by candidate."""
        return power_caps(self.found)

    @property
    def shows_dollars(self) -> bool:
        """Whether dollars may be shown: where they are asked for, or none is private."""
        return self.what.reveal or not any(one.plan.private for one in self.found.planned.values())

    def digits(self, revealed: int = 4) -> int:
        """How many digits a figure by token has: where traffic is private, so few that they do not give it away.

        Parameters
        ----------
        revealed : int
            Where all may be shown.
        """
        return revealed if self.what.reveal else 2

    @property
    def shows_watts(self) -> bool:
        """Whether power and what follows from it may be shown: asked for, or resting on nothing private."""
        resting = (
            item.private and (item.name.startswith("server power of ") or item.name.partition(" of ")[0] in _PHYSICAL)
            for one in self.found.planned.values()
            for item in one.plan.assumptions
        )
        return self.what.reveal or not any(resting)

    def shows_rate(self, candidate: str, application: str | None = None) -> bool:
        """Whether a throughput may be shown: one that is modelled, or revealed.

        Parameters
        ----------
        candidate : str
            Its name.
        application : str, optional
            Of one application; of all together if not given.
        """
        kinds = self.found.planned[candidate].kinds
        asked = kinds.values() if application is None else (kinds[application],)
        return self.what.reveal or "measured" not in asked
