"""Quirks of the usage."""

from typing import Any

from mockserver.reply import Reply
from mockserver.stream import Stream
from tests.mockserver.quirks.bent import ask_stream, body_of, chunks_of, make_stream, sample


def usages(stream: Stream) -> list[Any]:
    return [chunk.get("usage", "absent") for chunk in chunks_of(stream)]


def counts(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def test_usage_may_be_missing_null_everywhere_or_empty() -> None:
    assert usages(sample("text", "usage-missing")) == ["absent"] * 6
    assert usages(sample("text", "usage-null", usage=False)) == [None] * 6
    assert usages(sample("text", "usage-null-missing"))[:-1] == ["absent"] * 6
    assert usages(sample("text", "usage-empty-object"))[-1] == {}
    assert usages(sample("text", "usage-unasked", usage=False))[-1]["completion_tokens"] == 4
    assert usages(sample("text", "usage-details-missing"))[-1] == counts(7, 4)
    cached = make_stream(Reply(content="a", usage=None), ask_stream(), ["usage-cache-tokens"])
    assert (usages(cached)[-1]["prompt_cache_hit_tokens"], usages(cached)[-1]["prompt_cache_miss_tokens"]) == (0, 7)


def test_usage_may_grow_with_every_chunk() -> None:
    grown = usages(sample("text", "usage-every-chunk", "usage-details-missing"))
    assert grown == [counts(7, said) for said in (0, 1, 2, 3, 4, 4, 4)]
    assert usages(sample("nothing", "usage-every-chunk", "usage-details-missing"))[0] == counts(7, 0)
    assert usages(sample("text", "usage-every-chunk", usage=False)) == ["absent"] * 6


def test_usage_may_come_with_the_finish_beside_a_choice_or_before_an_empty_chunk() -> None:
    with_finish = chunks_of(sample("text", "usage-with-finish"))
    assert (with_finish[-1]["choices"][0]["finish_reason"], with_finish[-1]["usage"]["completion_tokens"]) == (
        "stop",
        4,
    )
    with_choice = chunks_of(sample("text", "usage-with-choice", "content-empty-always", "finish-with-content"))
    assert with_choice[-1]["choices"][0]["delta"] == {"content": ""}
    assert [chunk["choices"][0]["finish_reason"] for chunk in with_choice[-2:]] == ["stop", "stop"]
    then_empty = chunks_of(sample("text", "usage-then-empty-chunk"))
    assert [(chunk["choices"], bool(chunk["usage"])) for chunk in then_empty[-2:]] == [([], True), ([], False)]
    for name in ("usage-with-finish", "usage-with-choice", "usage-then-empty-chunk"):
        assert body_of(sample("text", name, usage=False)) == body_of(sample("text", usage=False))
