"""The page that is signed: a scenario decided, with figures, assumptions, sources and intervals."""

from __future__ import annotations

from tco.recommendation.calibrations import choose_all
from tco.recommendation.decision import Mixture, Recommendation, Standing, decide
from tco.recommendation.mixed import Mixed, mixed_fleet
from tco.recommendation.page import compose
from tco.recommendation.render import html, markdown
from tco.recommendation.study import Particulars, Study

__all__ = [
    "Mixed",
    "Mixture",
    "Particulars",
    "Recommendation",
    "Standing",
    "Study",
    "choose_all",
    "compose",
    "decide",
    "html",
    "markdown",
    "mixed_fleet",
]
