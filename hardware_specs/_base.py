"""What every specification shares: frozen, strict, checked, and each value with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import wraps
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler  # in `pydantic` itself only from 2.8
from pydantic_core import PydanticCustomError

from hardware_specs.errors import UnknownNameError, UnknownValueError, did_you_mean

if TYPE_CHECKING:
    from pydantic_core import InitErrorDetails

Positive = Annotated[float, Field(gt=0)]
"""A finite number above zero."""

Count = Annotated[int, Field(gt=0)]
"""A whole number of one or more."""

Text = Annotated[str, Field(min_length=1)]
"""A text that is not empty."""

Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[.-][a-z0-9]+)*$")]
"""A catalogue key: lower case, digits, single hyphens or points."""

MONEY_FIELDS = frozenset({"price", "price_usd", "prices", "rents"})
"""Fields whose values carry a source of their own."""

PRIVATE_FIELDS = MONEY_FIELDS | {"power_w"}
"""Fields whose values no error message repeats."""

_FEW = 30
"""Fields that a message lists."""

IDENTITY_FIELDS = frozenset({"key", "name", "vendor", "aliases", "standard", "sources", "notes"})
"""Fields that name a machine and so carry no source."""


class Texts(Mapping[str, str]):
    """An immutable, hashable mapping of texts, in the order of its keys.

    Examples
    --------
    >>> texts = Texts({"tdp_w": "datasheet", "default": "white paper"})
    >>> texts["tdp_w"], list(texts)
    ('datasheet', ['default', 'tdp_w'])
    >>> texts == {"default": "white paper", "tdp_w": "datasheet"}
    True
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "_items", tuple(sorted((items or {}).items())))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __getitem__(self, key: str) -> str:
        for known, text in self._items:
            if known == key:
                return str(text)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[type[Texts], tuple[dict[str, str]]]:
        return type(self), (dict(self),)

    _items: tuple[tuple[str, str], ...]


def _texts(value: object) -> Texts:
    if not isinstance(value, Mapping):
        raise PydanticCustomError("texts_type", "should be a table of texts")
    for key, text in value.items():
        if not (isinstance(key, str) and isinstance(text, str) and key and text.strip()):
            raise PydanticCustomError("texts_type", "should be a table of texts: {key} is none", {"key": repr(key)})
    return value if isinstance(value, Texts) else Texts(value)


def _as_dict(texts: Mapping[str, str]) -> dict[str, str]:
    return dict(texts)


FrozenTexts = Annotated[Mapping[str, str], PlainValidator(_texts), PlainSerializer(_as_dict)]
"""Field type of `sources` and `notes`: any mapping of texts goes in, an immutable one comes out."""


def plain(value: Any) -> Any:
    """Return `value` with lists made tuples and NumPy scalars made Python numbers, so that strict checks apply to it.

    Examples
    --------
    >>> plain([1, [2.0]])
    (1, (2.0,))
    """
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # a NumPy scalar or 0-d array of any library
        return value.item()
    return value


def problem(message: str) -> PydanticCustomError:
    """Return an error with a text of our own, which `Spec` passes on unchanged."""
    return PydanticCustomError("spec", "{message}", {"message": message})


