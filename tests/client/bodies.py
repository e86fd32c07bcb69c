"""Event streams as tests write them: the plain one, and short ways to its variants."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.client.chunks import HEAD, chunk, text

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def event(data: Mapping[str, Any] | str | bytes) -> bytes:
    """One event: an object as JSON, or text as it stands."""
    if isinstance(data, str):
        data = data.encode()
    return b"data: " + (data if isinstance(data, bytes) else msgspec.json.encode(data)) + b"\n\n"


def events(*data: Mapping[str, Any] | str | bytes) -> bytes:
    """Several events."""
    return b"".join(event(each) for each in data)


ROLE = chunk({"role": "assistant", "content": ""})
HEL, LO, STOP = text("Hel"), text("lo"), chunk(finish="stop")
USAGE_CHUNK = {**HEAD, "choices": [], "usage": USAGE}
HELLO = events(ROLE, HEL, LO, STOP) + DONE
"""The plain stream: `Hello`, `stop`."""
