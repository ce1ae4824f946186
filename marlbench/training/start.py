"""Starts a run: builds what it is made of, and goes on where its last attempt left off."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.errors import RAISED_BY_PLUGINS, one_line
from marlbench.host import require_actions
from marlbench.plugin import Step
from marlbench.store.kept import Kept
from marlbench.training import evaluation, memory_budget, saved_state
from marlbench.training.checkpoint import Checkpoints
from marlbench.training.device_memory import device_memory
from marlbench.training.foresight_picture import drawer
from marlbench.training.loop import Run
from marlbench.training.policies import Policies
from marlbench.training.position import Position
from marlbench.training.progress import Progress
from marlbench.training.provenance import provenance
from marlbench.vecenv import synchronous
from marlbench.vecenv.crew import crew_for
from marlbench.vecenv.seeding import TrainingSeeds, purpose_seed, step_rng
from marlbench.vecenv.statistics import EpisodeStatistics, crashed

if TYPE_CHECKING:
    from marlbench.config import RunSpec
    from marlbench.plugin import Agent, Algorithm, Suite
    from marlbench.store import Journal
    from marlbench.training.interrupt import Stop
    from marlbench.vecenv.checks import CheckedVectorEnv


def start(
    spec: RunSpec, entries: tuple[Algorithm, Suite], journal: Journal, device: str, stop: Stop
) -> Run:
    """Build a run of these catalogue entries, at its beginning or at its newest checkpoint."""
    algorithm, suite = entries
    config = algorithm.config(**spec.algorithm_config)
    to_evaluate = evaluation.num_envs(spec.run.evaluation)
    crew = crew_for(suite, spec.run.env_processes, max(config.num_envs, to_evaluate))
    suite_config = suite.config(**spec.suite_config)
    build = partial(synchronous.build, suite, spec.task, suite_config, crew=crew)
    gpu = device_memory(device)
    free, weight = memory_budget.free_bytes(), memory_budget.CopiesMemory()
    with weight.built(config.num_envs):
        env = build(config.num_envs)
    require_actions([algorithm], suite.name, {spec.task: env.spec.actions})
    agent_seed = purpose_seed(spec.seed, "agent")
    agent = memory_budget.build_agent(algorithm, config, env.spec, agent_seed, device)
    journal.write_provenance(provenance(algorithm, suite, env.spec, device))
    planned = memory_budget.plan(agent.state(), env.spec, spec.run.steps, free)
    checkpoints = Checkpoints(journal, spec, device, rebuildable(agent, env))
    position = resume(spec, agent, env, journal, checkpoints) or begin(spec, agent, env)
    journal.clock.add(position.seconds)
    journal.clock.enter("training")
    with weight.built(to_evaluate):
        evaluation_env = build(to_evaluate)
        alike = not suite.copyable or begins_alike(evaluation_env)
    copies, launched = config.num_envs + to_evaluate, config.num_envs + suite.copyable * to_evaluate
    planned["copies_gib"] = round(weight.gib(copies, launched), 3)
    journal.append_event("memory", **planned)
    told = {**planned, "silent_minutes": spec.run.silent_minutes or suite.silent_minutes}
    run = Run(
        spec=spec,
        agent=agent,
        build_agent=partial(algorithm.build, config, env.spec, agent_seed, device),
        env=env,
        evaluation_env=evaluation_env,
        crew=crew,
        copyable=suite.copyable,
        stochastic=algorithm.stochastic,
        draw=drawer(suite, spec.task, suite_config, env.spec),
        schedule=evaluation.schedule(spec.run),
        journal=journal,
        checkpoints=checkpoints,
        policies=Policies(journal, spec.run.keep_checkpoints),
        progress=Progress(spec.run, journal.write_progress, journal.clock, told, gpu),
        stop=stop,
        position=position,
    )
    if not alike:
        journal.append_event("not_reproducible")
    run.progress.show(position, "starting")
    return run


def rebuildable(agent: Agent, env: CheckedVectorEnv) -> dict[str, type]:
    """Give the classes that a checkpoint may hold: the host's own, and those of a new agent."""
    example = EpisodeStatistics(env.spec, env.num_envs)
    found = saved_state.classes_in(agent.state(), agent.start(env.num_envs), example)
    return found | saved_state.named(Position, Step, TrainingSeeds, Kept)


