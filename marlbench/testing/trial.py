"""An agent that plays a synthetic task, for checks to watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from marlbench.errors import wrong_setting
from marlbench.plugin import Agent, Algorithm, AlgorithmConfig, Step
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.testing.verdict import Unkept
from marlbench.vecenv import synchronous
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.seeding import TrainingSeeds, step_rng
from marlbench.vecenv.synchronous import SyncVectorEnv

SEED = 0
"""Of the run that a trial stands for."""
PATIENCE = 6000
"""Env steps within which an agent with the preset `smoke` must have made its updates."""


@dataclass(frozen=True)
class Subject:
    """An algorithm with settings small enough to be watched for seconds."""

    algorithm: Algorithm
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, algorithm: Algorithm, settings: Mapping[str, Any] | None) -> Subject:
        """Lay the preset `smoke`, then the given settings, over the entry's defaults."""
        smoke = algorithm.presets.get("smoke", {})
        return cls(algorithm, overlay(overlay(algorithm.defaults, smoke), settings or {}))

    def sizes(self, **changes: Any) -> Sizes:
        """Give sizes of a task on which this algorithm can act: by its first kind of actions."""
        return Sizes(**{"kind": self.algorithm.actions[0]} | changes)

    def trial(
        self,
        sizes: Sizes | None = None,
        seed: int = 1,
        num_envs: int = 3,
        task: Callable[[Sizes], Synthetic] = Synthetic,
    ) -> Trial:
        """Build an agent and the copies that it plays."""
        config = self.config(num_envs)
        env = CheckedVectorEnv(SyncVectorEnv(partial(task, sizes or self.sizes()), num_envs))
        return Trial(self.algorithm.build(config, env.spec, seed, "cpu"), env)

    def config(self, num_envs: int) -> AlgorithmConfig:
        """Give the settings; raises `Unkept` naming the first wrong one."""
        try:
            return self.algorithm.config(**overlay(self.settings, {"num_envs": num_envs}))
        except ValidationError as error:
            name = self.algorithm.name
            raise Unkept(
                f"{name} with its defaults and preset smoke: {wrong_setting(error)} "
                f"(marlbench show {name})"
            ) from error


@dataclass
class Trial:
    """An agent, the copies that it plays, and what was seen of both."""

    agent: Agent
    env: CheckedVectorEnv
    seeds: TrainingSeeds = field(init=False)
    step: Step = field(init=False)
    policy_state: Any = field(init=False)
    moves: int = 0
    """Turns played, all copies at once."""

    def __post_init__(self) -> None:
        """Begin the first episodes."""
        self.seeds = TrainingSeeds.of_run(SEED, self.env.num_envs)
        self.step = self.env.reset(self.seeds.take(np.ones(self.env.num_envs, dtype=bool)))
        self.policy_state = self.agent.start(self.env.num_envs)

    def move(self) -> NDArray[Any]:
        """Play one step of training as the host does, less the update; give the actions."""
        rng = step_rng(SEED, "training steps", self.moves)
        actions, self.policy_state = self.agent.act(self.step, self.policy_state, rng, explore=True)
        self.agent.observe(self.step, actions)
        self.step = self.env.step(actions, self.seeds.take(self.step.last))
        self.moves += 1
        return actions

    def play(self, turns: int) -> list[Any]:
        """Play some turns; give the actions and the metrics of each."""
        return [(self.move(), self.agent.update()) for _ in range(turns)]

    def learn(
        self, updates: int = 2, before: Callable[[], None] = lambda: None
    ) -> list[dict[str, float]]:
        """Play until so many updates were made, calling `before` each; give their metrics."""
        seen: list[dict[str, float]] = []
        for _ in range(-(-PATIENCE // self.env.num_envs)):
            self.move()
            before()
            metrics = self.agent.update()
            seen += [] if metrics is None else [metrics]
            if len(seen) == updates:
                return seen
        raise Unkept(f"{len(seen)} updates within {PATIENCE} env steps, {updates} were awaited")

    def watch(self, steps: list[Step], explore: bool, policy_state: Any = None) -> list[Any]:
        """Show steps to the agent beside its training, as an evaluation does; give its actions."""
        if policy_state is None:
            policy_state = self.agent.start(len(steps[0].last))
        answers = []
        for t, step in enumerate(steps):
            rng = step_rng(SEED, "evaluation steps", t)
            actions, policy_state = self.agent.act(step, policy_state, rng, explore)
            ignored = step.last.reshape(-1, *[1] * (actions.ndim - 1))  # (E, 1, *)
            answers.append(np.where(ignored, -1, actions))  # ignored on a last step
        return answers

    def copy_onto(self, other: Trial, through: Callable[[Any], Any]) -> None:
        """Let another trial go on from here; `through` copies everything, by way of a file, say."""
        other.agent.load(through(self.agent.state()))
        there = (self.policy_state, self.seeds, self.step, self.moves)
        other.policy_state, other.seeds, other.step, other.moves = through(there)
        synchronous.restore(other.env, synchronous.snapshot(self.env), other.step)


def episode(sizes: Sizes, num_envs: int, seed: int, steps: int | None = None) -> list[Step]:
    """Give the steps of an episode in each copy (they do not depend on actions), in lockstep."""
    copies = SyncVectorEnv(partial(Synthetic, sizes), num_envs)
    step = copies.reset(np.arange(num_envs) + 1000 * seed)
    seen, rng = [step], np.random.default_rng(seed)
    for time in range(sizes.limit - 1 if steps is None else steps - 1):
        actions = random_actions(copies.spec, step, rng)
        step = copies.step(actions, np.arange(num_envs) + 1000 * seed + 100 + time)
        seen.append(step)
    return seen


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings where those above win, section by section."""
    both = dict(below)
    for key, value in above.items():
        nested = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = overlay(both[key], value) if nested else value
    return both
