"""The page that is signed: a scenario decided, with figures, assumptions, sources and intervals.

One call does all that the command ``tco recommend`` does::

    found = tco.recommendation.write("scenario.toml", "to-sign", reveal=True)
    found.best, found.decided, found.probabilities

The steps behind it: :func:`choose_all`, :func:`decide`, :func:`compose` of a :class:`Study`, and :func:`html` or
:func:`markdown` of that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tco.recommendation.calibrations import choose_all
    from tco.recommendation.decision import Recommendation, decide
    from tco.recommendation.files import write
    from tco.recommendation.mixed import Mixed, mixed_fleet
    from tco.recommendation.page import compose
    from tco.recommendation.render import html, markdown
    from tco.recommendation.standing import Mixture, Standing
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
    "write",
]

# What is not asked for is not loaded.
_HOME = {
    "Mixed": "mixed",
    "Mixture": "standing",
    "Particulars": "study",
    "Recommendation": "decision",
    "Standing": "standing",
    "Study": "study",
    "choose_all": "calibrations",
    "compose": "page",
    "decide": "decision",
    "html": "render",
    "markdown": "render",
    "mixed_fleet": "mixed",
    "write": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tco.recommendation' has no attribute {name!r}")
    value = getattr(import_module(f"tco.recommendation.{_HOME[name]}"), name)
    globals()[name] = value  # found at once from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
