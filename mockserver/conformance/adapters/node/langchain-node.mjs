// @langchain/openai: `ChatOpenAI.stream`, its chunks added up; the sum is what is reported.
//
// It has no timeout for the next byte; the fetch given to it has one.

import { ChatOpenAI } from '@langchain/openai';

const lacks = ['custom_tools', 'function_call', 'n', 'reasoning', 'refusal'];

async function ask(line, outcome) {
  const { model: name, messages, tools } = line.request;
  let model = new ChatOpenAI({
    model: name, apiKey: 'test', maxRetries: line.retries, timeout: line.timeout_s * 1000, useResponsesApi: false,
    streamUsage: 'stream_options' in line.request, configuration: { baseURL: line.base_url, fetch: outcome.fetch },
  });
  if (tools) model = model.bindTools(tools);
  let total;
  for await (const chunk of outcome.each(await model.stream(messages))) {
    outcome.addText(chunk.text);
    total = total ? total.concat(chunk) : chunk;
  }
  for (const call of total?.tool_calls ?? []) outcome.addCall(call.id, call.name, call.args);
  for (const call of total?.invalid_tool_calls ?? []) outcome.addCall(call.id, call.name, call.args);
  const usage = total?.usage_metadata;
  outcome.finish(
    total?.response_metadata.finish_reason,
    usage && { prompt_tokens: usage.input_tokens, completion_tokens: usage.output_tokens });
}
