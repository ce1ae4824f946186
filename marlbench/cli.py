"""The command line: each command parses, calls one function and prints."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from marlbench.commands.selftest import selftest
from marlbench.errors import UserError
from marlbench.exit_codes import ExitCode
from marlbench.installation import DISTRIBUTION, clash

__all__ = ["app", "main"]

RESULTS = Path("results")
USAGE_ERRORS: tuple[type[Exception], ...] = typer.BadParameter.__mro__[1:3]
"""Click's `UsageError` and `ClickException`, for which typer exports no name."""

app = typer.Typer(
    name="marlbench",
    help="Multi-agent reinforcement learning compared fairly, fast and reproducibly.",
    epilog="Start with: marlbench list",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

env = typer.Typer(
    help="See what a suite needs on this machine, and install what pip alone cannot.",
    rich_markup_mode=None,
)
app.add_typer(env, name="env")

Of = Annotated[str, typer.Option("--of", metavar="newest|best|STEP", help="Which of its policies.")]
ARun = Annotated[str, typer.Argument(help="A run's folder, or its path below --results.")]
Only = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="These alone: a,b or one each.")
]
Shard = Annotated[str | None, typer.Option(metavar="K/N|auto", help="This part of the grid.")]
Results = Annotated[Path, typer.Option(metavar="DIR", help="Folder that runs are written to.")]


def main() -> None:
    """Run the command line; every mistake is one line on stderr and exit code 2."""
    warnings.showwarning = _warn  # type: ignore[assignment]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has only ASCII, say
            stream.reconfigure(errors="replace")
    if other := clash():
        _end(other, ExitCode.USAGE)
    try:
        code = app(standalone_mode=False, prog_name="marlbench")
    except USAGE_ERRORS as error:
        _end(_usage_line(error), ExitCode.USAGE)
    except UserError as error:
        _end(str(error), ExitCode.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        _end("interrupted; the same command goes on where it stopped", ExitCode.INTERRUPTED)
    except OSError as error:  # a folder that is closed to us, a full disk
        said = filter(None, [error.filename, error.strerror or str(error)])
        _end(": ".join(said), ExitCode.USAGE)
    sys.exit(code or 0)


def _usage_line(error: BaseException) -> str:
    message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "marlbench"
    return f"{message.rstrip('.')} ({command} --help)"


def _end(line: str, code: int) -> None:
    print(f"marlbench: {line}", file=sys.stderr)
    sys.exit(code)


def _warn(message: Warning | str, *_: object) -> None:
    print(f"marlbench: {message}", file=sys.stderr)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"marlbench {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Multi-agent reinforcement learning compared fairly, fast and reproducibly."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def run(  # noqa: PLR0913 - one parameter per option
    suite: Annotated[str, typer.Option(metavar="NAME", help="Suite of tasks.")],
    algo: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Algorithms: a,b or one --algo each.")
    ] = None,
    study: Annotated[str | None, typer.Option(metavar="NAME", help="In place of --algo.")] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Tasks, `all` for every one; else the preset decides."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(metavar="N", help="This many seeds, from 0.")] = None,
    seed: Annotated[
        list[int] | None, typer.Option(metavar="K", help="This one; repeat it.")
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Env steps per run.")] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Presets, left to right.  [default: paper]"),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings (TOML).")] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Call variants ALGORITHM-NAME; else settings are spelt."),
    ] = None,
    results: Results = RESULTS,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Runs at a time; else as many as fit.")
    ] = None,
    runs_per_gpu: Annotated[int, typer.Option(metavar="N", min=1, help="That share a GPU.")] = 1,
    executor: Annotated[str, typer.Option(metavar="NAME", help="What starts the runs.")] = "local",
    shard: Shard = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Go on with pickles of others: runs what they say.")
    ] = False,
) -> int:
    """Train algorithms on tasks; the same command again goes on where it stopped."""
    from marlbench.commands.run import read_request, run_grid
    from marlbench.overrides import parse_set
    from marlbench.store.folder import TRUST

    request = read_request(
        algo=algo or [],
        study=study,
        suite=suite,
        task=task or [],
        seeds=seeds,
        seed=seed or [],
        steps=steps,
        preset=preset or [],
        overrides=list(map(parse_set, set_ or [])),
        config=config,
        label=label,
        shard=shard,
    )
    if trust:
        os.environ[TRUST] = "1"
    return run_grid(request, results, executor, workers, runs_per_gpu)


