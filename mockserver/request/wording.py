"""How the real API words a wrong request: the sentences that more than one rule needs, with their `param` and `code`.

OpenAI documents the error object, not the sentences. These are the ones that its chat-completions endpoint answered
with, as its users recorded them in public. Two generations of checks speak there: the newer writes the place as
`messages[0].content` and gives a code; the older writes `messages.[0].content` and gives none.

Each function returns the `RequestError` for the caller to raise.
"""

from collections.abc import Sequence
from typing import Any, Literal

from mockserver.errors import RequestError

SHOWN_CHARS = 200
"""A value from the request is repeated in a sentence up to this length, so that a huge one makes no huge answer."""

_TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def list_values(values: Sequence[str], conjunction: Literal["and", "or"]) -> str:
    """The values in quotes, as the real API lists them: `'a' and 'b'`, but `'a', 'b', and 'c'`."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return f" {conjunction} ".join(quoted)
    return f"{', '.join(quoted[:-1])}, {conjunction} {quoted[-1]}"


def not_json() -> RequestError:
    """The body is no JSON object, or no JSON at all."""
    return RequestError(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
        "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble "
        "figuring out how to fix this, please contact us through our help center at help.openai.com.)"
    )


def no_model() -> RequestError:
    """`model` is not there: the one missing parameter that has a sentence of its own, without `param`."""
    return RequestError("you must provide a model parameter")


def missing(param: str) -> RequestError:
    """A required parameter is not there."""
    return RequestError(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def invalid_type(param: str, expected: str, value: Any) -> RequestError:
    """A value of the wrong JSON type; `expected` is a phrase such as `a boolean`."""
    came = _TYPE_NAMES[type(value)]
    return RequestError(
        f"Invalid type for '{param}': expected {expected}, but got {came} instead.", param=param, code="invalid_type"
    )


def invalid_value(param: str, value: str, supported: Sequence[str]) -> RequestError:
    """A string outside a closed set."""
    return RequestError(
        f"Invalid value: '{show(value)}'. Supported values are: {list_values(supported, 'and')}.",
        param=param,
        code="invalid_value",
    )


def unsupported_value(param: str, value: Any, supported: Sequence[str]) -> RequestError:
    """A value that the model does not take; the value is written as Python writes it."""
    return RequestError(
        f"Unsupported value: '{param}' does not support {show(repr(value))} with this model. "
        f"Supported values are: {list_values(supported, 'and')}.",
        param=param,
        code="unsupported_value",
    )


def below(param: str, kind: Literal["integer", "decimal"], value: float, minimum: float) -> RequestError:
    """A number under its range; `kind` is what the parameter takes, not what came."""
    return RequestError(
        f"Invalid '{param}': {kind} below minimum value. "
        f"Expected a value >= {minimum}, but got {show(str(value))} instead.",
        param=param,
        code=f"{kind}_below_min_value",
    )


def above(param: str, kind: Literal["integer", "decimal"], value: float, maximum: float) -> RequestError:
    """A number over its range; `kind` is what the parameter takes, not what came."""
    return RequestError(
        f"Invalid '{param}': {kind} above maximum value. "
        f"Expected a value <= {maximum}, but got {show(str(value))} instead.",
        param=param,
        code=f"{kind}_above_max_value",
    )


def too_large(param: str, maximum: int) -> RequestError:
    """A number over its range, in the older words and without a code."""
    return RequestError(f"Invalid value for '{param}': must be less than or equal to {maximum}.", param=param)


def empty_array(param: str) -> RequestError:
    """An array that must not be empty is."""
    return RequestError(
        f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        param=param,
        code="empty_array",
    )


def long_array(param: str, length: int, maximum: int) -> RequestError:
    """An array with too many items."""
    return RequestError(
        f"Invalid '{param}': array too long. Expected an array with maximum length {maximum}, "
        f"but got an array with length {length} instead.",
        param=param,
        code="array_above_max_length",
    )


def empty_string(param: str) -> RequestError:
    """A string that must not be empty is."""
    return RequestError(
        f"Invalid '{param}': empty string. Expected a string with minimum length 1, but got an empty string instead.",
        param=param,
        code="empty_string",
    )


def long_string(param: str, length: int, maximum: int) -> RequestError:
    """A string with too many characters."""
    return RequestError(
        f"Invalid '{param}': string too long. Expected a string with maximum length {maximum}, "
        f"but got a string with length {length} instead.",
        param=param,
        code="string_above_max_length",
    )


def pattern_mismatch(param: str, pattern: str) -> RequestError:
    """A string that must match a pattern does not."""
    return RequestError(
        f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '{pattern}'.",
        param=param,
        code="invalid_value",
    )


def only_with(param: str, others: str) -> RequestError:
    """A parameter that makes sense only beside a list that is not there (`tool_choice` without `tools`)."""
    return RequestError(
        f"Invalid value for '{param}': '{param}' is only allowed when '{others}' are specified.", param=param
    )


def only_when(param: str, switch: str) -> RequestError:
    """A parameter that makes sense only when a switch is on (`stream_options` without `stream`)."""
    return RequestError(f"The '{param}' parameter is only allowed when '{switch}' is enabled.", param=param)


def not_offered(param: str, kind: str, name: str, offers: str) -> RequestError:
    """A choice names a tool that the request does not offer."""
    return RequestError(
        f"Invalid value for '{param}': no {kind} named '{show(name)}' was specified in the '{offers}' parameter.",
        param=param,
    )


def show(text: str) -> str:
    """The text as a sentence repeats it: whole, or its beginning."""
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
