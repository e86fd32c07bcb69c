"""agno: `OpenAIChat.process_response_stream`, which is the model without the agent that runs tools."""

from agno.models.base import MessageData
from agno.models.message import Message
from agno.models.openai import OpenAIChat

LACKS = ("custom_tools", "finish_reason", "function_call", "n", "parsed_arguments", "refusal")


def ask(case, outcome):
    model = OpenAIChat(
        id=case.request["model"], base_url=case.base_url, api_key="test",
        timeout=case.timeout_s, max_retries=case.retries,
    )  # fmt: skip
    messages = [Message(role=message["role"], content=message["content"]) for message in case.request["messages"]]
    reply, data = Message(role="assistant"), MessageData()
    stream = model.process_response_stream(messages, reply, data, tools=case.request.get("tools"))
    for delta in outcome.each(stream):
        outcome.add_text(delta.content)
    outcome.add_message({"content": reply.content, "reasoning": reply.reasoning_content})
    for call in reply.tool_calls or ():
        outcome.add_call(call["id"], call["function"]["name"], call["function"]["arguments"])
    usage = reply.metrics
    outcome.usage = {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens}
