"""instructor: `create_partial` over an OpenAI client; the last partial object is what is reported, as one tool call.

The response model is made of the case's tool, every field optional.
"""

from typing import Any

import instructor
from openai import OpenAI
from pydantic import create_model

LACKS = (
    "content", "custom_tools", "finish_reason", "function_call", "n", "parallel_tools", "reasoning", "refusal",
    "tool_ids", "usage",
)  # fmt: skip
client = OpenAI(base_url="http://127.0.0.1/v1", api_key="test")


def ask(case, outcome):
    own = client.with_options(base_url=case.base_url, timeout=case.timeout_s, max_retries=case.retries)
    function = case.request["tools"][0]["function"]
    fields = dict.fromkeys(function["parameters"]["properties"], (Any, None))
    model = create_model(function["name"], **fields)
    partials = instructor.from_openai(own).create_partial(
        response_model=model, model=case.request["model"], messages=case.request["messages"]
    )
    last = None
    for partial in outcome.each(partials):
        last = partial
    if last is not None:
        outcome.add_call(None, function["name"], last.model_dump_json(exclude_none=True))
