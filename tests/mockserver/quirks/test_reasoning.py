"""Quirks of the reasoning."""

import json

from mockserver.quirks import QUIRKS
from tests.mockserver.quirks.bent import deltas_of, sample


def test_reasoning_has_many_names() -> None:
    keys = {name: list(deltas_of(sample("text", name))[1]) for name in QUIRKS if name.startswith("reasoning-")}
    assert keys == {
        "reasoning-null-beside": ["reasoning_content", "content"],
        "reasoning-both": ["reasoning_content", "reasoning"],
        "reasoning-field": ["reasoning"],
        "reasoning-details": ["reasoning_content", "reasoning_details"],
        "reasoning-parts": ["content"],
        "reasoning-missing": ["content"],
    }
    after = deltas_of(sample("text", "reasoning-null-beside"))
    assert [delta.get("reasoning_content", "absent") for delta in after] == ["", "Let", " me", None, None, None]
    assert after[0]["content"] is None, "from the first delta on"
    details = deltas_of(sample("text", "reasoning-details", "reasoning-field"))[1]["reasoning_details"]
    assert details == [{"type": "reasoning.text", "text": "Let", "format": "unknown", "index": 0}]
    parts = deltas_of(sample("text", "reasoning-parts"))[1]["content"]
    assert parts == [{"type": "thinking", "thinking": [{"type": "text", "text": "Let"}]}]
    assert not any("reasoning" in json.dumps(delta) for delta in deltas_of(sample("text", "reasoning-missing")))
