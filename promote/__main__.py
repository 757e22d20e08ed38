"""The command `promote`: one model into models.dvc, or the list of those that might be.

`promote URI`, `promote --best METRIC --experiment E`, `promote candidates --experiment E --metric M`. Progress
goes to stderr, the revision to stdout. Exit code 1 where a promotion is refused, 2 where the command is wrong.
"""

import contextlib
import logging
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("UV_HTTP_TIMEOUT", "10")  # uv tries four times: an index that hangs is told within a minute

from promote import field, git, ready, sign, source  # after the environment that mlflow reads as it is imported
from promote.errors import PromotionRefused, plain
from promote.plan import Patience, Plan
from promote.progress import Progress, Terminal
from promote.promotion import run
from promote.sign import Signer
from serve import log as serve_log
from serve.artifact.fetch import Store
from serve.artifact.pin import is_name
from serve.errors import ServeError
from serve.settings import Settings


class _DefaultCommand(TyperGroup):
    """`promote X` means `promote artifact X`; only `candidates` needs its name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in _OF_THE_GROUP:
            args = ["artifact", *args]
        return super().parse_args(ctx, args)


_OF_THE_GROUP = ("--help", "--install-completion", "--show-completion")

_HELP = """Make one MLflow model canonical: judge it, rehearse it as it will be served, push it, commit models.dvc.

The model is runs:/…, models:/…, a run id or a folder; or an experiment's best. All options: promote artifact --help.
"""
cli = typer.Typer(
    cls=_DefaultCommand,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=_HELP,
    options_metavar="",
    subcommand_metavar="MODEL | --best METRIC --experiment E | candidates",
)

Repo = Annotated[Path, typer.Option(help="The git repository that holds models.dvc.")]
# Nobody waits for an answer here, and a push is slower than a pull: so an hour, unless it is said.
Transfer = Annotated[float, typer.Option(help="How long a download, a push or a pull may take.", min=1)]
Lower = Annotated[bool | None, typer.Option("--lower/--higher", help="Which is better; the metric's name says.")]


@cli.command(
    options_metavar="[OPTIONS]",
    epilog="Examples: promote --best val_accuracy --experiment digits, or promote runs:/RUN_ID/model --name churn",
)
def artifact(
    uri: Annotated[
        str | None, typer.Argument(help="runs:/…, models:/…, a run id (8 digits will do), or a folder.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name to serve it under; its experiment's otherwise.")] = None,
    best: Annotated[str | None, typer.Option(help="Pick the best run by this metric.", metavar="METRIC")] = None,
    experiment: Annotated[str | None, typer.Option(help="With --best: among this experiment's runs.")] = None,
    lower: Lower = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge and rehearse; change nothing.")] = False,
    signing_key: Annotated[
        Path | None, typer.Option("--sign", help="Sign it with this private key (PEM, elliptic curve).", metavar="KEY")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="With --sign: the key's certificate (PEM).")] = None,
    chain: Annotated[list[Path] | None, typer.Option(help="With --certificate: what issued it (PEM).")] = None,
    no_pickle: Annotated[bool, typer.Option("--no-pickle", help="Refuse a model that holds pickles.")] = False,
    transfer_seconds: Transfer = 3600.0,
    repo: Repo = Path(),
) -> None:
    """Pin one model: judge it, rehearse it as it will be served, push it, commit models.dvc."""
    _quiet()
    with _refusals(), Progress(Terminal()) as progress:
        repo = repo.resolve()
        ready.require(repo)
        signer = _signer(signing_key, certificate, chain or ())
        progress.begins("asking MLflow")
        candidate = _chosen(repo, uri, best, experiment, lower)
        plan = _plan(repo, candidate, _name(name, candidate), dry_run, transfer_seconds)
        plan = replace(plan, signer=signer, allow_pickle=plan.allow_pickle and not no_pickle)
        revision = run(plan, progress)
    if revision:
        _tell(revision)


@cli.command(
    options_metavar="[OPTIONS]", epilog="Example: promote candidates --experiment digits --metric val_accuracy"
)
def candidates(
    experiment: Annotated[str, typer.Option(help="The experiment whose runs to list.")],
    metric: Annotated[str, typer.Option(help="The metric to sort by.")],
    lower: Lower = None,
    repo: Repo = Path(),
) -> None:
    """List the field: an experiment's finished runs with a model, the best first."""
    _quiet()
    with _refusals():
        found = field.candidates(
            repo.resolve(), experiment, metric, field.lower_is_better(metric) if lower is None else lower
        )
    table = Table(box=None, pad_edge=False)
    for heading in ("", "run", "name", plain(metric, 40), "model", "promoted"):
        table.add_column(Text(heading), overflow="fold")  # what may be copied from here is never cut short
    for place, one in enumerate(found, 1):
        revision = one.data.tags.get("pinion.revision", "")
        models = plain(" ".join(source.references(one)), 400)
        figure, name = f"{one.data.metrics[metric]:.6g}", plain(one.info.run_name or "", 40)
        cells = (str(place), one.info.run_id, name, figure, models, plain(revision, 12))
        table.add_row(*map(Text, cells))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _chosen(
    repo: Path, uri: str | None, best: str | None, experiment: str | None, lower: bool | None
) -> source.Candidate:
    if (uri is None) == (best is None):
        _refuse("give either a model (runs:/…, models:/…, a run id, a folder) or --best METRIC --experiment E", 2)
    if best is None:
        return source.find(str(uri), repo)
    if experiment is None:
        _refuse("--best needs --experiment: in which experiment is the best to be found?", 2)
    return field.best(repo, experiment, best, field.lower_is_better(best) if lower is None else lower)


