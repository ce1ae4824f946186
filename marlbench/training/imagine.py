"""The process of `marlbench imagine`: `python -m marlbench.training.imagine FOLDER ASKED`.

ASKED is an `Asked` as JSON. It ends with an `ExitCode`; where nothing can be imagined, a line says
why.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.errors import UserError, one_line
from marlbench.exit_codes import ExitCode
from marlbench.store import files, read_spec
from marlbench.store.folder import BY_HAND
from marlbench.training import foresight

if TYPE_CHECKING:
    from marlbench.imagination import ImaginingAgent
    from marlbench.plugin import Agent

PIECES, DRAWS = 256, 8


@dataclass(frozen=True)
class Asked:
    """What `marlbench imagine` was asked for."""

    episodes: int
    episode: int
    """The one of the picture, from 0."""
    context: int
    horizon: int
    seed: int
    """Decides the start states, of every run the same, and with the run's own all else."""
    of: str
    """`newest`, `best` or the point of a kept policy."""
    out: str
    """File of the picture."""


def imagine(folder: Path, asked: Asked) -> Iterator[str]:
    """Judge a run's model on fresh episodes, keep row and picture; give lines that tell them.

    Raises UserError where the learner does not imagine.
    """
    from marlbench.training import foresight_picture
    from marlbench.training.trained import trained
    from marlbench.training.worker import from_catalogue, prepare_torch
    from marlbench.vecenv import synchronous

    spec = read_spec(folder)
    algorithm, suite = from_catalogue(spec)
    prepare_torch(spec.run.model_copy(update={"device": "cpu"}), spec.seed)
    config = suite.config(**spec.suite_config)
    copies = min(spec.run.evaluation.num_envs, asked.episodes)
    env = synchronous.build(suite, spec.task, config, copies)
    effort = foresight.Effort(asked.episodes, asked.context, asked.horizon, PIECES, DRAWS)
    try:
        agent, env_steps = trained(folder, spec, algorithm, env.spec, asked.of)
        learner = imagining(agent, spec.algorithm)
        yield (
            f"{spec.label} on {spec.suite}/{spec.task} after {env_steps:,} env steps, "
            f"{asked.episodes} fresh episodes of seed {asked.seed}"
        )
        # the seed of the evaluations' own episodes is 0
        episodes = foresight.fresh_episodes(agent, env, (1 + asked.seed, spec.seed), effort)
    finally:
        env.close()
    scores = foresight.judge(learner, episodes, env.spec, spec.seed, effort)
    kept = {name: value for name, value in asdict(asked).items() if name not in ("out", "episode")}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    row = {"kind": "imagined", **kept, "env_steps": env_steps, "imagination": scores, "time": now}
    files.drop_torn_row(folder / BY_HAND)
    files.append_row(folder / BY_HAND, row, sync=True)
    yield from told(scores)
    yield f"kept in {folder / BY_HAND}"
    piece = episodes.beginning(asked.episode, asked.context, asked.horizon)
    draw = foresight_picture.drawer(suite, spec.task, config, env.spec)
    rng = next(iter(foresight.Draws(spec.seed, 1)))
    picture = foresight_picture.foresight_picture(learner, piece, draw, rng)
    if picture is not None:
        files.replace_png(Path(asked.out), picture)
        yield f"episode {asked.episode} is drawn in {asked.out}"


def imagining(agent: Agent, name: str) -> ImaginingAgent:
    """Give an agent that can be asked; raises UserError for another."""
    if not foresight.imagines(agent):
        raise UserError(f"{name} does not imagine: it offers no `imagine` (docs/write-a-plugin.md)")
    return agent


def told(scores: dict[str, Any]) -> Iterator[str]:
    """Give the scores as a table, a column for each band of steps ahead."""
    bands = scores["ahead"]
    yield f"  {'steps ahead':<26}" + "".join(f"{span(band):>9}" for band in bands)
    for name, errors in (scores["observation"] or {}).items():
        by_step = mean_of_agents(errors)
        means = [known_mean(by_step[band["first"] - 1 : band["last"]]) for band in bands]
        yield line(f"observation, {name.replace('_', ' ')}", means)
    for name, said in LINES.items():
        if name in bands[0]:
            yield line(said, [band[name] for band in bands])
    if scores["kl"] is not None:
        yield f"  KL of the last step seen: {scores['kl']:.2f} nats"
    if coherence := scores["coherence"]:
        yield f"  coherence: {coherence['score']:.2f} (1 at best; 0: each is foreseen by itself)"


LINES = {
    "reward_r2": "reward, R2",
    "cont_accuracy": "goes on, accuracy",
    "goes_on": "  if it always did",
    "avail_accuracy": "masks, accuracy",
    "avail_last_seen": "  of the last mask seen",
}
"""What is told of each band, in order."""


def span(band: dict[str, Any]) -> str:
    """Give the steps ahead of a band."""
    return f"{band['first']}-{band['last']}" if band["first"] < band["last"] else f"{band['last']}"


def line(name: str, values: list[float]) -> str:
    """Give a line of numbers, a dash where nothing was there for one."""
    cells = ("—" if np.isnan(value) else f"{value:.3f}" for value in values)
    return f"  {name:<26}" + "".join(f"{cell:>9}" for cell in cells)


def mean_of_agents(errors: list[list[float]]) -> list[float]:
    """Give the mean (H,) over agents of errors (A, H)."""
    return [known_mean(list(step)) for step in zip(*errors, strict=True)]


def known_mean(values: list[float]) -> float:
    """Give the mean of numbers but for NaN; NaN where there is none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def main(arguments: list[str]) -> int:
    """Judge the model of the run that the command line names."""
    if len(arguments) != 2:
        print("usage: python -m marlbench.training.imagine FOLDER ASKED", file=sys.stderr)
        return ExitCode.USAGE
    folder, asked = Path(arguments[0]), Asked(**json.loads(arguments[1]))
    try:
        for said in imagine(folder, asked):
            print(said, flush=True)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except UserError as error:
        print(f"marlbench: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        print(f"marlbench: {folder} cannot be imagined: {one_line(error)}", file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
