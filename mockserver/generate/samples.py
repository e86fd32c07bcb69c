"""Plausible strings and numbers: what a property's format, name, title or description leads a reader to expect.

A model asked for a `city` says Paris, not `lorem`; these tables let the mock do as much. They decide what a value looks like
where a schema leaves it open, never what is allowed: whoever takes a sample checks it against the schema.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, TypeVar
from uuid import UUID

from mockserver.generate.dice import Dice
from mockserver.generate.excerpt import excerpt

H = TypeVar("H")

# fmt: off
WORDS = (
    "amber", "anchor", "autumn", "birch", "bridge", "candle", "canyon", "cedar", "cloud", "copper", "coral", "cotton",
    "delta", "ember", "falcon", "feather", "fern", "forest", "garden", "granite", "harbor", "hazel", "island",
    "ivory", "juniper", "lantern", "linen", "maple", "marble", "meadow", "mosaic", "orchard", "pebble", "prairie",
    "quartz", "river", "silver", "sparrow", "summit", "thistle", "timber", "valley", "velvet", "willow",
)
# fmt: on


HOSTS = ("example.com", "example.org", "example.net", "api.example.com", "www.example.org")


class Format(NamedTuple):
    """How a string of one `format` is made, and an expression that all such strings match."""

    make: Callable[[Dice], str]
    shape: str


def word(dice: Dice, *steps: str | int) -> str:
    """One of the `WORDS`."""
    return dice.pick(WORDS, *steps)


def _date(dice: Dice) -> str:
    return f"20{dice.roll(10, 'year') + 20}-{dice.roll(12, 'month') + 1:02}-{dice.roll(28, 'day') + 1:02}"


def _time(dice: Dice) -> str:
    return f"{dice.roll(24, 'hour'):02}:{dice.roll(60, 'minute'):02}:{dice.roll(60, 'second'):02}Z"


def _duration(dice: Dice) -> str:
    return dice.pick(["P{}D", "PT{}H", "PT{}M", "P{}W", "P1DT{}H"], "unit").format(dice.roll(20, "size") + 1)


def _email(dice: Dice) -> str:
    return f"{word(dice, 'name')}@{dice.pick(HOSTS, 'host')}"


def _uri(dice: Dice) -> str:
    return f"https://{dice.pick(HOSTS, 'host')}/{word(dice, 'path')}"


def _uuid(dice: Dice) -> str:
    return str(UUID(int=dice.roll(2**128), version=4))


_DATE_SHAPE = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME_SHAPE = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_LABEL_SHAPE = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_HOST_SHAPE = rf"{_LABEL_SHAPE}(?:\.{_LABEL_SHAPE})*"

FORMATS: dict[str, Format] = {
    "date-time": Format(lambda dice: f"{_date(dice)}T{_time(dice)}", f"{_DATE_SHAPE}[Tt]{_TIME_SHAPE}"),
    "date": Format(_date, _DATE_SHAPE),
    "time": Format(_time, _TIME_SHAPE),
    "duration": Format(
        _duration, r"P(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)(?<!P)"
    ),
    "email": Format(_email, rf"[^\s@\"]+@{_HOST_SHAPE}"),
    "idn-email": Format(_email, r"[^\s@\"]+@[^\s@]+"),
    "hostname": Format(lambda dice: dice.pick(HOSTS), _HOST_SHAPE),
    "idn-hostname": Format(lambda dice: dice.pick(HOSTS), r"[^\s@/]+"),
    "ipv4": Format(
        # 192.0.2.0/24 is set aside for examples (RFC 5737).
        lambda dice: str(IPv4Address(0xC0000200 + dice.roll(256))),
        r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}",
    ),
    # 2001:db8::/32 likewise (RFC 3849).
    "ipv6": Format(lambda dice: str(IPv6Address((0x20010DB8 << 96) + dice.roll(2**32))), r"[0-9a-fA-F:.]{2,45}"),
    "uuid": Format(_uuid, r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"),
    "uri": Format(_uri, r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+"),
    "iri": Format(_uri, r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+"),
    "uri-reference": Format(_uri, r"\S*"),
    "iri-reference": Format(_uri, r"\S*"),
    "uri-template": Format(lambda dice: f"{_uri(dice)}/{{id}}", r"\S*"),
    "json-pointer": Format(lambda dice: f"/{word(dice)}", r"(?:/(?:[^~/]|~[01])*)*"),
    "relative-json-pointer": Format(lambda dice: f"{dice.roll(3)}/{word(dice)}", r"\d+(?:#|(?:/(?:[^~/]|~[01])*)*)"),
    "regex": Format(lambda dice: f"^{word(dice)}$", r"[\s\S]*"),
}
"""The formats of JSON Schema 2020-12, section 7.3; others are annotations and ask for nothing."""

_STRING_HINTS: dict[str, Sequence[str]] = {
    "first name": ("Ada", "Grace", "Alan", "Mary", "Edsger"),
    "last name": ("Lovelace", "Hopper", "Turing", "Shelley", "Dijkstra"),
    "file name": ("report.pdf", "notes.txt", "data.csv", "main.py"),
    "user name": ("ada", "grace", "alan", "mary"),
    "company": ("Acme Corp", "Globex", "Initech", "Umbrella Works"),
    "time zone": ("Europe/Paris", "America/New_York", "Asia/Tokyo", "UTC"),
    "zip code": ("75001", "10001", "94103", "60601"),
    "city": ("Paris", "London", "Tokyo", "Berlin", "New York", "San Francisco", "Nairobi", "Sydney"),
    "town": ("Bergen", "Siena", "Galway", "Ghent"),
    "location": ("Paris, France", "San Francisco, CA", "Tokyo, Japan", "Berlin, Germany"),
    "place": ("Paris, France", "Kyoto, Japan", "Lisbon, Portugal"),
    "country": ("France", "Germany", "Japan", "Brazil", "Kenya", "Canada"),
    "state": ("California", "New York", "Texas", "Bavaria"),
    "region": ("Normandy", "Bavaria", "Kansai", "Ontario"),
    "street": ("12 Rue de Rivoli", "221B Baker Street", "1 Market Street"),
    "address": ("12 Rue de Rivoli, Paris", "221B Baker Street, London", "1 Market Street, San Francisco"),
    "postcode": ("75001", "10115", "94103"),
    "email": ("ada@example.com", "grace@example.org", "alan@example.net"),
    "phone": ("+1-202-555-0142", "+44 20 7946 0958", "+33 1 99 00 12 34"),
    "url": ("https://example.com", "https://example.org/docs", "https://www.example.net/page"),
    "link": ("https://example.com", "https://example.org/docs"),
    "website": ("https://example.com", "https://www.example.org"),
    "domain": HOSTS,
    "currency": ("EUR", "USD", "JPY", "GBP"),
    "language": ("en", "fr", "de", "ja"),
    "locale": ("en-US", "fr-FR", "de-DE", "ja-JP"),
    "unit": ("celsius", "fahrenheit"),
    "color": ("red", "green", "blue", "teal"),
    "colour": ("red", "green", "blue", "teal"),
    "date": ("2025-03-14", "2025-06-21", "2026-01-09"),
    "day": ("Monday", "Wednesday", "Friday"),
    "month": ("January", "May", "October"),
    "weekday": ("Monday", "Wednesday", "Friday"),
    "time": ("09:30", "14:00", "18:45"),
    "symbol": ("AAPL", "MSFT", "SAP"),
    "ticker": ("AAPL", "MSFT", "SAP"),
    "path": ("src/main.py", "docs/index.md", "data/input.csv"),
    "file": ("report.pdf", "notes.txt", "data.csv"),
    "directory": ("src", "docs", "data"),
    "command": ("ls -la", "git status", "pwd"),
    "code": ("print('hello')", "return 42"),
    "expression": ("2 + 2", "3 * (4 + 5)", "sqrt(16)"),
    "sql": ("SELECT 1", "SELECT name FROM users LIMIT 10"),
    "author": ("Ada Lovelace", "Mary Shelley"),
    "person": ("Ada Lovelace", "Grace Hopper", "Alan Turing"),
    "name": ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Mary Shelley"),
    "title": ("A quiet morning", "The long way home", "Notes on a small river"),
    "description": ("A short description.", "Everything that matters, in one line."),
    "summary": ("A short summary of what matters.", "The essentials in one sentence."),
    "explanation": ("Because it follows from what was asked.", "Each part is worked out in turn."),
    "reason": ("It fits what was asked.", "It is the simplest choice."),
    "output": ("The result of this step.", "What came out."),
    "answer": ("Yes.", "It depends.", "Forty-two."),
    "status": ("ok", "pending", "done"),
    "category": ("general", "science", "travel"),
    "type": ("standard", "basic", "custom"),
    "tag": ("quick", "draft", "important"),
    "id": ("a1b2c3", "item-42", "x7y8z9"),
    "version": ("1.0.0", "2.3.1", "0.9.4"),
}

_EXAMPLE = re.compile(
    r"(?:\be\.g\.|\bfor example)[,:]?\s+(?:([\"'`])(.{1,60}?)\1|([^\s\"'`].{0,59}?)(?=\)|[.;](?:\s|$)|$))",
    re.IGNORECASE,
)

# What is asked for is usually what the user said.
_ECHOES = frozenset(
    ["query", "question", "prompt", "message", "input", "text", "topic", "subject", "search", "keyword"]
)

_NUMBER_HINTS: dict[str, tuple[int, int]] = {
    "age": (18, 80),
    "year": (2020, 2030),
    "month": (1, 12),
    "day": (1, 28),
    "hour": (0, 23),
    "minute": (0, 59),
    "count": (1, 10),
    "quantity": (1, 10),
    "limit": (5, 20),
    "page": (1, 5),
    "index": (0, 9),
    "temperature": (5, 30),
    "humidity": (20, 90),
    "latitude": (-60, 70),
    "lat": (-60, 70),
    "longitude": (-120, 150),
    "lon": (-120, 150),
    "lng": (-120, 150),
    "price": (5, 200),
    "amount": (5, 500),
    "total": (10, 1000),
    "rating": (1, 5),
    "score": (1, 100),
    "confidence": (0, 1),
    "probability": (0, 1),
    "percent": (0, 100),
    "percentage": (0, 100),
    "id": (1000, 9999),
    "width": (100, 2000),
    "height": (100, 2000),
    "second": (1, 600),
    "duration": (1, 600),
    "port": (8000, 9000),
}


@lru_cache(maxsize=1024)
def name_tokens(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, without a plural's s: `firstName`, `FIRST_NAMES` -> first, name."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = re.findall(r"[a-z]+", spaced.lower())
    return tuple(re.sub(r"(?<=\w\w)(?<![sui])s$", "", word) for word in words)


def string_samples(names: Iterable[str], description: str, context: str) -> Sequence[str]:
    """Plausible values for a string property; none if nothing is known about it.

    `names` are the property's name and its title, the better one first; `context` is what the user said. What the context
    mentions goes before the description's own example, and that before what is usual.
    """
    example = described_example(description)
    for name in names:
        tokens = name_tokens(name)
        if context and tokens and tokens[-1] in _ECHOES:
            return (excerpt(context),)
        if (hint := _find_hint(tokens, _STRING_HINTS)) is not None:
            known = [value for value in hint if mentioned([value.split(",")[0]], context)]
            return known or ((example,) if example else hint)
    return (example,) if example else ()


def number_range(names: Iterable[str]) -> tuple[int, int] | None:
    """The range, both ends included, in which a number of one of these names plausibly is; None if unknown."""
    return next((hint for name in names if (hint := _find_hint(name_tokens(name), _NUMBER_HINTS)) is not None), None)


def mentioned(values: Sequence[str], context: str) -> Sequence[str]:
    """Those of the values that the context mentions as words of their own, in either case."""
    spoken = context.casefold()
    return [value for value in values if value and re.search(rf"(?<!\w){re.escape(value.casefold())}(?!\w)", spoken)]


def described_example(description: str) -> str | None:
    """The example that a description gives: `The city and state, e.g. San Francisco, CA` -> `San Francisco, CA`."""
    found = _EXAMPLE.search(description)
    return (found[2] or found[3]).strip() if found else None


def _find_hint(tokens: tuple[str, ...], hints: Mapping[str, H]) -> H | None:
    """The hint for the last words of a name: `user_first_name` is a first name, `city_id` an id."""
    for start in range(len(tokens)):
        if (hint := hints.get(" ".join(tokens[start:]))) is not None:
            return hint
    return None
