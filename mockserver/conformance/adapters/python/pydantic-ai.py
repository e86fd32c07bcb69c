"""pydantic-ai: `direct.model_request_stream`, which is the model without the agent's loop; its response at the end."""

from openai import AsyncOpenAI
from pydantic_ai import ModelRequest, ToolDefinition
from pydantic_ai.direct import model_request_stream
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

LACKS = ("custom_tools", "function_call", "n", "parsed_arguments", "refusal")
client = AsyncOpenAI(base_url="http://127.0.0.1/v1", api_key="test")


async def ask(case, outcome):
    own = client.with_options(base_url=case.base_url, timeout=case.timeout_s, max_retries=case.retries)
    model = OpenAIChatModel(case.request["model"], provider=OpenAIProvider(openai_client=own))
    functions = [tool["function"] for tool in case.request.get("tools", ())]
    tools = [ToolDefinition(name=f["name"], parameters_json_schema=f["parameters"]) for f in functions]
    messages = [ModelRequest.user_text_prompt(case.request["messages"][-1]["content"])]
    parameters = ModelRequestParameters(function_tools=tools)
    async with model_request_stream(model, messages, model_request_parameters=parameters) as stream:
        async for event in outcome.each_async(stream):
            if event.event_kind == "part_start" and event.part.part_kind == "text":
                outcome.add_text(event.part.content)
            elif event.event_kind == "part_delta" and event.delta.part_delta_kind == "text":
                outcome.add_text(event.delta.content_delta)
        response = stream.get()
    outcome.add_message({"content": response.text, "reasoning": response.thinking})
    for call in response.tool_calls:
        arguments = call.args if isinstance(call.args, str) else call.args_as_json_str()
        outcome.add_call(call.tool_call_id, call.tool_name, arguments)
    usage = {"prompt_tokens": response.usage.input_tokens, "completion_tokens": response.usage.output_tokens}
    outcome.finish((response.provider_details or {}).get("finish_reason"), usage)
