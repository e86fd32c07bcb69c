"""What `mockserver check` may be told: one type for each option, with its name on the command line and its help."""

from typing import Annotated

import typer

Command = Annotated[list[str] | None, typer.Argument(metavar="-- COMMAND", help="The consumer's program.")]
Consumer = Annotated[
    str | None, typer.Option(metavar="NAME", help="A consumer that an adapter is ready for, in place of COMMAND.")
]
Python = Annotated[str | None, typer.Option(metavar="PATH", help="The Python that has it; default: this one.")]
Node = Annotated[str | None, typer.Option(metavar="PATH", help="The Node that runs it, in this folder.")]
Browser = Annotated[str | None, typer.Option(metavar="PATH", help="The Chromium that runs it.")]
ListConsumers = Annotated[bool, typer.Option("--list-consumers", help="List the ready adapters and leave.")]
RunGlobs = Annotated[list[str] | None, typer.Option("--run", metavar="GLOB", help="Only cases with such ids.")]
SkipGlobs = Annotated[list[str] | None, typer.Option("--skip", metavar="GLOB", help="No cases with such ids.")]
Classes = Annotated[list[str] | None, typer.Option("--class", metavar="CLASS", help="Only cases of this class.")]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="Cases at once, each with a program of its own.")]
TimeLimit = Annotated[float, typer.Option(metavar="SECONDS", help="How long a case may take.")]
Spawn = Annotated[
    bool, typer.Option("--spawn", help="Start the program anew for each case, told by environment variables.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Weak fails the run too.")]
Baseline = Annotated[
    str | None, typer.Option(metavar="FILE", help="Known failures; one that passes now fails the run.")
]
NewBaseline = Annotated[str | None, typer.Option(metavar="FILE", help="Write what fails now as a baseline.")]
Html = Annotated[str | None, typer.Option(metavar="FILE", help="Write a page with all the evidence.")]
Json = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the results for machines.")]
JUnit = Annotated[str | None, typer.Option(metavar="FILE", help="Write JUnit XML, for CI.")]
Markdown = Annotated[str | None, typer.Option(metavar="FILE", help="Write Markdown, for a pull request.")]
Seed = Annotated[int, typer.Option(help="The seed of all that varies.")]
Scenarios = Annotated[
    list[str] | None, typer.Option(metavar="FILE", help="Judge by the scenarios of a file, in place of the cases.")
]
Url = Annotated[
    bool, typer.Option("--url", help="Start nothing: serve the cases, and judge what the consumer posts back.")
]
Host = Annotated[str, typer.Option(help="With --url: the address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="With --url: the port; 0: a free one.")]
ListCases = Annotated[bool, typer.Option("--list-cases", help="List the cases and leave.")]
