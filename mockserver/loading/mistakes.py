"""Every mistake in a scenario file: looked for only once the file has failed to load.

`msgspec` judges whether a file is right and stops at the first mistake; here jsonschema goes through the whole tree, by the
schema that the scenario model itself yields, with two keywords more: `shorthand` asks the type what it can read, `struct`
asks the class what it demands across its fields. How a mistake is said is in `remedies.py`.
"""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from mockserver.errors import Problem
from mockserver.loading.remedies import SAY, find_near, say_as_it_is
from mockserver.loading.tree import Node, Path, write_place
from mockserver.scenario import ScenarioFile
from mockserver.shorthand import JsonSchema, decode_shorthand

_LONGEST_MESSAGE = 300
_extend: Any = extend  # has no types


def find_mistakes(
    root: Node, file: str | None = None, hidden: int = 0, kind: type[msgspec.Struct] = ScenarioFile
) -> Iterator[Problem]:
    """Every mistake in a tree that is to be a `kind`.

    `hidden` counts the keys at the beginning of each place that the user did not write.
    """
    for error in _validator(kind).iter_errors(root.value):
        path: Path = tuple(error.absolute_path)
        line, node = root.locate(path)
        message, remedy = SAY.get(str(error.validator), say_as_it_is)(error, node)
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]} …"
        yield Problem(message, write_place(path[hidden:]), file, line, remedy)


@cache
def _schema(kind: type[msgspec.Struct]) -> JsonSchema:
    schema = msgspec.json.schema(kind, schema_hook=lambda shorthand: {"shorthand": shorthand})
    definitions = schema["$defs"]
    for name, struct in _find_structs(kind).items():
        definitions[name]["struct"] = struct
    for definition in definitions.values():
        definition["deeper"] = {  # each key that is known one level down, and where
            key: name
            for name, part in definition["properties"].items()
            for option in part.get("anyOf", (part,))
            for key in _resolve(option, definitions).get("properties", ())
        }
    return schema


def _find_structs(kind: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """The classes behind the schema's definitions, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting: list[Any] = [msgspec.inspect.type_info(kind)]
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls.__name__ in found:
                continue
            found[info.cls.__name__] = info.cls
        for name in info.__struct_fields__:
            value = getattr(info, name)
            parts = value if isinstance(value, tuple) else (value,)
            waiting += (part for part in parts if isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field))
    return found


def _resolve(schema: JsonSchema, definitions: Mapping[str, JsonSchema]) -> JsonSchema:
    return definitions[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema


def _check_shorthand(_: Any, kind: Any, value: Any, __: JsonSchema) -> Iterator[ValidationError]:
    try:
        kind.decode(value)
    except (ValueError, TypeError) as error:
        yield ValidationError(str(error))


def _check_struct(_: Any, kind: type[msgspec.Struct], value: Any, __: JsonSchema) -> Iterator[ValidationError]:
    """What a class demands across its fields. Parts that are wrong by themselves have their own messages."""
    if not isinstance(value, dict):
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values = copy.deepcopy({name: part for name, part in value.items() if name in fields})
    while all(name in values for name, field in fields.items() if field.required):
        try:
            msgspec.convert(values, kind, dec_hook=decode_shorthand)
            return
        except msgspec.ValidationError as error:
            if not _prune(values, str(error)):
                yield ValidationError(str(error))
                return


_PATH = re.compile(r" - at `(?:key in )?\$([^`]*)`$")


def _prune(whole: Any, message: str) -> bool:
    """Empty the part that msgspec's message is about, or take it out; False if that is the whole."""
    at = _PATH.search(message)
    if at is None:
        return False
    holder, name, part = whole, "", whole
    for key, index in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", at[1]):
        if index == "...":  # some key of a mapping
            break
        if index:  # those before it are right
            del part[int(index) :]
            return True
        holder, name, part = part, key, part[key]
    del holder[name]
    if part and isinstance(part, dict | list):  # that it is there may count
        holder[name] = type(part)()
    return True


def _check_required(_: Any, names: Iterable[str], value: Any, schema: JsonSchema) -> Iterator[ValidationError]:
    if not isinstance(value, dict):
        return
    known = schema["properties"]
    misspelt = {find_near(key, known) for key in value if key not in known}
    for name in names:
        if name not in value and name not in misspelt:
            yield ValidationError(name)


def _check_unknown(validator: Any, extra: Any, value: Any, schema: JsonSchema) -> Iterator[ValidationError]:
    if not isinstance(value, dict):
        return
    for key, part in value.items():
        if key not in schema.get("properties", ()):
            if extra is False:
                yield ValidationError(key, path=(key,))
            else:
                yield from validator.descend(part, extra, path=key)


def _check_any_of(
    validator: Any, options: Iterable[JsonSchema], value: Any, schema: JsonSchema
) -> Iterator[ValidationError]:
    """Only what the fitting alternative finds: that the others do not fit goes without saying."""
    if "discriminator" in schema and isinstance(value, dict):
        yield from _check_tagged(validator, schema["discriminator"], value)
        return
    fitting = next((option for option in options if _fits(validator, option, value)), None)
    if fitting is not None:
        yield from validator.descend(value, fitting)
    else:
        kinds = dict.fromkeys(kind for option in options for kind in _kinds(option) if kind != "null")
        yield ValidationError("", validator="type", validator_value=list(kinds))


def _check_tagged(validator: Any, discriminator: Mapping[str, Any], value: dict[str, Any]) -> Iterator[ValidationError]:
    name, references = discriminator["propertyName"], discriminator["mapping"]
    tag = value.get(name)
    if name not in value:
        yield ValidationError(name, validator="required")
    elif isinstance(tag, str) and tag in references:
        yield from validator.descend(value, {"$ref": references[tag]})
    else:
        yield ValidationError("", validator="enum", validator_value=list(references), instance=tag, path=(name,))


def _fits(validator: Any, option: JsonSchema, value: Any) -> bool:
    """Whether an alternative is about such values at all."""
    if "anyOf" in option:
        return any(_fits(validator, part, value) for part in option["anyOf"])
    if "shorthand" in option:
        return value is not None  # what else it can read, the type itself says best
    return isinstance(value, str) if "enum" in option else validator.is_type(value, _kinds(option)[0])


def _kinds(option: JsonSchema) -> list[str]:
    """What an alternative is about: types of JSON Schema, or the words of an enumeration."""
    if "anyOf" in option:
        return [kind for part in option["anyOf"] for kind in _kinds(part)]
    if "enum" in option:
        return [repr(word) for word in option["enum"]]
    return ["object" if "$ref" in option else option["type"]]


@cache
def _validator(kind: type[msgspec.Struct]) -> Any:
    base: Any = Draft202012Validator
    keywords = {
        "shorthand": _check_shorthand,
        "struct": _check_struct,
        "required": _check_required,
        "additionalProperties": _check_unknown,
        "anyOf": _check_any_of,
    }
    # 2.0 is a whole number to JSON Schema, but not to msgspec
    checker = base.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return _extend(base, keywords, type_checker=checker)(_schema(kind))
