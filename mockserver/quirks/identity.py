"""Quirks of what all chunks of a stream share: id, created, model, object, fingerprint, tier."""

from collections.abc import Iterator
from typing import Any

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Quirk, drop, each_chunk, put


def _float_created(data: dict[str, Any]) -> None:
    data["created"] += 0.25


def _change_ids(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for count, chunk in enumerate(chunks):
        chunk.data["id"] = f"{chunk.data['id']}-{count}"
        yield chunk


def _change_fingerprint(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for count, chunk in enumerate(chunks):
        if count % 3 == 2:
            del chunk.data["system_fingerprint"]
        else:
            chunk.data["system_fingerprint"] = None if count % 3 else f"fp_{count:010x}"
        yield chunk


TABLE = (
    Quirk("id-changes", "every chunk has another id", "old LiteLLM, Foundry Local, open-webui", _change_ids),
    Quirk("id-empty", 'id is ""', "TGI", each_chunk(put("id", ""))),
    Quirk("id-missing", "no chunk has an id", "small servers", each_chunk(drop("id"))),
    Quirk("created-float", "created has a fraction", "Python servers", each_chunk(_float_created)),
    Quirk("created-zero", "created is 0", "small servers", each_chunk(put("created", 0))),
    Quirk("created-missing", "no chunk has a time of creation", "small servers", each_chunk(drop("created"))),
    Quirk("model-empty", 'model is ""', "gateways", each_chunk(put("model", ""))),
    Quirk("object-missing", "no chunk says what object it is", "small servers", each_chunk(drop("object"))),
    Quirk("fingerprint-changes", "system_fingerprint is set, null or absent in turn", "gateways", _change_fingerprint),
    Quirk("fingerprint-missing", "no chunk has a system_fingerprint", "vLLM, Mistral, Gemini",
          each_chunk(drop("system_fingerprint"))),
    Quirk("tier-unknown", "service_tier has a value that OpenAI does not know", "Groq",
          each_chunk(put("service_tier", "on_demand"))),
    Quirk("tier-missing", "no chunk has a service_tier", "everybody but OpenAI", each_chunk(drop("service_tier"))),
    Quirk("obfuscation-missing", "no chunk has an obfuscation", "everybody but OpenAI and Azure",
          each_chunk(drop("obfuscation"))),
)  # fmt: skip
"""Every quirk of this kind."""
