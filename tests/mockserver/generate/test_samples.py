import re
from collections.abc import Callable
from datetime import date, datetime, time
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from uuid import UUID

import pytest

from mockserver.generate.dice import Dice
from mockserver.generate.samples import (
    FORMATS,
    HOSTS,
    WORDS,
    described_example,
    mentioned,
    name_tokens,
    number_range,
    string_samples,
    word,
)

READERS: dict[str, Callable[[str], object]] = {
    "date-time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "uuid": UUID,
    "regex": re.compile,
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_sample_has_the_shape_of_its_format(name: str) -> None:
    samples = {FORMATS[name].make(Dice(seed)) for seed in range(1500)}
    assert len(samples) >= 5
    for sample in samples:
        assert re.fullmatch(FORMATS[name].shape, sample)
        if name in READERS:
            READERS[name](sample)


def test_samples_are_from_what_is_set_aside_for_examples() -> None:
    for seed in range(500):
        dice = Dice(seed)
        assert IPv4Address(FORMATS["ipv4"].make(dice)) in IPv4Network("192.0.2.0/24")
        assert IPv6Address(FORMATS["ipv6"].make(dice)) in IPv6Network("2001:db8::/32")
        assert UUID(FORMATS["uuid"].make(dice)).version == 4
        assert "2020" <= FORMATS["date"].make(dice)[:4] <= "2029"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("date-time", "2025-01-01 00:00:00Z"),
        ("date-time", "2025-01-01T00:00:00"),
        ("date", "2025-13-01"),
        ("date", "2025-1-1"),
        ("time", "24:00:00Z"),
        ("time", "10:00"),
        ("duration", "P"),
        ("duration", "PT"),
        ("duration", "P1DT"),
        ("duration", "1D"),
        ("email", "ada"),
        ("email", "a b@example.com"),
        ("hostname", "-a.com"),
        ("hostname", "a..b"),
        ("ipv4", "1.2.3"),
        ("ipv4", "256.1.1.1"),
        ("ipv4", "1.2.3.4."),
        ("ipv6", "x"),
        ("uuid", "1234"),
        ("uri", "example.com"),
        ("json-pointer", "a"),
        ("relative-json-pointer", "/a"),
    ],
)
def test_a_shape_tells_what_is_not_its_format(name: str, wrong: str) -> None:
    assert not re.fullmatch(FORMATS[name].shape, wrong)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("firstName", ("first", "name")),
        ("FIRST_NAMES", ("first", "name")),
        ("user-emails", ("user", "email")),
        ("status", ("status",)),
        ("address", ("address",)),
        ("analysis", ("analysis",)),
        ("as", ("as",)),
        ("x2", ("x",)),
        ("größe", ("gr", "e")),
        ("", ()),
    ],
)
def test_a_name_falls_into_words(name: str, tokens: tuple[str, ...]) -> None:
    assert name_tokens(name) == tokens


@pytest.mark.parametrize(
    ("names", "description", "context", "first"),
    [
        (["city"], "", "", "Paris"),
        (["home_city"], "", "", "Paris"),
        (["cities"], "", "", None),
        (["userEmail"], "", "", "ada@example.com"),
        (["first_name"], "", "", "Ada"),
        (["city_id"], "", "", "a1b2c3"),
        (["xyz", "City"], "", "", "Paris"),
        (["city"], "", "How warm is it in TOKYO now?", "Tokyo"),
        (["city"], "", "Parisians", "Paris"),
        (["location"], "", "Weather in Berlin", "Berlin, Germany"),
        (["location"], "The city and state, e.g. Boston, MA", "", "Boston, MA"),
        (["location"], "The city and state, e.g. Boston, MA", "In Tokyo?", "Tokyo, Japan"),
        (["xyz"], "A thing (for example 'blue bird').", "", "blue bird"),
        (["query"], "", "cheap flights", "cheap flights"),
        (["search_query"], "", "x" * 100, "x" * 80 + " …"),
        (["query"], "", "", None),
        (["xyz"], "", "anything", None),
        ([""], "", "", None),
    ],
)
def test_samples_come_from_names_descriptions_and_what_was_said(
    names: list[str], description: str, context: str, first: str | None
) -> None:
    samples = string_samples(names, description, context)
    assert (samples[0] if samples else None) == first


def test_numbers_have_usual_ranges() -> None:
    assert number_range(["user_age"]) == (18, 80)
    assert number_range(["xyz", "Price"]) == (5, 200)
    assert number_range(["xyz"]) is None


def test_only_words_of_their_own_are_mentioned() -> None:
    values = ["celsius", "F", "", "c++", "new york"]
    assert mentioned(values, "In New York, in Celsius, with C++?") == ["celsius", "c++", "new york"]
    assert mentioned(values, "fahrenheit") == []


@pytest.mark.parametrize(
    ("description", "example"),
    [
        ("The city, e.g. Lyon", "Lyon"),
        ("The city, e.g., Lyon.", "Lyon"),
        ('The city (e.g. "San Francisco, CA") to look up', "San Francisco, CA"),
        ("A code. For example: foo", "foo"),
        ("The city (e.g. Lyon, France) to look up", "Lyon, France"),
        ("A code, for example: foo; or bar", "foo"),
        ("The city", None),
        ("e.g.", None),
    ],
)
def test_an_example_is_read_from_a_description(description: str, example: str | None) -> None:
    assert described_example(description) == example


def test_words_are_plain_and_all_different() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert all(re.fullmatch("[a-z]+", each) for each in WORDS)
    assert word(Dice(0), "a") in WORDS
    assert all(host.split(".")[-2] == "example" for host in HOSTS)
