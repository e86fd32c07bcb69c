"""Quirks of what all chunks share."""

from typing import Any

import pytest

from tests.mockserver.quirks.bent import chunks_of, sample


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("id-empty", "id", [""] * 3),
        ("id-changes", "id", ["chatcmpl-1-0", "chatcmpl-1-1", "chatcmpl-1-2"]),
        ("id-missing", "id", ["absent"] * 3),
        ("created-zero", "created", [0] * 3),
        ("created-float", "created", [1_700_000_000.25] * 3),
        ("created-missing", "created", ["absent"] * 3),
        ("model-empty", "model", [""] * 3),
        ("object-missing", "object", ["absent"] * 3),
        ("fingerprint-changes", "system_fingerprint", ["fp_0000000000", None, "absent"]),
        ("fingerprint-missing", "system_fingerprint", ["absent"] * 3),
        ("tier-unknown", "service_tier", ["on_demand"] * 3),
        ("tier-missing", "service_tier", ["absent"] * 3),
        ("obfuscation-missing", "obfuscation", ["absent"] * 3),
    ],
)
def test_what_all_chunks_share_may_be_otherwise(name: str, key: str, values: list[Any]) -> None:
    assert [chunk.get(key, "absent") for chunk in chunks_of(sample("text", name))[:3]] == values
