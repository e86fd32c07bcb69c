"""sseclient-py with requests: events from `SSEClient`, their data read as JSON until [DONE]."""

import json

import requests
from sseclient import SSEClient

LACKS = ("parsed_arguments", "retries")
session = requests.Session()


def ask(case, outcome):
    url = f"{case.base_url}/chat/completions"
    with session.post(url, json=case.request, stream=True, timeout=case.timeout_s) as response:
        response.raise_for_status()
        if "text/event-stream" not in response.headers.get("content-type", "").lower():
            raise RuntimeError(f"no event stream: {response.text[:200]}")
        for event in outcome.each(SSEClient(response).events()):
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