@app.command()
def status(results: Results = RESULTS) -> None:
    """Show every run: done, running, failed with its reason, waiting."""
    from marlbench.grid.status import overview

    _print(overview(results))


@app.command("list")
def list_() -> None:
    """Show algorithms, suites, presets, studies and executors, and plugins that are broken."""
    from marlbench.commands.listing import listing
    from marlbench.host import load_catalogue

    _print(listing(load_catalogue()))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="An algorithm, suite, preset or study; or `run`.")],
) -> None:
    """Show settings, each with its sentence, default and source."""
    from marlbench.commands.show import describe
    from marlbench.host import load_catalogue

    _print(describe(load_catalogue(), name))


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="An algorithm or suite.")],
    task: Annotated[str | None, typer.Option(help="Task of a suite; else its default.")] = None,
) -> int:
    """Check that a plugin keeps its promises."""
    from marlbench.commands.check import check_plugin
    from marlbench.host import load_catalogue

    lines, passed = check_plugin(load_catalogue(), name, task)
    _print(lines)
    return _code(passed)


@env.command("check")
def env_check(name: Annotated[str, typer.Argument(help="A suite.")]) -> int:
    """Look for everything that a suite needs; exit code 1 if something is missing."""
    from marlbench.commands.environment import check_suite_needs
    from marlbench.host import load_catalogue

    lines, ready = check_suite_needs(load_catalogue(), name)
    _print(lines)
    return _code(ready)


@env.command("install")
def env_install(name: Annotated[str, typer.Argument(help="A suite.")]) -> int:
    """Install what pip alone cannot, or say which pip command is enough."""
    from marlbench.commands.environment import install
    from marlbench.host import load_catalogue

    lines, ready = install(load_catalogue(), name)
    _print(lines)
    return _code(ready)


@app.command()
def report(  # noqa: PLR0913 - one parameter per option
    results: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Folder of runs; may be repeated.  [default: results]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the pages.")] = None,
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
    watch: Annotated[bool, typer.Option("--watch", help="Again while runs run.")] = False,
) -> None:
    """Turn results into tables, figures and one page."""
    from marlbench.commands.report import read_filters, watch_report, write_report
    from marlbench.commands.run import names
    from marlbench.host import load_catalogue

    only = {"--suite": suite, "--task": task, "--algo": algo, "--label": label}
    wanted = read_filters(only, metric, name or [], include_unfinished)
    write, beside = watch_report if watch else write_report, names("--against", against or [])
    _print(write(load_catalogue(), results or [RESULTS], out, wanted, beside))


@app.command()
def exclude(
    run: ARun,
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, shown in reports.")] = "",
    back: Annotated[bool, typer.Option("--back", help="Take it back into reports.")] = False,
    results: Results = RESULTS,
) -> None:
    """Leave a run out of every report, which show it with the reason."""
    from marlbench.commands.exclude import excluded

    _print(excluded(run, results, why, back))


@app.command()
def diff(
    run: ARun,
    other: Annotated[str, typer.Argument(help="Another one.")],
    results: Results = RESULTS,
) -> None:
    """Show in what two runs differ: settings, packages, machine and code."""
    from marlbench.commands.diff import differences

    _print(differences(run, other, results))


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


app.command()(selftest)


def _code(well: bool) -> ExitCode:
    """Give the exit code of a check."""
    return ExitCode.OK if well else ExitCode.FAILED


def _print(lines: Iterable[str]) -> None:
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # `marlbench list | head`: all that was wanted has been read
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