class Spec(BaseModel):
    """A frozen, strict specification: unknown fields, wrong types, NaN and infinities are errors.

    Lists become tuples and NumPy scalars Python numbers; nothing else is converted. Instances are hashable, can be
    pickled, and ``type(spec).model_validate_json(spec.model_dump_json()) == spec``.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        defer_build=True,
        revalidate_instances="always",
        hide_input_in_errors=True,  # the messages below carry the value, where it may be shown
    )

    hides_values: ClassVar[bool] = False
    """Whether error messages on this class leave out the offending value."""

    shorthands: ClassVar[tuple[str, ...]] = ()
    """Names accepted beside the fields, which `_prepare` makes into fields."""

    if not TYPE_CHECKING:  # who checks types shall see the fields

        @wraps(BaseModel.__init__)
        def __init__(self, *arguments: Any, **fields: Any) -> None:
            if arguments:
                names = [*type(self).model_fields, "..."][: len(arguments)]
                wanted = ", ".join(f"{name}=..." for name in names)
                raise TypeError(f"{type(self).__name__} takes its fields by name: give {wanted}")
            super().__init__(**fields)

    @model_validator(mode="wrap")
    @classmethod
    def _validate_and_explain(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Validate, and let each error say the field, what is accepted, and the value unless it is private."""
        if isinstance(data, Mapping):
            data = cls._prepare({name: plain(value) for name, value in data.items()})
        try:
            spec = handler(data)
        except ValidationError as error:
            details = [cls._explain(dict(line)) for line in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, details, hide_input=True) from None
        problems = list(spec._problems())
        if problems:
            details = [{"type": problem(message), "loc": loc, "input": None} for loc, message in problems]
            raise ValidationError.from_exception_data(cls.__name__, details, hide_input=True)
        return spec

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Return the fields to validate, made from those given (for subclasses that accept a shorthand)."""
        return data

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield (field path, message) for what is wrong between fields."""
        yield from ()

    @classmethod
    def _explain(cls, line: dict[str, Any]) -> InitErrorDetails:
        loc: tuple[str | int, ...] = line["loc"]
        kind, message, value = line["type"], line["msg"], line["input"]
        if kind == "spec":  # already explained by an inner specification
            short = next((one for one in cls.shorthands if one.startswith(f"{loc[0]}_") and len(loc) == 1), "")
            if short and message.startswith("should be a valid dictionary"):
                message = f"is a record with its source: give {short}=... for a number"
            return {"type": problem(message), "loc": loc, "input": None}
        if kind == "extra_forbidden":
            names = (*cls.model_fields, *cls.shorthands)
            listed = f"; there are {', '.join(names)}" if len(names) <= _FEW else ""
            message = "unknown field" + (did_you_mean(str(loc[-1]), names) or listed)
        elif kind == "missing":
            message = "is required"
        else:
            message = message.removeprefix("Input ")
            if not (cls.hides_values or PRIVATE_FIELDS.intersection(map(str, loc))):
                shown = repr(value)
                message += f", not {shown if len(shown) <= 60 else shown[:57] + '...'}"
        return {"type": problem(message), "loc": loc, "input": None}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what ``repr`` shows: the fields that are not at their default."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if field.is_required() or value != field.get_default(call_default_factory=True):
                yield name, value

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, every field validated again.

        Parameters
        ----------
        **changes
            New values by field name.

        Returns
        -------
        Spec
            Of the same class.

        Raises
        ------
        ValueError
            For a field that does not exist (with close matches).
        pydantic.ValidationError
            For a value that is not accepted; it is a ``ValueError`` too.

        Examples
        --------
        >>> from hardware_specs import Link
        >>> Link(kind="NVLink4", one_way_gb_s=450.0).replace(domain=8).domain
        8
        """
        for name in changes:
            if name not in type(self).model_fields:
                hint = did_you_mean(name, (*type(self).model_fields, *self.shorthands))
                raise ValueError(f"{type(self).__name__}: {name}: unknown field{hint}")
        known = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).model_validate(known | changes)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; unlike pydantic's own method this one validates `update` (see `replace`)."""
        return self.replace(**update) if update else super().model_copy(deep=deep)


def _model_of(annotation: Any) -> type[Spec] | None:
    """Return the specification class inside an annotation such as ``Link | None``, if there is one."""
    if get_origin(annotation) in (Union, UnionType, Annotated):
        found = (_model_of(part) for part in get_args(annotation))
        return next((model for model in found if model is not None), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, Spec) else None


def field_paths(model: type[Spec]) -> list[str]:
    """Return the dotted paths of a specification's fields, nested ones after the field that holds them.

    Examples
    --------
    >>> from hardware_specs import Accelerator
    >>> [path for path in field_paths(Accelerator) if path.startswith("scale_up")]
    ['scale_up', 'scale_up.kind', 'scale_up.one_way_gb_s', 'scale_up.domain', 'scale_up.topology',
     'scale_up.latency_us', 'scale_up.overlaps_compute']
    """
    paths = []
    for name, field in model.model_fields.items():
        paths.append(name)
        inner = _model_of(field.annotation)
        if inner is not None:
            paths += [f"{name}.{path}" for path in field_paths(inner)]
    return paths


def leaves(spec: Spec, prefix: str = "") -> dict[str, Any]:
    """Return the known values of a specification by dotted path; absent ones are left out.

    Examples
    --------
    >>> from hardware_specs import Link
    >>> leaves(Link(kind="NVLink4", one_way_gb_s=450.0))
    {'kind': 'NVLink4', 'one_way_gb_s': 450.0}
    """
    found: dict[str, Any] = {}
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, Spec):
            found |= leaves(value, f"{prefix}{name}.")
        elif value is not None and value != ():
            found[prefix + name] = value
    return found


