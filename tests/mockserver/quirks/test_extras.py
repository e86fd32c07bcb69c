"""Quirks that add members of their own."""

import pytest

from tests.mockserver.quirks.bent import body_of, chunks_of, sample
from tests.mockserver.tolerant import read


def test_providers_add_members_of_their_own() -> None:
    filtered = [
        c["choices"][0]["content_filter_results"] for c in chunks_of(sample("text", "content-filter-results"))[:-1]
    ]
    assert [bool(results) for results in filtered] == [False, False, False, True, True, False]
    timed = chunks_of(sample("text", "timings"))
    assert ["timings" in chunk for chunk in timed] == [False] * 6 + [True]
    assert "timings" in chunks_of(sample("text", "timings", usage=False))[-1]
    groq = chunks_of(sample("text", "x-groq"))
    assert ["x_groq" in chunk for chunk in groq] == [True, False, False, False, False, True, False]
    assert groq[5]["x_groq"]["usage"] == groq[5]["usage"] == groq[6]["usage"]
    assert ["x_groq" in chunk for chunk in chunks_of(sample("text", "x-groq", usage=False))] == [True] + [False] * 5
    unknown = chunks_of(sample("calls", "unknown-keys"))[3]
    assert unknown["x_unknown"] == {"nested": [1, None, "two"]}
    assert unknown["choices"][0]["delta"]["tool_calls"][0]["x_unknown"] == 0


def test_nan_stands_bare_in_the_json() -> None:
    stream = sample("text", "json-nan")
    assert b'"logprob":NaN' in body_of(stream)
    with pytest.raises(ValueError, match="NaN is no JSON"):
        read(body_of(stream))
