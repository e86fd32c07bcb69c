"""haystack: `OpenAIChatGenerator` with a streaming callback; the reply that it returns is what is reported."""

import time

from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret

LACKS = ("custom_tools", "function_call", "n", "reasoning", "refusal")


def ask(case, outcome):
    def tell(chunk):
        outcome.add_text(chunk.content)
        time.sleep(outcome.step())

    generator = OpenAIChatGenerator(
        model=case.request["model"], api_base_url=case.base_url, api_key=Secret.from_token("test"),
        timeout=case.timeout_s, max_retries=case.retries, streaming_callback=tell,
    )  # fmt: skip
    functions = [tool["function"] for tool in case.request.get("tools", ())]
    tools = [Tool(f["name"], f.get("description", ""), f["parameters"], print) for f in functions]
    options = {key: case.request[key] for key in ("stream_options",) if key in case.request}
    messages = [ChatMessage.from_user(message["content"]) for message in case.request["messages"]]
    [reply] = generator.run(messages, tools=tools or None, generation_kwargs=options)["replies"]
    for call in reply.tool_calls:
        outcome.add_call(call.id, call.tool_name, call.arguments)
    outcome.finish(reply.meta.get("finish_reason"), reply.meta.get("usage"))
