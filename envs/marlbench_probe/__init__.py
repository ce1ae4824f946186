"""Tiny environments whose right answers are known: what learners and buffers are tested on."""

from __future__ import annotations

from collections.abc import Iterable

from marlbench.plugin import Config, Env, Suite, hookimpl

marlbench_api = 2

TASKS = ("two_step", "matrix", "climbing", "counting", "deaths", "timeout", "pixels")


def build(task: str, config: Config) -> Env:
    """Give one copy of a task; numpy is imported here."""
    from marlbench_probe import clocks, games, pixels

    kinds: dict[str, type[Env]] = {
        "two_step": games.TwoStep,
        "matrix": games.Matrix,
        "climbing": games.Climbing,
        "counting": clocks.Counting,
        "deaths": clocks.Deaths,
        "timeout": clocks.TimeOut,
        "pixels": pixels.Pixels,
    }
    if task not in kinds:
        raise ValueError(f"probe has no task {task!r}; it has {', '.join(TASKS)}")
    return kinds[task]()


@hookimpl
def marlbench_suites() -> Iterable[Suite]:
    """Offer `probe`."""
    return [
        Suite(
            "probe",
            TASKS,
            build,
            default_task="two_step",
            observes_images=lambda task, config: task == "pixels",
            copyable=True,
        )
    ]
