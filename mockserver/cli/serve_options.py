"""What `mockserver serve` may be told: one type for each option, with its name on the command line and its help."""

from typing import Annotated

import typer

from mockserver.cli.options import LogLevel as Level

Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE|FOLDER", help="Scenario files (YAML or JSON), or folders of them."),
]
Host = Annotated[
    str, typer.Option(help="The address to listen on. Anything but this machine's own is reached by others.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0: a free one.")]
ApiKey = Annotated[
    str | None, typer.Option(metavar="KEY", help="The key that requests must have. Default: any will do.")
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="A model there is; may be repeated. Default: every name."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Answer 404 to what no scenario of yours matches, and say why.")]
Seed = Annotated[int, typer.Option(help="Decides all that varies: the same seed gives the same bytes.")]
TimeScale = Annotated[float, typer.Option(min=0, metavar="X", help="Stretches all pauses; 0: no pauses at all.")]
TokenizerName = Annotated[str, typer.Option(metavar="NAME", help="approximate, or tiktoken:PATH/o200k_base.tiktoken.")]
MaxLateness = Annotated[
    str, typer.Option(metavar="TIME", help="Warn when a write leaves later than this, as the machine is too busy.")
]
LogLevel = Annotated[Level, typer.Option(help="What is told on stderr; info: a line for each request.")]