def begins_alike(env: CheckedVectorEnv) -> bool:
    """Say whether equal seeds begin equal episodes, as a suite promises that is `copyable`."""
    seeds = np.arange(env.num_envs)
    first, second = env.reset(seeds), env.reset(seeds)
    return bool(np.array_equal(first.obs, second.obs))


def begin(spec: RunSpec, agent: Agent, env: CheckedVectorEnv) -> Position:
    """Begin the first episodes."""
    seeds = TrainingSeeds.of_run(spec.seed, env.num_envs)
    statistics = EpisodeStatistics(env.spec, env.num_envs)
    return Position(reset_all(env, seeds), agent.start(env.num_envs), seeds, statistics)


def resume(
    spec: RunSpec, agent: Agent, env: CheckedVectorEnv, journal: Journal, checkpoints: Checkpoints
) -> Position | None:
    """Let agent and copies go on from the newest usable checkpoint; None where there is none."""
    content, damages = checkpoints.load()
    if content is None:
        if journal.attempt > 1:
            journal.append_event("resumed", env_steps=0, dropped_episodes=0, damaged=damages)
        return None
    position: Position = content["position"]
    agent.load(content["agent"])
    extend(position, spec, content["steps"], journal)
    facts: dict[str, Any] = {"dropped_episodes": 0, "damaged": damages}
    if (lost := put_back(env, content["copies"], position.step)) is not None:
        dropped = abandon_episodes(spec, agent, env, position)
        facts |= {"dropped_episodes": dropped, "lost": lost}
    journal.append_event("resumed", env_steps=position.env_steps, **facts)
    return position


def extend(position: Position, spec: RunSpec, steps: int, journal: Journal) -> None:
    """Let a run that was to end after `steps` env steps go on, as if it had never been to.

    Its last evaluation stays if a longer run has that point too.
    """
    ended = len(evaluation.schedule(spec.run.model_copy(update={"steps": steps})))
    if position.evaluations == ended and evaluation.schedule(spec.run)[ended - 1] != steps:
        position.evaluations -= 1
        journal.drop_evaluation(steps)
    if steps != spec.run.steps:
        journal.append_event("extended", env_steps=position.env_steps, before=steps)


def put_back(env: CheckedVectorEnv, copies: bytes | None, step: Step) -> str | None:
    """Let the copies stand on this step again; give why they cannot, or None."""
    if copies is None:
        return "no checkpoint keeps copies of this suite"
    try:
        synchronous.restore(env, copies, step)
    except RAISED_BY_PLUGINS as error:  # as it comes back
        return one_line(error)
    return None


def abandon_episodes(spec: RunSpec, agent: Agent, env: CheckedVectorEnv, position: Position) -> int:
    """Begin new episodes, for copies that no checkpoint keeps; give how many were unfinished.

    The agent sees the unfinished ones end as time-outs.
    """
    unfinished = int(np.sum(~position.step.last))
    rng = step_rng(spec.seed, "training steps", position.vector_steps)
    position.policy_state = show_cut(agent, position.step, position.policy_state, rng)
    position.vector_steps += 1
    position.step = reset_all(env, position.seeds)
    position.statistics = EpisodeStatistics(env.spec, env.num_envs)
    return unfinished


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


def reset_all(env: CheckedVectorEnv, seeds: TrainingSeeds) -> Step:
    """Begin the next training episode in every copy."""
    return env.reset(seeds.take(np.ones(env.num_envs, dtype=bool)))
