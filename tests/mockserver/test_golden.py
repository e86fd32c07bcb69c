"""The shapes of a stream, one file for each kind, written down chunk by chunk as OpenAI sends them.

A file has `about`, the `request` (its parameters) and the `reply` (as a scenario file writes it); then what `all_chunks` share,
the rest of each of the `chunks`, and the `completion` that a request without `stream` gets. The order of keys counts.
The shapes were checked against recorded streams of the real API; the words are ours.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from mockserver.chunks import obfuscate
from mockserver.reply import Reply
from mockserver.scenario import convert
from tests.mockserver.strategies_local import ask, stream, whole

GOLDEN = {path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "golden").glob("*.json"))}


def in_order(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def test_there_is_a_file_for_every_kind() -> None:
    kinds = {"text", "tool_call", "parallel_tool_calls", "two_choices", "usage", "refusal", "function_call"}
    assert kinds <= GOLDEN.keys()


@pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN.keys())
def test_a_stream_is_sent_chunk_by_chunk_as_written_down(golden: dict[str, Any]) -> None:
    chunks = stream(convert(golden["reply"], Reply), ask(**golden["request"]))
    sent = [chunk.data for chunk in obfuscate(chunks, "7")]
    for chunk in sent:
        if "obfuscation" in chunk:
            chunk["obfuscation"] = "x" * len(chunk["obfuscation"])
    expected = [{**golden["all_chunks"], **rest} for rest in golden["chunks"]]
    assert [in_order(chunk) for chunk in sent] == [in_order(chunk) for chunk in expected]


@pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN.keys())
def test_the_whole_answer_is_as_written_down(golden: dict[str, Any]) -> None:
    parameters = {key: value for key, value in golden["request"].items() if not key.startswith("stream")}
    completion = whole(convert(golden["reply"], Reply), ask(**parameters))
    assert in_order(completion) == in_order(golden["completion"])