def _name(given: str | None, candidate: source.Candidate) -> str:
    """The name asked for, else that of the registered model, of the experiment, or of the folder."""
    registered = candidate.registered[0] if candidate.registered else ""
    name = given or registered or candidate.experiment or Path(candidate.uri).name
    if given is None:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64]
    if not is_name(name):
        _refuse(f"'{plain(name, 80)}' can't be a model's name: letters, digits, '.', '_', '-', up to 64; see --name", 2)
    return name


def _tell(revision: str) -> None:
    try:
        typer.echo(revision)
    except OSError as error:
        _refuse(f"the promotion is done ({revision}), but stdout can't be written: {error.strerror}")


def _plan(repo: Path, candidate: source.Candidate, name: str, dry_run: bool, transfer_seconds: float) -> Plan:
    """As patient as the server's own settings are, in the same state folder, so that both share environments."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        _refuse(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}", 2)
    patience = Patience(
        settings.worker.build_timeout_seconds,
        settings.worker.load_timeout_seconds,
        settings.rollout.golden_timeout_seconds,
        transfer_seconds,
    )
    state = (settings.artifact.state or repo / ".pinion").resolve()
    state.mkdir(parents=True, exist_ok=True)
    (state / ".gitignore").write_text("*\n", encoding="utf-8")
    return Plan(
        candidate,
        name,
        Store(repo, state, author=True),
        patience,
        dry_run,
        allow_pickle=settings.trust.allow_pickle,
        from_source=settings.worker.build_from_source,
        confinement=settings.confinement,
    )


def _signer(key: Path | None, certificate: Path | None, chain: Sequence[Path]) -> Signer | None:
    """Who signs, where anyone does; seen to be able to before any work is done."""
    if key is None:
        if certificate is not None or chain:
            _refuse("--certificate and --chain need --sign: the private key", 2)
        return None
    return sign.signer(key, certificate, chain, _asked_for_password)


def _asked_for_password() -> str | None:
    return typer.prompt("Password of the key", hide_input=True, err=True) if sys.stdin.isatty() else None


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Whatever goes wrong ends in one sentence and an exit code. SIGTERM and SIGHUP are as good as Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    except typer.Exit:
        raise
    except (PromotionRefused, ServeError) as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        _refuse("interrupted; nothing in the repository changed", 130)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _refuse(f"{error.strerror or error}{where}; nothing in the repository changed")
    except Exception as error:  # a fault of ours: still a sentence, and what to report
        _refuse(f"unexpected {type(error).__name__}: {error}; nothing in the repository changed")


def _quiet() -> None:
    """What concerns MLflow's developers, or a server's operator, is not what a promotion has to say."""
    serve_log.configure("critical")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def _refuse(message: str, code: int = 1) -> NoReturn:
    typer.echo(f"promote: {plain(message, 2000)}", err=True)
    raise typer.Exit(code)


def main() -> None:
    """Entry point of the console script. Refused, it ends at once: MLflow may still be downloading, in threads."""
    git.forget_caller()
    try:
        cli()
    except SystemExit as ended:
        if not ended.code:
            raise
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)


if __name__ == "__main__":
    main()
