"""Errors told by the server where chunks were expected: every shape in which providers do it, recognised here.

    {"error": {"message": …}}      OpenAI, vLLM, OpenRouter, also beside choices or inside one
    {"error": "text"}              small servers
    {"object": "error", …}         vLLM of old; also {"type": "error", …}
    {"error_message": …}           Venice; also error_type
    {"detail": "text"}             FastAPI servers
    {"message": "text", "code"|"status"|"status_code": …}     gateways
    [{"error": …}]                 Gemini: any of these in a list
    event: error                   Anthropic's way: whatever its data says
    a JSON line or plain text without `data:`, plain text in `data:`       proxies, key servers

An error wins over whatever stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from client.errors import ReportedError, excerpt

__all__ = ["describe_report", "find_report", "is_plain_text", "looks_like_field", "read_json"]

FLAT_KEYS = ("error_message", "error_type")
CODE_KEYS = ("code", "status", "status_code")
FIELD = re.compile(r"[\w.-]+(:.*)?", re.DOTALL)


def find_report(value: object) -> Mapping[str, Any] | None:
    """The error object that a JSON value tells, or None if it tells none."""
    if isinstance(value, list):
        found = (find_report(each) for each in value if isinstance(each, Mapping))
        return next((report for report in found if report is not None), None)
    if not isinstance(value, Mapping):
        return None
    told = value.get("error")
    choices = value.get("choices")
    if told or ("error" in value and choices is None and "usage" not in value and told is not None):
        return as_error(told)
    if isinstance(choices, list):
        return next(
            (as_error(each["error"]) for each in choices if isinstance(each, Mapping) and each.get("error")), None
        )
    is_flat = value.get("object") == "error" or value.get("type") == "error" or any(value.get(key) for key in FLAT_KEYS)
    is_coded = isinstance(value.get("message"), str) and any(key in value for key in CODE_KEYS)
    return value if is_flat or is_coded or isinstance(value.get("detail"), str) else None


def as_error(told: object) -> Mapping[str, Any]:
    """An error object, made from what stands in its place if it is none."""
    if isinstance(told, Mapping):
        return told
    return {"message": told if isinstance(told, str) else msgspec.json.encode(told).decode()}


def describe_report(error: Mapping[str, Any], where: str) -> ReportedError:
    """The exception for an error object found at `where`."""
    texts = (error.get(key) for key in ("message", "error_message", "detail", "error"))
    message = next((text for text in texts if isinstance(text, str) and text), "") or excerpt(repr(dict(error)))
    kind = ", ".join(str(error[key]) for key in ("type", "error_type", "code") if error.get(key) not in (None, ""))
    report = ReportedError(
        "a chunk", f"an error told by the server {where}: {message}" + (f" ({kind})" if kind else "")
    )
    report.error = error
    return report


def read_json(text: str | bytes) -> Any:
    """The JSON value in `text`; None if there is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def is_plain_text(data: str) -> bool:
    """Whether data that is not JSON was never meant to be: words, or a page."""
    return data[:1].isalpha() or data.startswith("<")


def looks_like_field(line: str) -> bool:
    """Whether a line that the event-stream format ignores is an unknown field, and not a text somebody forgot to frame."""
    return FIELD.fullmatch(line) is not None
