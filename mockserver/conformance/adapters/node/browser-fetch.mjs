// fetch in a page of headless Chromium: a loop written by hand over the reader of the response's body, as tutorials show it.
//
// fetch has no timeout for the next byte, so the page aborts when it has waited too long for a read. Where an abort finds Chromium
// between two of its own reads, it drains for 5 s (http_response_body_drainer.h): a request before it lets the next read begin.

const lacks = ['parsed_arguments', 'retries'];
const page = await Page.open(process.argv[2]);
const version = page.version;
const close = () => page.close();

async function read({ url, request, timeout_s, leave_after_chunks, read_pause_ms }) {
  const controller = new AbortController();
  const within = (promise) => {
    const timer = setTimeout(() => controller.abort(new Error('timeout')), timeout_s * 1000);
    return promise.finally(() => clearTimeout(timer));
  };
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(request) };
  const response = await within(fetch(url, { ...post, signal: controller.signal }));
  if (!response.ok) throw new Error(`status ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let count = 0, rest = ''; ;) {
    const { done, value } = await within(reader.read());
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const data of lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim())) {
      if (data === '[DONE]') return;
      const chunk = JSON.parse(data);
      if (chunk.error || !('choices' in chunk)) throw new Error(data);
      tell(JSON.stringify(chunk));
      if (++count === leave_after_chunks) return fetch('/', { method: 'HEAD' }).then(() => controller.abort());
      if (read_pause_ms) await new Promise((resume) => setTimeout(resume, read_pause_ms));
    }
  }
}

async function ask(line, outcome) {
  await page.visit(new URL('/', line.base_url).href);
  await page.run(read, { ...line, url: `${line.base_url}/chat/completions` }, (chunk) => outcome.addChunk(chunk));
}
