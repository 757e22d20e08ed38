"""The command `promote`: one model into models.dvc, or the list of those that might be.

`promote URI`, `promote --best METRIC --experiment E`, `promote candidates --experiment E --metric M`. Progress
goes to stderr, the revision to stdout. Exit code 1 where a promotion is refused, 2 where the command is wrong.
"""

import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "true" if sys.stderr.isatty() else "false")

from promote import field, source  # after the environment that mlflow reads as it is imported
from promote.errors import PromotionRefused
from promote.promotion import Plan, run
from serve import log as serve_log
from serve.artifact.fetch import Store
from serve.artifact.pin import is_name

stderr = Console(stderr=True, highlight=False)


class _DefaultCommand(TyperGroup):
    """`promote X` means `promote artifact X`; only `candidates` needs its name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "--install-completion"):
            args = ["artifact", *args]
        return super().parse_args(ctx, args)


cli = typer.Typer(cls=_DefaultCommand, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

Repo = Annotated[Path, typer.Option(help="The git repository that holds models.dvc.")]
Lower = Annotated[bool | None, typer.Option("--lower/--higher", help="Which is better; the metric's name says.")]


@cli.command()
def artifact(
    uri: Annotated[str | None, typer.Argument(help="runs:/…, models:/…, a run id, or a model folder.")] = None,
    name: Annotated[str | None, typer.Option(help="Name to serve it under; its experiment's otherwise.")] = None,
    best: Annotated[str | None, typer.Option(help="Pick the best run by this metric.", metavar="METRIC")] = None,
    experiment: Annotated[str | None, typer.Option(help="With --best: among this experiment's runs.")] = None,
    lower: Lower = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge and rehearse; change nothing.")] = False,
    repo: Repo = Path(),
) -> None:
    """Pin one model: judge it, rehearse it as it will be served, push it, commit models.dvc."""
    _quiet()
    try:
        candidate = _chosen(repo.resolve(), uri, best, experiment, lower)
        plan = Plan(candidate, _name(name, candidate), Store(repo.resolve(), _state(repo.resolve())), dry_run)
        with stderr.status("promoting") as status:
            revision = run(plan, lambda step, told: _report(status, step, told))
    except PromotionRefused as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        _refuse("interrupted; nothing in the repository changed", 130)
    if revision:
        typer.echo(revision)


@cli.command()
def candidates(
    experiment: Annotated[str, typer.Option(help="The experiment whose runs to list.")],
    metric: Annotated[str, typer.Option(help="The metric to sort by.")],
    lower: Lower = None,
    repo: Repo = Path(),
) -> None:
    """List the field: an experiment's finished runs with a model, the best first."""
    _quiet()
    try:
        found = field.candidates(
            repo.resolve(), experiment, metric, field.lower_is_better(metric) if lower is None else lower
        )
    except PromotionRefused as error:
        _refuse(str(error))
    table = Table(box=None, pad_edge=False)
    for heading in ("", "run", "name", metric, "model", "promoted"):
        table.add_column(heading, no_wrap=True)
    for place, one in enumerate(found, 1):
        revision = one.data.tags.get("pinion.revision", "")
        model = one.outputs.model_outputs[0].model_id if one.outputs else ""
        value = f"{one.data.metrics[metric]:.6g}"
        table.add_row(str(place), one.info.run_id, one.info.run_name, value, f"models:/{model}", revision[:12])
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
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:64]
    if not is_name(name):
        _refuse(f"'{name[:80]}' can't be a model's name: letters, digits, '.', '_' and '-', up to 64; see --name", 2)
    return name


def _state(repo: Path) -> Path:
    """The folder that serve keeps its environments in, so that both share them."""
    state = Path(os.environ.get("PINION_ARTIFACT__STATE") or repo / ".pinion").resolve()
    state.mkdir(parents=True, exist_ok=True)
    (state / ".gitignore").write_text("*\n", encoding="utf-8")
    return state


def _report(status: Any, step: str, told: str) -> None:
    stderr.print(f"{step:<11}{told}", markup=False)
    status.update(f"{step} …")


def _quiet() -> None:
    """What concerns MLflow's developers is not what a promotion has to say."""
    serve_log.configure("error")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def _refuse(message: str, code: int = 1) -> NoReturn:
    typer.echo(f"promote: {message}", err=True)
    raise typer.Exit(code)


def main() -> None:
    """Entry point of the console script."""
    cli()


if __name__ == "__main__":
    main()
