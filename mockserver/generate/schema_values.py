"""A JSON value that fits a JSON Schema: arguments for a tool, an answer for a `response_format`.

The value is made to fit (`value_maker`), and then a validator that knows nothing of how it was made has the last word. What
cannot be met is the request's fault, and is refused with the place and the reason.
"""

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mockserver.errors import RequestError
from mockserver.generate.dice import Dice
from mockserver.generate.scalars import Spot
from mockserver.generate.schemas import SchemaDocument
from mockserver.generate.shapes import Place, Schema, UnsatisfiableError
from mockserver.generate.value_maker import ValueMaker
from mockserver.request import is_deeper
from mockserver.request.wording import show

MAX_DEPTH = 64
"""Arrays and objects within each other in a schema, at most; OpenAI allows ten levels of properties, two of these each."""

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


def generate_value(
    schema: Schema,
    seed: int | str,
    *,
    param: str = "response_format",
    subject: str = "response_format",
    context: str = "",
) -> Any:
    """A value that fits the schema: the same for the same seed, as a rule another one for another seed.

    Understood is JSON Schema 2020-12, OpenAI's subset for structured outputs in full, and older drafts where `$schema` says
    so; `format` is held to. `context` is what the user said: what it mentions is taken where the schema leaves a choice.

    Raises `RequestError` (400, `invalid_json_schema`, with `param`) for what is no schema, and for a schema that no value
    was found for; `subject` names it in the sentence, such as `function 'get_weather'`.
    """
    # Imported here, as all that comes with jsonschema: it takes longer than all the rest of a start.
    from referencing.exceptions import Unresolvable

    try:
        root, validator = _read_schema(json.dumps(schema))
        value = ValueMaker(root, validator).value((root,), Spot(Dice(seed), context=context))
        error = next(validator.iter_errors(value), None)
        if error is not None:
            place = tuple(map(str, error.absolute_schema_path))
            raise UnsatisfiableError(place[:-1], place[-1], f"no value was found that fits '{place[-1]}'")
    except UnsatisfiableError as error:
        raise _refusal(param, subject, error.place, error.reason) from error
    except RecursionError as error:
        raise _refusal(param, subject, (), "it is nested or refers to itself too deeply") from error
    except (ArithmeticError, LookupError, TypeError, ValueError, re.error, Unresolvable) as error:
        raise _refusal(param, subject, (), f"it cannot be worked with ({error})") from error
    return value


def _refusal(param: str, subject: str, place: Place, reason: str) -> RequestError:
    return RequestError(
        f"Invalid schema for {subject}: In context={show(repr(place))}, {show(reason)}.",
        param=param,
        code="invalid_json_schema",
    )


@lru_cache(maxsize=64)
def _read_schema(written: str) -> tuple[Schema, "Validator"]:
    """A schema and its validator; it is checked once. Raises `UnsatisfiableError` for what is no schema."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    schema: Schema = json.loads(written)
    if isinstance(schema, dict) and is_deeper(schema, MAX_DEPTH):
        raise UnsatisfiableError((), "", f"it is nested deeper than {MAX_DEPTH} levels")
    dialect = schema.get("$schema") if isinstance(schema, dict) else None
    kind: Any = validator_for({"$schema": dialect} if isinstance(dialect, str) else {}, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        place = tuple(map(str, error.absolute_path))
        raise UnsatisfiableError(place, "", f"this is no JSON Schema: {error.message}") from None
    SchemaDocument(schema).check()
    # A registry of our own: the usual one would fetch what a reference points to, and nothing here reaches the network.
    return schema, kind(schema, format_checker=kind.FORMAT_CHECKER, registry=Registry())
