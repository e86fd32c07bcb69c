"""httpx-sse with httpx: events from `connect_sse`, their data read as JSON until [DONE]."""

import json

import httpx
from httpx_sse import connect_sse

LACKS = ("parsed_arguments", "retries")
client = httpx.Client()


def ask(case, outcome):
    url = f"{case.base_url}/chat/completions"
    with connect_sse(client, "POST", url, json=case.request, timeout=case.timeout_s) as source:
        source.response.raise_for_status()
        for event in outcome.each(source.iter_sse()):
            if event.event == "error":
                raise RuntimeError(event.data)
            if event.event != "message":
                continue
            if event.data == "[DONE]":
                break
            chunk = json.loads(event.data)
            if "error" in chunk or "choices" not in chunk:
                raise RuntimeError(event.data)
            outcome.add_chunk(chunk)
