"""`mockserver serve`, as typer reads and explains it. What it does is in `serving.py`."""

import typer

from mockserver.cli import serve_options as told
from mockserver.cli.options import DEFAULT_PORT, LogLevel, ServeOptions, leave_on_signals

EXAMPLES = """\b
[bold]Examples[/bold]
  mockserver serve                           answers everything, on port 8000
  mockserver serve --port 0                  on a free port, which it prints
  mockserver serve chat.yaml more/ --strict  404 for what no scenario matches
  mockserver serve slow.yaml --time-scale 0  all pauses at once
  mockserver serve --model gpt-4o            404 for every other model
"""


def serve(
    context: typer.Context,
    files: told.Files = None,
    host: told.Host = "127.0.0.1",
    port: told.Port = DEFAULT_PORT,
    api_key: told.ApiKey = None,
    models: told.Models = None,
    strict: told.Strict = False,
    seed: told.Seed = 0,
    time_scale: told.TimeScale = 1.0,
    tokenizer: told.TokenizerName = "approximate",
    max_lateness: told.MaxLateness = "50ms",
    log_level: told.LogLevel = LogLevel.INFO,
) -> int:
    """Serve chat completions as the scenarios say, until Ctrl-C or SIGTERM.

    With no file it answers everything: the prompts of OpenAI's streaming guide as the guide shows them, anything else with a
    text made from the request. Your scenarios are asked first, in the order given.

    Prints the base URL and the lines to paste where your program runs; then a line on stderr for each request.
    """
    from mockserver.cli.serving import run_server

    leave_on_signals()
    options = ServeOptions(
        files=tuple(files or ()),
        host=host,
        port=port,
        api_key=api_key,
        models=tuple(models or ()),
        strict=strict,
        seed=seed,
        time_scale=time_scale,
        tokenizer=tokenizer,
        max_lateness=max_lateness,
        log_level=log_level,
    )
    return run_server(options, debug=bool(context.obj))
