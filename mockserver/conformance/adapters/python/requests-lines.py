"""A loop written by hand over `iter_lines` of requests, as tutorials show it."""

import json

import requests

LACKS = ("parsed_arguments", "retries")
session = requests.Session()


def ask(case, outcome):
    url = f"{case.base_url}/chat/completions"
    with session.post(url, json=case.request, stream=True, timeout=case.timeout_s) as response:
        response.raise_for_status()
        for line in outcome.each(response.iter_lines()):
            if not line.startswith(b"data:"):
                continue
            data = line.decode("utf-8").removeprefix("data:").strip()
            if data == "[DONE]":
                break
            chunk = json.loads(data)
            if "error" in chunk or "choices" not in chunk:
                raise RuntimeError(data)
            outcome.add_chunk(chunk)
