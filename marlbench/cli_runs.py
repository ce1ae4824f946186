"""The commands for runs that are there: how they stand, what came of them, where they go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from marlbench.cli_options import RESULTS, ARun, Of, Only, Results, folder, print_lines
from marlbench.exit_codes import ExitCode

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command()
def status(  # noqa: PLR0913 - one parameter per option
    results: Results = RESULTS,
    suite: Only = None,
    task: Only = None,
    algo: Only = None,
    label: Only = None,
    of: Annotated[
        list[str] | None,
        typer.Option("--status", metavar="NAME", help="done, running, failed, waiting, ..."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As a list for scripts.")] = False,
) -> None:
    """Show every run: done, running, failed with its reason, waiting."""
    from marlbench.commands.run import named_by
    from marlbench.grid import status

    only = {"suite": suite, "task": task, "algo": algo, "label": label, "status": of}
    wanted = named_by(only)
    lines = [status.as_json(results, wanted)] if as_json else status.overview(results, wanted)
    print_lines(lines)


@app.command()
def rm(  # noqa: PLR0913 - one parameter per option
    run: Annotated[
        list[str] | None, typer.Argument(help="Folders of runs, or their paths below --results.")
    ] = None,
    suite: Only = None,
    task: Only = None,
    algo: Only = None,
    label: Only = None,
    of: Annotated[
        list[str] | None, typer.Option("--status", metavar="NAME", help="failed, unfinished, ...")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    results: Results = RESULTS,
) -> int:
    """Remove runs, those that are named or all that the options choose; asks before it does."""
    from marlbench.commands.remove import removed, to_remove
    from marlbench.commands.run import named_by

    only = {"suite": suite, "task": task, "algo": algo, "label": label, "status": of}
    folders = to_remove(results, run or [], named_by(only))
    print_lines(f"  {folder}" for folder in folders)
    if not yes and not typer.confirm(f"remove these {len(folders)} runs for good?"):
        return ExitCode.FAILED
    print_lines(removed(results, folders))
    return ExitCode.OK


@app.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Results folders.")],
    results: Results = RESULTS,
) -> None:
    """Copy the runs of results folders, of other machines say, into --results."""
    from marlbench.commands.merge import merged

    print_lines(merged(folders, results))


@app.command()
def follow(  # noqa: PLR0913 - one parameter per option
    sink: Annotated[list[str], typer.Option(metavar="NAME", help="Where to: marlbench list.")],
    suite: Only = None,
    task: Only = None,
    algo: Only = None,
    label: Only = None,
    results: Results = RESULTS,
) -> int:
    """Hand rows of runs on to TensorBoard, W&B, MLflow or trackio, as they are written."""
    from marlbench.commands.follow import follow_runs
    from marlbench.commands.run import named_by, names

    wanted = named_by({"suite": suite, "task": task, "algo": algo, "label": label})
    return follow_runs(results, names("--sink", sink), wanted)


@app.command()
def report(  # noqa: PLR0913 - one parameter per option
    results: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            parser=folder,
            help="Folder of runs; may be repeated.  [default: results]",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", parser=folder, help="Folder for the pages.")
    ] = None,
    suite: Only = None,
    task: Only = None,
    algo: Only = None,
    label: Only = None,
    metric: Annotated[str, typer.Option(metavar="NAME", help="What tables show.")] = "",
    name: Annotated[list[str] | None, typer.Option(metavar="LABEL=TEXT")] = None,
    include_unfinished: Annotated[
        bool, typer.Option("--include-unfinished", help="Count unfinished runs too, as they are.")
    ] = False,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="paper|published", help="Whose numbers to put beside these."),
    ] = None,
    export: Annotated[
        list[str] | None, typer.Option(metavar="marl-eval|parquet", help="Files for other tools.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Again while runs run.")] = False,
) -> None:
    """Turn results into tables, figures and one page."""
    from marlbench.commands.report import read_filters, watch_report, write_report
    from marlbench.commands.run import names
    from marlbench.host import load_catalogue

    only = {"--suite": suite, "--task": task, "--algo": algo, "--label": label}
    wanted = read_filters(only, metric, name or [], include_unfinished)
    write, folders = watch_report if watch else write_report, results or [RESULTS]
    beside, files = names("--against", against or []), names("--export", export or [])
    print_lines(write(load_catalogue(), folders, out, wanted, beside, files))


@app.command()
def exclude(
    run: ARun,
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, shown in reports.")] = "",
    back: Annotated[bool, typer.Option("--back", help="Take it back into reports.")] = False,
    results: Results = RESULTS,
) -> None:
    """Leave a run out of every report, which show it with the reason."""
    from marlbench.commands.exclude import excluded

    print_lines(excluded(run, results, why, back))


@app.command()
def diff(
    run: ARun,
    other: Annotated[str, typer.Argument(help="Another one.")],
    results: Results = RESULTS,
) -> None:
    """Show in what two runs differ: settings, packages, machine and code."""
    from marlbench.commands.diff import differences

    print_lines(differences(run, other, results))


@app.command()
def watch(  # noqa: PLR0913 - one parameter per option
    run: ARun,
    episodes: Annotated[int, typer.Option(metavar="N", min=1, help="Episodes to film.")] = 3,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .gif or .mp4; else film.gif in the run's folder."),
    ] = None,
    fps: Annotated[int, typer.Option(metavar="N", min=1, max=50, help="Steps a second.")] = 8,
    of: Of = "newest",
    results: Results = RESULTS,
) -> int:
    """Film a trained agent on its evaluation episodes."""
    from marlbench.commands.watch import film_run
    from marlbench.host import load_catalogue

    return film_run(load_catalogue(), run, results, out, episodes, fps, of)


@app.command()
def evaluate(  # noqa: PLR0913 - one parameter per option
    run: ARun,
    episodes: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How many; else as many as its final evaluation."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="K", min=0, help="Of the start states.")] = 0,
    task: Annotated[
        str | None, typer.Option(metavar="OTHER", help="Another task of the suite.")
    ] = None,
    of: Of = "newest",
    results: Results = RESULTS,
) -> int:
    """Play fresh episodes with a trained agent; no point of its curve is touched."""
    from marlbench.commands.evaluate import evaluate_run
    from marlbench.host import load_catalogue

    return evaluate_run(load_catalogue(), run, results, episodes, seed, task, of)


@app.command()
def imagine(  # noqa: PLR0913 - one parameter per option
    run: ARun,
    episode: Annotated[int, typer.Option(metavar="K", min=0, help="The one that is drawn.")] = 0,
    context: Annotated[int, typer.Option(metavar="N", min=1, help="Steps that are seen.")] = 6,
    horizon: Annotated[int, typer.Option(metavar="N", min=1, help="Steps imagined.")] = 24,
    episodes: Annotated[int, typer.Option(metavar="N", min=1, help="How many are played.")] = 32,
    seed: Annotated[int, typer.Option(metavar="K", min=0, help="Of the start states.")] = 0,
    of: Of = "newest",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .png; else imagined.png in the run's folder."),
    ] = None,
    results: Results = RESULTS,
) -> int:
    """Judge a world model by what it foresees on fresh episodes, and draw it."""
    from marlbench.commands.imagine import imagine_run
    from marlbench.host import load_catalogue

    asked = {"episode": episode, "context": context, "horizon": horizon, "episodes": episodes}
    return imagine_run(load_catalogue(), run, results, out, asked | {"seed": seed, "of": of})
