// openai (npm): `create({stream: true})`, each chunk read in a loop.
//
// Its timeout ends at the headers; for the rest of the answer, the fetch given to it has one.

import OpenAI from 'openai';

const lacks = ['parsed_arguments'];

async function ask(line, outcome) {
  const client = new OpenAI({
    baseURL: line.base_url, apiKey: 'test', maxRetries: line.retries, timeout: line.timeout_s * 1000, fetch: outcome.fetch,
  });
  for await (const chunk of outcome.each(await client.chat.completions.create(line.request))) {
    outcome.addChunk(chunk);
  }
}
