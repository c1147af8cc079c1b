"""The page that is signed: a scenario decided, with figures, assumptions, sources and intervals."""

from __future__ import annotations

from tco.recommendation.decide import Mixture, Recommendation, Standing, decide
from tco.recommendation.mixed import Mixed, mixed_fleet

__all__ = ["Mixed", "Mixture", "Recommendation", "Standing", "decide", "mixed_fleet"]
