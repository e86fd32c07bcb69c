"""The broken clients: each is `good.py` with a few lines changed, as somebody's real client has them.

`name -> what is broken -> patches`: each patch replaces one text of `good.py`, which must stand there exactly once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("good.py")

Ask = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Variation:
    """One broken client; `breaks` ends the sentence "A client that …"."""

    name: str
    breaks: str
    patches: tuple[tuple[str, str], ...]

    def source(self) -> str:
        """The text of the broken client. Raises `ValueError` where a patch does not fit, once and no more."""
        text = SOURCE.read_text("utf-8")
        for old, new in self.patches:
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: expected once in good.py, found {text.count(old)} times: {old!r}")
            text = text.replace(old, new)
        return text


def _vary(name: str, breaks: str, *patches: str) -> Variation:
    return Variation(name, breaks, tuple(zip(patches[::2], patches[1::2], strict=True)))


@cache
def load_ask(name: str) -> Ask:
    """The function `ask` of a broken client; `good` is the one that nothing is wrong with."""
    text = SOURCE.read_text("utf-8") if name == "good" else VARIATIONS[name].source()
    module: dict[str, Any] = {"__name__": f"broken_{name.replace('-', '_')}"}
    exec(compile(text, f"{SOURCE.name} ({name})", "exec"), module)
    ask: Ask = module["ask"]
    return ask


_BYTES_TAKE = "        text = line.decode(\"utf-8\")\n"
_DONE = 'if data.strip() == "[DONE]":'
_CHECK = '        reply.check(line["request"].get("n") or 1)\n'
_ADD = "self.choices.setdefault(place if index is None else index, Choice()).add(choice)"
_SAY = '        self.said[what] += text or ""\n'
_CALLS_KEY = '                current = piece["index"]\n'

_ALL = (
    # bytes and lines
    _vary("splits-utf8", "decodes each read for itself", "                yield from self.take(whole)\n".replace("    ", "", 1), "            yield from self.take(whole)\n"),
)
