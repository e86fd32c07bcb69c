"""autogen-ext: `OpenAIChatCompletionClient.create_stream`; the `CreateResult` at its end is what is reported."""

from autogen_core.models import UserMessage
from autogen_ext.models.openai import OpenAIChatCompletionClient

LACKS = ("audio", "custom_tools", "function_call", "n", "parsed_arguments", "reasoning", "refusal")
OPENAI_WORD = {"function_calls": "tool_calls", "unknown": None}


async def ask(case, outcome):
    client = OpenAIChatCompletionClient(
        model=case.request["model"], base_url=case.base_url, api_key="test",
        timeout=case.timeout_s, max_retries=case.retries,
    )  # fmt: skip
    messages = [UserMessage(content=message["content"], source="user") for message in case.request["messages"]]
    tools = [tool["function"] for tool in case.request.get("tools", ())]
    usage = "stream_options" in case.request
    async for item in outcome.each_async(client.create_stream(messages, tools=tools, include_usage=usage or None)):
        if isinstance(item, str):
            outcome.add_text(item)
            continue
        if isinstance(item.content, str):
            outcome.add_message({"content": item.content})
        else:
            outcome.add_message({"content": item.thought})
            for call in item.content:
                outcome.add_call(call.id, call.name, call.arguments)
        outcome.finish(OPENAI_WORD.get(item.finish_reason, item.finish_reason), vars(item.usage))
