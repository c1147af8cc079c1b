"""The page that is signed: a scenario decided, with figures, assumptions, sources and intervals."""

from __future__ import annotations

from tco.recommendation.decide import Mixture, Recommendation, Standing, decide

__all__ = ["Mixture", "Recommendation", "Standing", "decide"]