class SourcedSpec(Spec):
    """A catalogue entry: a specification whose values carry a source and, where sources disagree, a reason."""

    key: Key
    name: Text
    aliases: tuple[Key, ...] = ()
    sources: FrozenTexts = Texts()
    notes: FrozenTexts = Texts()

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        known = field_paths(type(self))
        for table, also in (("sources", ["default"]), ("notes", [])):
            for path in getattr(self, table):
                if path not in known and path not in also:
                    yield (table, path), "unknown field" + did_you_mean(path, known + also)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what ``repr`` shows: all but `sources` and `notes`."""
        return ((name, value) for name, value in super().__repr_args__() if name not in ("sources", "notes"))

    def _value(self, field: str) -> Any:
        """Return the value at a dotted path, ``None`` where it is absent."""
        if field not in field_paths(type(self)):
            hint = did_you_mean(field, field_paths(type(self)))
            raise UnknownNameError(f"{type(self).__name__} has no field {field!r}{hint}")
        value: Any = self
        for part in field.split("."):
            value = getattr(value, part) if value is not None else None
        return None if value == () else value

    def require(self, field: str) -> Any:
        """Return the value of a field that may be absent.

        Parameters
        ----------
        field : str
            Dotted path, such as ``"on_chip.bandwidth_tb_s"``.

        Returns
        -------
        object
            The value, in the field's own unit.

        Raises
        ------
        UnknownValueError
            Where no source gives it.
        UnknownNameError
            Where there is no such field.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> hs.get("h100-sxm").require("tdp_w")
        700.0
        >>> hs.get("gaudi-2").require("idle_w")
        Traceback (most recent call last):
        ...
        hardware_specs.errors.UnknownValueError: gaudi-2: idle_w is not known; replace(idle_w=...) adds a figure of ...
        """
        value = self._value(field)
        if value is None:
            note = self.note(field)
            reason = f" ({note})" if note else ""
            name, _, inner = field.partition(".")
            how = f"replace({name}=...)" if not inner else f"a replaced {name}"
            raise UnknownValueError(f"{self.key}: {field} is not known{reason}; {how} adds a figure of your own")
        return value

    def source(self, field: str) -> str:
        """Return where the value of a field comes from.

        The field's own source, else that of the field that holds it, else the entry's default, else ``"user"``.

        Parameters
        ----------
        field : str
            Dotted path, such as ``"peak_tflops.fp8"``.

        Returns
        -------
        str

        Raises
        ------
        UnknownValueError
            Where the value is absent: it has no source.
        UnknownNameError
            Where there is no such field.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> hs.get("h100-sxm").source("peak_tflops.fp8")
        'Kim et al., arXiv:2502.01070, Table VII'
        >>> hs.get("h100-sxm").replace(tdp_w=500).source("tdp_w")
        'user'
        """
        self.require(field)
        path = field
        while path:
            if path in self.sources:
                return self.sources[path]
            value = self._value(path)
            own = [item.source for item in (value if isinstance(value, tuple) else (value,)) if hasattr(item, "source")]
            if own:  # prices carry theirs
                return "; ".join(dict.fromkeys(map(str, own)))
            path = path.rpartition(".")[0]
        return self.sources.get("default", "user")

    def note(self, field: str) -> str | None:
        """Return why this value was chosen, where sources disagree or it needs care; else ``None``.

        Parameters
        ----------
        field : str
            Dotted path; a note on the field that holds it counts as well.

        Returns
        -------
        str or None

        Examples
        --------
        >>> import hardware_specs as hs
        >>> print(hs.get("h100-sxm").note("peak_tflops.fp8"))
        Kim Table V divides by 1989.9; the percentages of Table VII are of 1978.9
        """
        path = field
        while path:
            if path in self.notes:
                return self.notes[path]
            path = path.rpartition(".")[0]
        return None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, every field validated again.

        A value that changes takes ``"user"`` as its source and loses its note, unless `sources` or `notes` are given
        with it.

        Parameters
        ----------
        **changes
            New values by field name.

        Returns
        -------
        SourcedSpec
            Of the same class.

        Raises
        ------
        ValueError
            For an unknown field (with close matches) or a value that is not accepted.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> capped = hs.get("h200-sxm").replace(tdp_w=400)
        >>> capped.tdp_w, capped.source("tdp_w")
        (400.0, 'user')
        """
        new = super().replace(**changes)
        before, after = leaves(self), leaves(new)
        changed = {
            path
            for path in before.keys() | after.keys()
            if before.get(path) != after.get(path) and path.partition(".")[0] not in IDENTITY_FIELDS
        }
        texts: dict[str, dict[str, str]] = {}
        if "sources" not in changes:
            kept = {path: text for path, text in new.sources.items() if path not in changed}
            added = {path: "user" for path in changed & after.keys() if path.partition(".")[0] not in MONEY_FIELDS}
            texts["sources"] = kept | added
        if "notes" not in changes:
            texts["notes"] = {path: text for path, text in new.notes.items() if path not in changed}
        return super(SourcedSpec, new).replace(**texts) if changed and texts else new
