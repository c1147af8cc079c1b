"""What can go wrong when a machine is looked up, described or asked for a figure."""

from __future__ import annotations

from collections.abc import Iterable


class UnknownNameError(KeyError):
    """A name that is not in the catalogue.

    ``str()`` gives the sentence itself, with close matches (a plain ``KeyError`` would print it quoted).

    Examples
    --------
    >>> str(UnknownNameError("unknown accelerator 'h10'"))
    "unknown accelerator 'h10'"
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownValueError(ValueError):
    """A figure that no source gives for this machine: unknown is neither zero nor skipped.

    Examples
    --------
    >>> raise UnknownValueError("CS-3: idle_w is not known")
    Traceback (most recent call last):
    ...
    hardware_specs.errors.UnknownValueError: CS-3: idle_w is not known
    """


class UnsupportedFormatError(ValueError):
    """A number format that the machine does not compute in.

    Examples
    --------
    >>> issubclass(UnsupportedFormatError, ValueError)
    True
    """


class CatalogError(ValueError):
    """A catalogue file that cannot be used; the message names file, entry, field and what is accepted.

    Examples
    --------
    >>> issubclass(CatalogError, ValueError)
    True
    """


def close_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` of the `known` names that resemble `name`, closest first.

    Examples
    --------
    >>> close_names("bandwith_tb_s", ["bandwidth_tb_s", "capacity_gib"])
    ['bandwidth_tb_s']
    """
    import difflib  # here, so that importing the package stays cheap

    return difflib.get_close_matches(name, list(dict.fromkeys(known)), n=count, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean a, b?"``, or nothing when no known name resembles `name`.

    Examples
    --------
    >>> did_you_mean("tdp", ["tdp_w", "year"])
    '; did you mean tdp_w?'
    >>> did_you_mean("zzz", ["tdp_w"])
    ''
    """
    close = close_names(name, known)
    return f"; did you mean {', '.join(close)}?" if close else ""
