"""A mistake in a scenario file, in words: what was expected, what came, what to do.

One function a keyword of the schema, in the table `SAY`; `mistakes.py` finds the mistakes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from mockserver.loading.tree import NUMBER, Node

Said: TypeAlias = tuple[str, str | None]
"""What is wrong, and the remedy."""
Say: TypeAlias = Callable[[Any, Node], Said]
"""Takes jsonschema's `ValidationError` and the node it is about."""

_A = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_MEANT = {**dict.fromkeys(("yes", "on", "y", "true"), "true"), **dict.fromkeys(("no", "off", "n", "false"), "false")}
_LONGEST_WORD = 60
_LONGEST_LIST = 400


def _describe(value: Any, raw: str | None) -> str:
    """A value as a message names it."""
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_WORD else f"{value[:_LONGEST_WORD]}…")
    if isinstance(value, dict | list):
        return _A["object" if isinstance(value, dict) else "array"]
    written = str(value).lower() if raw is None else raw
    return "nothing" if value is None else written if isinstance(value, bool) else f"the number {written}"


def find_near(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    spelt = {name.lower(): name for name in known}
    found = get_close_matches(word[:_LONGEST_WORD].lower(), spelt, n=1)
    return spelt[found[0]] if found else None


def _ask(word: str | None) -> str | None:
    return None if word is None else f"did you mean {word!r}?"


def _say_type(error: Any, node: Node) -> Said:
    kinds = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
    value, remedy = error.instance, None
    if "string" in kinds:
        remedy = _quote(node) or ('write "" for an empty text' if value is None else None)
    elif kinds == ["array"]:
        remedy = "a list is written [a, b], or one item a line after a dash"
    elif isinstance(value, str):
        if "boolean" in kinds and value.lower() in _MEANT:
            remedy = f"write {_MEANT[value.lower()]}"
        elif NUMBER.fullmatch(value):
            remedy = "leave out the quotes"
    return f"expected {' or '.join(_A.get(kind, kind) for kind in kinds)}, got {_describe(value, node.raw)}", remedy


def _quote(node: Node) -> str | None:
    """The remedy for a text that was read as a number or boolean."""
    return f'quote it: "{node.raw}"' if isinstance(node.value, int | float) else None


def _say_enum(error: Any, node: Node) -> Said:
    known = [str(word) for word in error.validator_value]
    remedy = _ask(find_near(error.instance, known)) if isinstance(error.instance, str) else None
    listed = ", ".join(known)
    if len(listed) > _LONGEST_LIST:
        listed, remedy = f"{len(known)} names", remedy or "`mockserver list` shows them all"
    return f"expected one of {listed}, got {_describe(error.instance, node.raw)}", remedy


def _say_unknown(error: Any, _: Node) -> Said:
    key, known = error.message, error.schema.get("properties", {})
    if holder := error.schema.get("deeper", {}).get(key):
        remedy = f"did you mean {key!r} under {holder!r}?"
    elif ":" in key:
        remedy = "put a blank after the colon"
    else:
        remedy = _ask(find_near(key, known)) or f"known here: {', '.join(known)}"
    return f"unknown key {_describe(key, None)}", remedy


def _say_shorthand(error: Any, node: Node) -> Said:
    words = set(_words(error.validator_value.schema))
    parts = [node, *(part for _, part in node.entries.values())]
    given = [
        *([node.value] if isinstance(node.value, str) else ()),
        *(key for key in node.entries if isinstance(key, str)),
    ]
    meant = next((near for word in given if word not in words and (near := find_near(word, words))), None)
    takes_text = {"type": "string"} in error.validator_value.schema.get("anyOf", ())
    return error.message, _ask(meant) or next((said for part in parts if takes_text and (said := _quote(part))), None)


def _words(schema: Any) -> Iterator[str]:
    """The keys and the words that a schema knows, however deep."""
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        yield from (word for word in schema.get("enum", ()) if isinstance(word, str))
        for part in schema.values():
            yield from _words(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _words(part)


def _say_length(error: Any, node: Node) -> Said:
    if error.validator_value == 1:
        return "expected a text that is not empty", error.schema.get("description")
    return say_as_it_is(error, node)


def say_as_it_is(error: Any, _: Node) -> Said:
    return error.message, None


def _say_bound(words: str) -> Say:
    return lambda error, node: (
        f"expected {words} {error.validator_value}, got {_describe(error.instance, node.raw)}",
        error.schema.get("description") if isinstance(error.instance, str) else None,
    )


SAY: Mapping[str, Say] = {
    "type": _say_type,
    "enum": _say_enum,
    "required": lambda error, _: (f"missing key {error.message!r}", None),
    "additionalProperties": _say_unknown,
    "shorthand": _say_shorthand,
    "minLength": _say_length,
    "pattern": _say_bound("a text that matches"),
    "minimum": _say_bound("at least"),
    "maximum": _say_bound("at most"),
    "exclusiveMinimum": _say_bound("more than"),
    "exclusiveMaximum": _say_bound("less than"),
}
