"""Puts a run together, from its documents or from its newest checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.run import evaluation, memory_budget
from marlbench.run.checkpoint import Checkpoints
from marlbench.run.loop import Run, Training
from marlbench.run.progress import Progress
from marlbench.run.provenance import provenance
from marlbench.vecenv import synchronous
from marlbench.vecenv.seeding import TrainingSeeds, purpose_seed, step_rng
from marlbench.vecenv.statistics import EpisodeStatistics, crashed

if TYPE_CHECKING:
    from marlbench.config import RunSpec
    from marlbench.plugin import Agent, Algorithm, Step, Suite
    from marlbench.run.interrupt import Stop
    from marlbench.store import Journal
    from marlbench.vecenv.checks import CheckedVectorEnv


@dataclass(frozen=True)
class Job:
    """What is to be run."""

    spec: RunSpec
    algorithm: Algorithm
    suite: Suite

    def copies(self, num_envs: int) -> CheckedVectorEnv:
        """Build E copies of the task."""
        config = self.suite.config(**self.spec.suite_config)
        return synchronous.build(self.suite, self.spec.task, config, num_envs)


class Session:
    """One attempt at a run: what it is made of, and where it stands."""

    def __init__(self, job: Job, journal: Journal, device: str, stop: Stop) -> None:
        """Build environments and learner, and go on where the last attempt left off."""
        spec, algorithm = job.spec, job.algorithm
        config = algorithm.config(**spec.algorithm_config)
        self.copyable, self.run_seed = job.suite.copyable, spec.seed
        self.env = job.copies(config.num_envs)
        agent_seed = purpose_seed(spec.seed, "agent")
        self.agent: Agent = memory_budget.built(
            algorithm, config, self.env.spec, agent_seed, device
        )
        journal.provenance(provenance(algorithm, job.suite, self.env.spec, device))
        planned = memory_budget.plan(self.agent.state(), self.env.spec, spec.run.steps)
        journal.event("memory", **planned)
        self.checkpoints = Checkpoints(journal, device)
        self.now = self._resume(journal) or self._begin(spec)
        journal.spent = self.now.seconds
        self.run = Run(
            spec=spec,
            agent=self.agent,
            env=self.env,
            evaluation_env=job.copies(evaluation.copies(spec.run.evaluation)),
            journal=journal,
            progress=Progress(spec.run, journal.progress, self.now.seconds, planned),
            stop=stop,
            save=self.save,
        )
        self.run.progress.show(self.now, "starting")

    def save(self, now: Training) -> None:
        """Take a checkpoint."""
        now.saved, now.seconds = now.env_steps, self.run.progress.elapsed()
        copies = synchronous.snapshot(self.env) if self.copyable else None
        content = {"agent": self.agent.state(), "training": now, "copies": copies}
        self.checkpoints.save(content, now.env_steps)

    def close(self) -> None:
        """Free what the simulators hold."""
        self.env.close()
        self.run.evaluation_env.close()

    def _begin(self, spec: RunSpec) -> Training:
        """Begin the first episodes."""
        num_envs = self.env.num_envs
        seeds = TrainingSeeds.of_run(spec.seed, num_envs)
        statistics = EpisodeStatistics(self.env.spec, num_envs)
        return Training(self._reset(seeds), self.agent.start(num_envs), seeds, statistics)

    def _resume(self, journal: Journal) -> Training | None:
        """Go on from the newest usable checkpoint, if there is one."""
        content, damages = self.checkpoints.load()
        if content is None:
            if journal.attempt > 1:
                journal.event("resumed", env_steps=0, dropped_episodes=0, damaged=damages)
            return None
        now: Training = content["training"]
        self.agent.load(content["agent"])
        dropped = self._put_copies_back(now, content["copies"])
        facts = {"dropped_episodes": dropped, "damaged": damages}
        journal.event("resumed", env_steps=now.env_steps, **facts)
        return now

    def _put_copies_back(self, now: Training, copies: bytes | None) -> int:
        """Let the copies stand where they stood; give the number of episodes that are lost."""
        if copies is not None:
            synchronous.restore(self.env, copies, now.step)
            return 0
        dropped = int(np.sum(~now.step.last))
        rng = step_rng(self.run_seed, "training steps", now.vector_steps)
        now.policy_state = show_cut(self.agent, now.step, now.policy_state, rng)
        now.vector_steps += 1
        now.step = self._reset(now.seeds)
        now.statistics = EpisodeStatistics(self.env.spec, self.env.num_envs)
        return dropped

    def _reset(self, seeds: TrainingSeeds) -> Step:
        """Begin an episode in every copy."""
        return self.env.reset(seeds.take(np.ones(self.env.num_envs, dtype=bool)))


def show_cut(agent: Agent, step: Step, policy_state: Any, rng: np.random.Generator) -> Any:
    """Let the agent see its unfinished episodes end as time-outs; give the policy's next state.

    An episode of which nothing was played yet is first and last at once and did not crash, so
    that it is not taken for a part of the one before.
    """
    info = {**step.info, "crashed": crashed(step) | ~(step.first | step.last)}
    end = replace(step, last=np.ones_like(step.last), info=info)
    actions, policy_state = agent.act(end, policy_state, rng, explore=True)
    agent.observe(end, actions)
    return policy_state
