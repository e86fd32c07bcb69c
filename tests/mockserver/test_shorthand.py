"""Shorthands: what a file may write short, how it is written again, and what is refused."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mockserver.shorthand import (
    MAX_TEXT_BYTES,
    Duration,
    RepeatedText,
    Shorthand,
    Size,
    decode_shorthand,
    encode_shorthand,
    plain,
    shorthand,
    shorthand_schema,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (0.02, 0.02),
        (3, 3.0),
        ("3", 3.0),
        (".5", 0.5),
        ("20ms", 0.02),
        ("1.5s", 1.5),
        ("1. s", 1.0),
        (" 2m ", 120.0),
        ("2min", 120.0),
        ("1h", 3600.0),
        ("7us", 7e-6),
        ("7 µs", 7e-6),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_a_number_with_its_unit(written: object, seconds: float) -> None:
    read = Duration.decode(written)
    assert read == pytest.approx(seconds)
    assert isinstance(read, Duration)


@pytest.mark.parametrize("written", [-1, -0.1, True, None, [], {}, math.inf, math.nan, 10**400])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_number_that_is_no_duration_is_refused(written: object, as_text: bool) -> None:
    with pytest.raises(ValueError, match=r"^expected a duration such as 0\.02, 20ms, 1\.5s or 2m, got "):
        Duration.decode(str(written) if as_text else written)


@pytest.mark.parametrize("written", ["", "ms", "fast", "1 hour", "1e3", "1,5s", "-1s", "20 ms ms", "9" * 400])
def test_a_text_that_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a duration such as 0\.02, 20ms, 1\.5s or 2m, got "):
        Duration.decode(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (65536, 65536),
        ("10", 10),
        (" 10B ", 10),
        ("64KiB", 65536),
        ("1.5 KB", 1500),
        ("1MiB", 1048576),
        ("1MB", 1000000),
        ("2GiB", 2147483648),
    ],
)
def test_a_size_is_a_number_of_bytes_or_a_number_with_its_unit(written: object, size: int) -> None:
    read = Size.decode(written)
    assert read == size
    assert isinstance(read, Size)


@pytest.mark.parametrize(
    "written", [-1, 1.5, 1.0, True, None, "", "KB", "big", "-1", "1kb", "1 TiB", [], "9" * 400, "9" * 308 + "MiB"]
)
def test_what_is_no_size_is_refused_with_what_was_expected(written: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a number of bytes such as 65536, 64KiB or 1MiB, got "):
        Size.decode(written)


@given(st.floats(0, 1e300) | st.integers(0, 10**300))
def test_a_duration_is_written_as_it_is_read(seconds: float) -> None:
    duration = Duration.decode(seconds)
    assert Duration.decode(duration.encode()) == duration
    assert type(duration.encode()) is float


@given(st.integers(0))
def test_a_size_is_written_as_it_is_read(size: int) -> None:
    assert Size.decode(size).encode() == size
    assert type(Size.decode(size).encode()) is int


@pytest.mark.parametrize("kind", [Duration, Size])
@given(value=JSON_VALUES | st.from_regex(r"\A[0-9]{1,4}\.?[0-9]{0,3} ?(us|ms|s|m|h|B|KB|KiB|MB)?\Z"))
def test_the_schema_and_the_reader_agree(kind: type[Any], value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        return  # JSON has no such numbers
    fits = Draft202012Validator(kind.schema).is_valid(value)
    if type(value) is float and value.is_integer() and kind is Size:
        return  # 2.0 is an integer to JSON Schema, but the model takes a file at its word
    if isinstance(value, str) and value != value.strip():
        return  # blanks around are no fault, only not worth showing in the schema
    try:
        kind.decode(value)
    except ValueError:
        assert not fits
    else:
        assert fits


@shorthand
class Point:
    """A shorthand with fields, as others of the package are."""

    x: int
    y: int = 0

    schema = {"anyOf": [{"type": "string"}], "examples": ["1,2"]}  # noqa: RUF012 - as the package's own have it

    @classmethod
    def decode(cls, value: object) -> "Point":
        if not isinstance(value, str):
            raise ValueError(f"expected a point such as '1,2', got {value!r}")
        x, _, y = value.partition(",")
        return cls(int(x), int(y or 0))

    def encode(self) -> str:
        return f"{self.x},{self.y}"


class Drawing(msgspec.Struct, omit_defaults=True):
    points: tuple[Point, ...] = ()
    scale: Duration | None = None
    origin: Point | None = None


def test_a_shorthand_with_fields_is_a_frozen_value() -> None:
    assert Point(1) == Point(1, 0)
    assert hash(Point(1)) == hash(Point(1, 0))
    assert Point(1) != Point(2)
    assert repr(Point(1)) == "Point(x=1, y=0)"
    assert isinstance(Point(1), Shorthand)
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]


def test_msgspec_reads_and_writes_shorthands_by_the_hooks() -> None:
    values = {"points": ["1,2", "3,4"], "scale": "20ms", "origin": "0,0"}
    read = msgspec.convert(values, Drawing, dec_hook=decode_shorthand)
    assert read == Drawing((Point(1, 2), Point(3, 4)), Duration(0.02), Point(0, 0))
    assert msgspec.to_builtins(read, enc_hook=encode_shorthand) == {
        "points": ("1,2", "3,4"),
        "scale": 0.02,
        "origin": "0,0",
    }
    assert msgspec.convert({"origin": Point(1)}, Drawing, dec_hook=decode_shorthand) == Drawing(origin=Point(1))


def test_a_wrong_shorthand_is_told_with_its_place() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"expected a point such as '1,2', got 3 - at `\$.points\[1\]`"):
        msgspec.convert({"points": ["1,2", 3]}, Drawing, dec_hook=decode_shorthand)


def test_the_schema_of_a_model_shows_its_shorthands_as_a_file_writes_them() -> None:
    schema = msgspec.json.schema(Drawing, schema_hook=shorthand_schema)
    points = schema["$defs"]["Drawing"]["properties"]["points"]
    assert points["items"] == {"anyOf": [{"type": "string"}], "examples": ["1,2"]}


class Quote(msgspec.Struct, frozen=True):
    """A struct with a text that may be repeated."""

    text: RepeatedText | None = None


@pytest.mark.parametrize(
    ("written", "text"),
    [("", ""), ("é", "é"), ({"repeat": "ab ", "times": 3}, "ab ab ab "), ({"repeat": "", "times": 9}, "")],
)
def test_a_text_is_a_text_or_one_repeated_and_is_written_again_as_it_was(written: object, text: str) -> None:
    read = RepeatedText.decode(written)
    assert read == text
    assert hash(read) == hash(text)
    assert type(plain(read)) is str
    assert plain(read) == text
    assert encode_shorthand(read) == written
    quote = msgspec.convert({"text": written}, Quote, dec_hook=decode_shorthand)
    assert msgspec.to_builtins(quote, enc_hook=encode_shorthand) == {"text": written}
    assert Draft202012Validator(RepeatedText.schema).is_valid(written)


def test_a_text_made_in_code_is_written_as_it_is() -> None:
    assert encode_shorthand(RepeatedText("a")) == "a"
    assert plain("a") == "a"


@pytest.mark.parametrize(
    "written",
    [None, 3, [], {}, {"repeat": "a"}, {"times": 2}, {"repeat": "a", "times": 0}, {"repeat": "a", "times": True},
     {"repeat": "a", "times": 1.5}, {"repeat": 1, "times": 1}, {"repeat": "a", "times": 1, "x": 1}],
)  # fmt: skip
def test_what_is_no_text_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a text, or \{repeat: a text, times: a number from 1\}, got "):
        RepeatedText.decode(written)
    assert not Draft202012Validator(RepeatedText.schema).is_valid(written)


def test_a_text_of_more_than_64_mib_is_refused_before_it_is_made() -> None:
    with pytest.raises(
        ValueError, match=r"^expected a text of at most 67108864 bytes \(64 MiB\), got one of 134217728$"
    ):
        RepeatedText.decode({"repeat": "é", "times": MAX_TEXT_BYTES})
    with pytest.raises(ValueError, match="got one of "):
        RepeatedText.decode({"repeat": "a", "times": 10**30})
