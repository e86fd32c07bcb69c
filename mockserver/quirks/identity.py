"""Quirks of what all chunks of a stream share: id, created, model, object, fingerprint, unknown keys."""

from collections.abc import Iterator
from typing import Any

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Quirk, each_chunk


def _set(key: str, value: Any) -> Any:
    def change(data: dict[str, Any]) -> None:
        data[key] = value

    return each_chunk(change)


def _drop(*keys: str) -> Any:
    def change(data: dict[str, Any]) -> None:
        for key in keys:
            data.pop(key, None)

    return each_chunk(change)


def _float_created(data: dict[str, Any]) -> None:
    data["created"] = float(data["created"]) + 0.25


def _change_ids(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for count, chunk in enumerate(chunks):
        chunk.data["id"] = f"{chunk.data['id']}-{count}"
        yield chunk


def _change_fingerprint(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for count, chunk in enumerate(chunks):
        if count % 3 == 2:
            chunk.data.pop("system_fingerprint", None)
        else:
            chunk.data["system_fingerprint"] = None if count % 3 else f"fp_{count:010x}"
        yield chunk


def _add_unknown(data: dict[str, Any]) -> None:
    data["x_unknown"] = {"nested": [1, None, "two"]}
    for choice in data["choices"]:
        choice["x_unknown"] = True
        choice["delta"]["x_unknown"] = "in the delta"
        for piece in choice["delta"].get("tool_calls", ()):
            piece["x_unknown"] = 0


TABLE = (
    Quirk("id-empty", 'id is ""', "TGI", _set("id", "")),
    Quirk("id-changes", "every chunk has another id", "old LiteLLM, Foundry Local, open-webui", _change_ids),
    Quirk("id-missing", "no chunk has an id", "small servers", _drop("id")),
    Quirk("created-zero", "created is 0", "small servers", _set("created", 0)),
    Quirk("created-float", "created has a fraction", "Python servers", each_chunk(_float_created)),
    Quirk("created-missing", "no chunk has a time of creation", "small servers", _drop("created")),
    Quirk("model-empty", 'model is ""', "Azure, gateways", _set("model", "")),
    Quirk("object-missing", "no chunk says what object it is", "small servers", _drop("object")),
    Quirk("fingerprint-changes", "system_fingerprint is set, null or absent in turn", "gateways", _change_fingerprint),
    Quirk("fingerprint-missing", "no chunk has a system_fingerprint", "everybody but OpenAI", _drop("system_fingerprint")),
    Quirk("tier-missing", "no chunk has a service_tier", "everybody but OpenAI", _drop("service_tier")),
    Quirk("tier-unknown", "service_tier has a value that OpenAI does not know", "Groq", _set("service_tier", "on_demand")),
    Quirk("obfuscation-missing", "no chunk has an obfuscation", "everybody but OpenAI", _drop("obfuscation")),
    Quirk("unknown-keys", "unknown keys stand at every level", "all providers", each_chunk(_add_unknown)),
)  # fmt: skip
"""Every quirk of this kind."""
