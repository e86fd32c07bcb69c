"""sseclient-py with requests: events from `SSEClient`, their data read as JSON until [DONE]."""

import json

import requests
from sseclient import SSEClient

LACKS = ("retries",)
session = requests.Session()


def ask(case, outcome):
    url = f"{case.base_url}/chat/completions"
    with session.post(url, json=case.request, stream=True, timeout=case.timeout_s) as response:
        response.raise_for_status()
        for event in outcome.each(SSEClient(response).events()):
            if event.data == "[DONE]":
                break
            chunk = json.loads(event.data)
            if "error" in chunk:
                raise RuntimeError(chunk["error"])
            outcome.add_chunk(chunk)
