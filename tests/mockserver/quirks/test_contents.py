"""Quirks of roles and contents."""

from typing import Any

import pytest

from tests.mockserver.quirks.bent import body_of, deltas_of, sample


def test_a_role_may_be_repeated_missing_empty_or_null() -> None:
    for name, role in {"role-repeated": "assistant", "role-empty": "", "role-null": None}.items():
        assert {delta["role"] for delta in deltas_of(sample("text", name))} == {role}
    assert all("role" not in delta for delta in deltas_of(sample("text", "role-missing")))


def test_the_first_delta_may_be_the_role_alone_or_come_with_the_text() -> None:
    alone = deltas_of(sample("one call", "role-alone", "refusal-missing"))
    assert alone[0] == {"role": "assistant", "content": ""}
    assert alone[1]["tool_calls"][0]["id"] == "call_f"
    assert deltas_of(sample("refusal", "role-alone"))[0] == {"role": "assistant", "content": None, "refusal": ""}
    together = deltas_of(sample("text", "role-with-content"))
    assert together[0] == {"role": "assistant", "reasoning_content": "Let"}
    assert deltas_of(sample("nothing", "role-with-content")) == [{"role": "assistant"}]
    two = deltas_of(sample("two", "role-with-content"))
    assert [delta for delta in two if "role" in delta] == [
        {"role": "assistant", "content": w} for w in ("Hello", "Bye")
    ]
    for kept in ("one call", "legacy"):
        assert deltas_of(sample(kept, "role-with-content")) == deltas_of(sample(kept))
    assert [list(delta) for delta in deltas_of(sample("legacy", "role-alone"))[:2]] == [
        ["role", "content", "refusal"],
        ["function_call"],
    ]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("content-null-first", {"role": "assistant", "content": None}, {}),
        ("content-missing-first", {"role": "assistant"}, {}),
        ("content-empty-finish", {"role": "assistant", "content": ""}, {"content": ""}),
        ("content-empty-always", {"role": "assistant", "content": ""}, {"content": ""}),
    ],
)
def test_the_content_of_the_first_and_the_last_delta(name: str, first: dict[str, Any], last: dict[str, Any]) -> None:
    deltas = deltas_of(sample("text", name, "refusal-missing"))
    assert (deltas[0], deltas[-1]) == (first, last)
    assert ("content" in deltas[1]) is (name == "content-empty-always")


def test_content_may_come_in_parts_or_as_all_of_it_each_time() -> None:
    assert deltas_of(sample("text", "content-array"))[3]["content"] == [{"type": "text", "text": "Hello"}]
    assert [d["content"] for d in deltas_of(sample("text", "delta-cumulative")) if d.get("content")] == [
        "Hello",
        "Hello there",
    ]
    two = [d["content"] for d in deltas_of(sample("two", "delta-cumulative")) if d.get("content")]
    assert {"Hello there, you", "Bye now"} <= set(two)


def test_null_may_be_left_out() -> None:
    for name, key in {
        "refusal-missing": "refusal",
        "logprobs-missing": "logprobs",
        "usage-null-missing": "usage",
    }.items():
        assert f'"{key}":null'.encode() in body_of(sample("text"))
        assert f'"{key}":null'.encode() not in body_of(sample("text", name))
    assert deltas_of(sample("refusal", "refusal-missing"))[0]["refusal"] == ""
