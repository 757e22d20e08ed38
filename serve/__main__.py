"""The command `serve` as it is typed: sub-commands and options, each with its help. What they do is in `commands`.

Nothing is imported before it is known what is asked for, so that `serve --help`, `serve status` and completion answer
at once, and the server alone pays for what a server needs.
"""

from pathlib import Path
from typing import Annotated

import typer

from serve.access import command as key
from serve.commands.group import Commands

_FOLLOWS = """Pull, verify and serve what models.dvc pins; follow it as git changes it.

Without a sub-command it serves. Every setting is an environment variable, as PINION_BATCH__MAX_ROWS: docs/settings.md.
"""
_PREPARE = "Pull, verify and build all that serving needs, then stop: for images, and for machines without a network."
_HISTORY = (
    "List what was released when, by whom, with what it changed; from git, and which is live where a server answers."
    "\n\nPackages and signatures are compared where both releases are on this machine; "
    "serve plan REVISION fetches the rest."
)
_STATUS = (
    "Say what a running server does: what is live, since when, workers, queue, rates, latencies, the last releases."
    "\n\nExit code 0: it is ready; 1: it is not; 2: it does not answer, or does not let you in."
)
_PLAN = (
    "Say what would change if that revision's models.dvc were checked out, and pull and verify it; nothing goes live."
    "\n\nIt is compared with what is live in the server where one answers, else with HEAD. "
    "Exit code 0: it could be checked out; 1: it could not be pulled or verified; "
    "3: with --strict, callers would have to change."
)
_EXAMPLE_HELP = "Print a request that a live model answers, as its promotion recorded it."
_EXAMPLE_USE = (
    "Example: serve example digits | "
    "curl -H 'Content-Type: application/json' -d @- localhost:8000/models/digits/predict"
)
_DOCTOR = (
    "Look at this machine, the repository, its remote and the settings; say what is wrong, and how to mend it."
    "\n\nExit code 1 where something would keep it from serving."
)
_EXAMPLE = "Example: serve --port 9000, then in another terminal: serve status"

cli = typer.Typer(cls=Commands, help=_FOLLOWS, epilog=_EXAMPLE, add_completion=True, pretty_exceptions_enable=False)
cli.add_typer(key.cli, name="key")


def _revisions(incomplete: str) -> list[tuple[str, str]]:
    """The releases of this repository, for the shell."""
    from serve.artifact import history

    found = history.releases(Path(), most=50)
    return [(one.revision[:12], one.subject) for one in found if one.revision.startswith(incomplete)]


def _models(incomplete: str) -> list[str]:
    """The models that models.dvc pins here, for the shell."""
    from serve.artifact import history

    pins = [one.pin for one in history.releases(Path(), most=1) if one.pin is not None]
    return [model.name for pin in pins for model in pin.models if model.name.startswith(incomplete)]


Repo = Annotated[
    Path | None, typer.Option(help="The git repository that holds models.dvc.", show_default=".", readable=False)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for programs.")]
Url = Annotated[
    str | None,
    typer.Option(
        help="The server to ask; its control port where it has one.",
        envvar="PINION_URL",
        show_default="where the settings have it listen",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(help="A key or token that the server lets in.", envvar="PINION_API_KEY", show_default=False),
]
Ca = Annotated[Path | None, typer.Option(help="PEM file of who signed the server's certificate.", show_default=False)]


@cli.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: a free one.", show_default="8000")] = None,
    repo: Repo = None,
    workers: Annotated[int | None, typer.Option(help="Workers for each model.", show_default="1")] = None,
) -> None:
    """Serve."""
    if context.invoked_subcommand is not None:
        context.obj = repo
        return
    from serve.commands import given, serving

    serving.serve(given.settings(repo, http={"host": host, "port": port}, worker={"count": workers}))


@cli.command(help=_PREPARE, epilog="Example: serve prepare, as the last step of building an image")
def prepare(context: typer.Context, repo: Repo = None) -> None:
    """`serve prepare`."""
    from serve.commands import given
    from serve.commands import prepare as preparing

    preparing.prepare(given.settings(repo or context.obj))


@cli.command(help=_HISTORY, epilog="Example: serve history --limit 5, or for a program: serve history --json")
def history(
    context: typer.Context,
    repo: Repo = None,
    limit: Annotated[int, typer.Option(help="At most so many releases, the newest.", min=1, max=10_000)] = 20,
    url: Url = None,
    api_key: ApiKey = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """`serve history`."""
    from serve.commands import given
    from serve.commands import history as past

    past.history(given.settings(repo or context.obj), past.Asked(limit, url, api_key, ca, as_json))


@cli.command(
    help=_STATUS, epilog="Example: serve status --watch, or serve status --url https://models.example.org --json"
)
def status(
    context: typer.Context,
    url: Url = None,
    api_key: ApiKey = None,
    ca: Ca = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every --seconds, until Ctrl-C.")] = False,
    seconds: Annotated[
        float, typer.Option(help="Rates and latencies are those of so many seconds; 0: since the server began.", min=0)
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """`serve status`."""
    from serve.commands import status as asking

    asking.status(asking.Asked(url, api_key, ca, watch, seconds, as_json), context.obj)


@cli.command(help=_PLAN, epilog="Example: serve plan v1.4, then: git checkout v1.4 -- models.dvc")
def plan(
    context: typer.Context,
    revision: Annotated[
        str | None,
        typer.Argument(
            help="A commit, tag or branch.", autocompletion=_revisions, show_default="the work tree's models.dvc"
        ),
    ] = None,
    repo: Repo = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Compare only: pull and verify nothing but small files.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 3 where a change breaks callers.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """`serve plan`."""
    from serve.commands import given
    from serve.commands import plan as planning

    asked = planning.Asked(revision, quick, strict, url, api_key, ca, as_json)
    planning.plan(given.settings(repo or context.obj), asked)


@cli.command(help=_DOCTOR, epilog="Example: serve doctor, before the first serve on a machine or in a container")
def doctor(context: typer.Context, repo: Repo = None, as_json: Json = False) -> None:
    """`serve doctor`."""
    from serve.commands import doctor as looking

    looking.doctor(repo or context.obj, as_json)


@cli.command(help=_EXAMPLE_HELP, epilog=_EXAMPLE_USE)
def example(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="Of which model.", autocompletion=_models, show_default="the only one")
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    ca: Ca = None,
) -> None:
    """`serve example`."""
    from serve.commands import example as showing

    showing.example(showing.Asked(model, url, api_key, ca), context.obj)


def main() -> None:
    """Entry point of the console script."""
    cli()


if __name__ == "__main__":
    main()
