"""Hypothesis: scenario files as they may be written, made from the types of the model, so that a new field comes by itself."""

import copy
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from mockserver.loading.tree import Path
from mockserver.scenario import Scenario, ScenarioFile, TextMatch
from mockserver.shorthand import Duration, Size, decode_shorthand
from mockserver.timing import Pause

Values = st.SearchStrategy[Any]

TRAPS = (
    "no",
    "1:30",
    "null",
    "~",
    "",
    "007",
    "1e3",
    "2024-01-01",
    "<<",
    " leading",
    "trailing ",
    "a: b",
    "a\nb\n",
    "\u2028",
    "😀",
    "*",
)
TEXTS = st.sampled_from(TRAPS) | st.text(max_size=20)
NAMES = (st.sampled_from(TRAPS) | st.text(min_size=1, max_size=8)).filter(re.compile(r"[^/?#\s]+").fullmatch)
JSON_OBJECTS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)
_DURATIONS = st.sampled_from([0, 0.02, "20ms", "1.5s", "2m", "7us"]) | st.floats(0, 1e6)
_SHORTHANDS: dict[type, Values] = {
    Duration: _DURATIONS,
    Size: st.sampled_from(["64KiB", "1 MB"]) | st.integers(1, 10**9),
    Pause: _DURATIONS
    | st.lists(_DURATIONS, min_size=1, max_size=4).map(lambda pauses: {"recorded": pauses})
    | st.floats(0, 1e6).map(lambda least: [least, least + 1])
    | st.tuples(st.sampled_from(["normal", "lognormal"]), _DURATIONS).map(lambda pair: {pair[0]: [pair[1], 0.5]})
    | _DURATIONS.map(lambda mean: {"exponential": mean}),
    TextMatch: TEXTS | st.tuples(st.sampled_from(["exact", "contains"]), TEXTS).map(lambda pair: {pair[0]: pair[1]}),
}


def _shorthands(kind: Any) -> Values:
    return _SHORTHANDS[kind] if kind in _SHORTHANDS else st.sampled_from(kind.schema.get("examples", [0]))


def _texts(info: inspect.StrType) -> Values:
    return NAMES if info.pattern else TEXTS


def _integers(info: inspect.IntType) -> Values:
    least = info.ge if info.ge is not None else -(10**20) if info.gt is None else info.gt + 1
    return st.integers(least, info.le if info.le is not None else least + 10**20)


def _floats(info: inspect.FloatType) -> Values:
    return st.floats(info.ge or info.gt or 0, info.le or 1e9, exclude_min=info.gt is not None)


_MAKERS: dict[type, Callable[[Any], Values]] = {
    inspect.AnyType: lambda _: TEXTS,
    inspect.NoneType: lambda _: st.none(),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.StrType: _texts,
    inspect.IntType: _integers,
    inspect.FloatType: _floats,
    inspect.LiteralType: lambda info: st.sampled_from(info.values),
    inspect.CustomType: lambda info: _shorthands(info.cls),
    inspect.UnionType: lambda info: st.one_of(*map(_values, info.types)),
    inspect.ListType: lambda info: st.lists(_values(info.item_type), max_size=3),
    inspect.VarTupleType: lambda info: st.lists(_values(info.item_type), max_size=3),
    inspect.DictType: lambda info: (
        JSON_OBJECTS
        if isinstance(info.value_type, inspect.AnyType)
        else st.dictionaries(TEXTS, _values(info.value_type), max_size=3)
    ),
    inspect.Metadata: lambda info: _values(info.type),
    inspect.StructType: lambda info: values_of(info.cls),
}


def _values(info: inspect.Type) -> Values:
    return _MAKERS[type(info)](info)


def values_of(kind: type[msgspec.Struct]) -> Values:
    """What a file may write for a class of the model: few fields at a time, and nothing that the class refuses."""
    return _structs(kind)


@cache
def _structs(kind: type[msgspec.Struct]) -> Values:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    fields = {field.encode_name: field for field in info.fields}
    tag = {} if info.tag_field is None else {info.tag_field: info.tag}
    required = [name for name, field in fields.items() if field.required]

    @st.composite
    def make(draw: st.DrawFn) -> Any:
        chosen = draw(st.lists(st.sampled_from(list(fields)), max_size=3, unique=True)) if fields else []
        values = tag | {name: draw(_values(fields[name].type)) for name in dict.fromkeys([*required, *chosen])}
        for name in chosen:
            if _is_right(values, kind):
                break
            if name not in required:
                del values[name]
        return values

    return st.deferred(make).filter(lambda values: _is_right(values, kind))


def _is_right(values: Any, kind: type[msgspec.Struct]) -> bool:
    try:
        msgspec.convert(values, kind, dec_hook=decode_shorthand)
    except msgspec.ValidationError:
        return False
    return True


FILE_VALUES: Values = st.fixed_dictionaries(
    {"scenarios": st.lists(values_of(Scenario), max_size=3, unique_by=lambda scenario: scenario["name"])},
    optional={"models": st.lists(TEXTS, max_size=2)},
)
"""A whole scenario file, as plain values."""

FILES: st.SearchStrategy[ScenarioFile] = FILE_VALUES.map(
    lambda values: msgspec.convert(values, ScenarioFile, dec_hook=decode_shorthand)
)


def _list_paths(value: Any, path: Path = ()) -> list[Path]:
    """Every place below the top."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, part in parts for found in ((*path, key), *_list_paths(part, (*path, key)))]


_WRONG_VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats(-1, 1) | TEXTS | st.just([]) | JSON_OBJECTS
)


@st.composite
def _damaged_file_values(draw: st.DrawFn) -> Any:
    """A right file in which up to three keys or values have been changed."""
    values = copy.deepcopy(draw(FILE_VALUES.filter(lambda values: values["scenarios"])))
    for _ in range(draw(st.integers(1, 3))):
        path: Any = draw(st.sampled_from(_list_paths(values) or [("scenarios",)]))
        holder: Any = values
        for key in path[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(["value", "key", "away", "more"])):
            case "key" if isinstance(holder, dict) and path[-1] in holder:
                holder[draw(TEXTS) + str(path[-1])] = holder.pop(path[-1])
            case "away" if len(path) > 1:
                del holder[path[-1]]
            case "more" if isinstance(holder, dict):
                holder[draw(TEXTS)] = draw(_WRONG_VALUES)
            case _ if isinstance(holder, list) or path[-1] in holder:
                holder[path[-1]] = draw(_WRONG_VALUES)
    return values


DAMAGED_FILE_VALUES = _damaged_file_values()
"""A whole scenario file with a few mistakes, as plain values; now and then a change is none."""
