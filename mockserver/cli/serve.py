"""`mockserver serve`, as typer reads and explains it. What it does is in `serving.py`."""

from typing import Annotated

import typer

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
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|FOLDER", help="Scenario files (YAML or JSON), or folders of them."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on. Anything but this machine's own is reached by others.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0: a free one.")] = DEFAULT_PORT,
    api_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The key that requests must have. Default: any will do.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A model there is; may be repeated. Default: every name.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Answer 404 to what no scenario of yours matches, and say why.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Decides all that varies: the same seed gives the same bytes.")] = 0,
    time_scale: Annotated[
        float, typer.Option(min=0, metavar="X", help="Stretches all pauses; 0: no pauses at all.")
    ] = 1.0,
    tokenizer: Annotated[
        str, typer.Option(metavar="NAME", help="approximate, or tiktoken:PATH/o200k_base.tiktoken.")
    ] = "approximate",
    max_lateness: Annotated[
        str, typer.Option(metavar="TIME", help="Warn when a write leaves later than this, as the machine is too busy.")
    ] = "50ms",
    log_level: Annotated[
        LogLevel, typer.Option(help="What is told on stderr; info: a line for each request.")
    ] = LogLevel.INFO,
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
        models=tuple(model or ()),
        strict=strict,
        seed=seed,
        time_scale=time_scale,
        tokenizer=tokenizer,
        max_lateness=max_lateness,
        log_level=log_level,
    )
    return run_server(options, debug=bool(context.obj))
