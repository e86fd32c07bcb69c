import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.generate.excerpt import MOST_CHARS, MOST_WORDS, excerpt, one_line


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", ""),
        (" \n\t ", ""),
        ("Hello\r\n there,\u2028  you", "Hello there, you"),
        ("a\x00b\x1b[1m", "ab[1m"),
        ("one two three four five six seven eight nine ten eleven twelve", None),
        ("one two three four five six seven eight nine ten eleven twelve thirteen", "… twelve …"),
        ("word " * 5 + "x" * 60, "word word word word word " + "x" * 55 + " …"),
        ("w" * 60 + " " + "x" * 60, "w" * 60 + " …"),
        ("w" * 40 + " " + "x" * 60, "w" * 40 + " …"),
        ("w" * 39 + " " + "x" * 60, "w" * 39 + " " + "x" * 40 + " …"),
        ("x" * 80, None),
        ("x" * 81, "x" * 80 + " …"),
        ("東" * 100, "東" * 80 + " …"),
        ("x" * 79 + "e\u0301" * 5, "x" * 79 + " …"),
        ("👩\u200d💻" * 40, "👩\u200d💻" * 26 + " …"),
        ("x" * 79 + "👍🏽!", "x" * 79 + " …"),
    ],
)
def test_a_quote_is_cut_where_nothing_is_torn(text: str, quoted: str | None) -> None:
    expected = text if quoted is None else quoted
    if expected.startswith("… "):
        expected = " ".join(text.split()[:MOST_WORDS]) + " …"
    assert excerpt(text) == expected


@given(st.text(max_size=300))
@example("\u0301" * 200)
def test_a_quote_is_a_beginning_on_one_line(text: str) -> None:
    quoted = excerpt(text)
    kept = quoted.removesuffix(" …")
    assert one_line(text).startswith(kept.rstrip("…").rstrip())
    assert len(kept) <= MOST_CHARS
    assert len(kept.split(" ")) <= MOST_WORDS
    assert not any(unicodedata.category(char) == "Cc" for char in quoted)


def test_a_huge_text_is_not_read_to_its_end() -> None:
    assert len(one_line("word " * 1_000_000)) <= 2000
