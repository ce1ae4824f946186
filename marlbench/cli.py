"""The command line: each command parses, calls one function and prints."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Annotated

import typer

from marlbench.cli_options import (
    RESULTS,
    Algorithms,
    AnExecutor,
    AStudy,
    ASuite,
    DryRun,
    Label,
    Presets,
    Results,
    RunsPerGpu,
    Seed,
    Seeds,
    Sets,
    SettingsFile,
    Shard,
    Sinks,
    Steps,
    Tasks,
    Trust,
    Workers,
    code_of,
    print_lines,
)
from marlbench.cli_runs import app as runs
from marlbench.commands.selftest import selftest
from marlbench.errors import UserError
from marlbench.exit_codes import ExitCode
from marlbench.installation import DISTRIBUTION, clash

__all__ = ["app", "main"]

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
app.add_typer(runs)


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
    suite: ASuite,
    algo: Algorithms = None,
    study: AStudy = None,
    task: Tasks = None,
    seeds: Seeds = None,
    seed: Seed = None,
    steps: Steps = None,
    preset: Presets = None,
    set_: Sets = None,
    config: SettingsFile = None,
    label: Label = None,
    results: Results = RESULTS,
    workers: Workers = None,
    runs_per_gpu: RunsPerGpu = "1",
    executor: AnExecutor = "local",
    shard: Shard = None,
    sink: Sinks = None,
    trust: Trust = False,
    dry_run: DryRun = False,
) -> int:
    """Train algorithms on tasks; the same command again goes on where it stopped."""
    from marlbench.commands.run import Way, names, read_request, run_grid, sharing, show_plan
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
    sinks = names("--sink", sink or [])
    way = Way(executor, workers, sharing(runs_per_gpu), sinks)
    if dry_run:
        print_lines(show_plan(request, results, way))
        return ExitCode.OK
    return run_grid(request, results, way)


@app.command("list")
def list_() -> None:
    """Show algorithms, suites, presets, studies and executors, and plugins that are broken."""
    from marlbench.commands.listing import listing
    from marlbench.host import load_catalogue

    print_lines(listing(load_catalogue()))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="An algorithm, suite, preset or study; or `run`.")],
) -> None:
    """Show settings, each with its sentence, default and source."""
    from marlbench.commands.show import describe
    from marlbench.host import load_catalogue

    print_lines(describe(load_catalogue(), name))


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="An algorithm or suite.")],
    task: Annotated[str | None, typer.Option(help="Task of a suite; else its default.")] = None,
) -> int:
    """Check that a plugin keeps its promises."""
    from marlbench.commands.check import check_plugin
    from marlbench.host import load_catalogue

    lines, passed = check_plugin(load_catalogue(), name, task)
    print_lines(lines)
    return code_of(passed)


@app.command()
def bench(
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Parts, algorithms, suites, SUITE/TASK; else all."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, short play.")] = False,
    preset: Annotated[str, typer.Option(help="Whose sizes learners have; else quick's.")] = "",
    device: Annotated[str, typer.Option(metavar="cpu|cuda", help="Of learners.")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="One object in place of tables.")] = False,
) -> None:
    """Measure what learners, suites, runs and results cost on this machine."""
    from marlbench.commands.bench import Asked
    from marlbench.commands.bench import bench as lines
    from marlbench.commands.run import names
    from marlbench.host import load_catalogue

    asked = Asked(names("--only", only or []), quick, preset, device)
    print_lines(lines(load_catalogue(), asked, json))


@env.command("check")
def env_check(name: Annotated[str, typer.Argument(help="A suite.")]) -> int:
    """Look for everything that a suite needs; exit code 1 if something is missing."""
    from marlbench.commands.environment import check_suite_needs
    from marlbench.host import load_catalogue

    lines, ready = check_suite_needs(load_catalogue(), name)
    print_lines(lines)
    return code_of(ready)


@env.command("install")
def env_install(name: Annotated[str, typer.Argument(help="A suite.")]) -> int:
    """Install what pip alone cannot, or say which pip command is enough."""
    from marlbench.commands.environment import install
    from marlbench.host import load_catalogue

    lines, ready = install(load_catalogue(), name)
    print_lines(lines)
    return code_of(ready)


app.command()(selftest)
