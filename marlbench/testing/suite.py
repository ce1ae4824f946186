"""`check_suite`: does an environment keep the promises that the host and learners rely on."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.errors import one_line
from marlbench.plugin import Config, Env, EnvSpec, Step, Suite
from marlbench.testing.elsewhere import SEEDS, in_other_processes
from marlbench.testing.forgetting import compare_resets
from marlbench.testing.sameness import step_difference
from marlbench.testing.verdict import Check, Verdict, carry_out, require
from marlbench.vecenv.checks import TAKEN_BACK, check_spec, check_step, check_win, won_key
from marlbench.vecenv.random_play import random_actions, random_episode, random_steps
from marlbench.vecenv.single import build_single, render
from marlbench.vecenv.statistics import EpisodeStatistics
from marlbench.vecenv.synchronous import stack, unstack

EPISODES = 8
"""Episodes of random play that a check looks at."""
KINDS = {"discrete": "actions", "box": "numbers to say"}
"""What is counted by `EnvSpec.num_actions`."""


def check_suite(
    suite: Suite, task: str | None = None, settings: Mapping[str, Any] | None = None
) -> list[Verdict]:
    """Check one task of a suite (its default) by random play; never raises for its fault."""
    subject = TaskChecks(suite, task or suite.default_task, dict(settings or {}))
    checks: dict[str, Check] = {
        "builds": subject.builds,
        "steps are as the spec says": subject.steps_are_as_specified,
        "episodes begin and end": subject.episodes_begin_and_end,
        "the dead stay dead": subject.dead_stay_dead,
        "the seed decides": subject.seed_decides,
        "the seed decides in other processes": subject.seed_decides_elsewhere,
        "a reset forgets": subject.reset_forgets,
        "steps are not written over": subject.steps_are_kept,
    }
    if suite.copyable:
        checks["copies go on mid-episode"] = subject.copies_go_on
    if suite.render is not None:
        checks["it can be drawn"] = subject.can_be_drawn
    if suite.draw_observation is not None:
        checks["observations can be drawn"] = subject.observations_can_be_drawn
    if suite.build_vector is not None:
        checks["copies play as if alone"] = subject.copies_play_as_if_alone
    return carry_out(checks, vital=["builds"])


@dataclass(frozen=True)
class TaskChecks:
    """A task and what it must keep to: every check says what it found, or raises `Unkept`."""

    suite: Suite
    task: str
    settings: dict[str, Any]

    @property
    def config(self) -> Config:
        """The suite's settings."""
        return self.suite.config(**self.settings)

    def make(self) -> Env:
        """Build one copy."""
        return build_single(self.suite, self.task, self.config)

    def builds(self) -> str:
        """It builds, closes, and its spec makes sense."""
        env = self.make()
        spec = env.spec
        env.close()
        known = {"float32", "uint8"}
        require(spec.obs_dtype in known, f"obs_dtype is {spec.obs_dtype!r}, not one of {known}")
        require(spec.num_agents >= 1, f"num_agents is {spec.num_agents}")
        require(spec.episode_limit >= 1, f"episode_limit is {spec.episode_limit}")
        inside = spec.noop is None or 0 <= spec.noop < spec.num_actions
        require(inside, f"noop is {spec.noop} of {spec.num_actions} actions")
        check_spec(spec)
        images = self.suite.observes_images(self.task, self.config)
        says = f"Suite.observes_images({self.task!r}) is {images}"
        require(images == (spec.obs_dtype == "uint8"), f"{says}, observations {spec.obs_dtype}")
        acts = self.suite.actions(self.task, self.config)
        says = f"Suite.actions({self.task!r}) is {acts!r}"
        require(acts == spec.actions, f"{says}, EnvSpec.actions {spec.actions!r}")
        pickle.dumps(spec)
        return (
            f"{spec.num_agents} agents, observations {spec.obs_shape} {spec.obs_dtype}, "
            f"{spec.num_actions} {KINDS[spec.actions]}, at most {spec.episode_limit} steps, "
            f"{spec.simulator or 'simulator not named'}"
        )

    def steps_are_as_specified(self) -> str:
        """Shapes, types, masks and rewards; every available action is accepted.

        Of numbers also those on the edges of the box.
        """
        env = self.make()
        masked, edges = 0, edges_of(env.spec)
        plays = [random_episode(env, seed) for seed in range(EPISODES)]
        for play in [*plays, *(constant_episode(env, edge) for edge in edges)]:
            for step in play:
                check_step(step, env.spec)
                masked += int((~step.avail).sum())
                quiet = not step.first or not step.reward.any()
                require(quiet, f"a first step carries a reward: {step.reward!r}")
        env.close()
        return "" if masked else "no action was ever unavailable"

    def episodes_begin_and_end(self) -> str:
        """First, last and terminal are where they belong, within the limit of steps."""
        env, cut = self.make(), 0
        ends: Counter[str] = Counter()
        for seed in range(EPISODES):
            steps = list(random_episode(env, seed))
            limit = env.spec.episode_limit
            require(steps[-1].last, f"an episode went on behind its limit of {limit} steps")
            firsts = [time for time, step in enumerate(steps) if step.first]
            require(firsts == [0], f"the steps at times {firsts} of an episode are first")
            statistics = EpisodeStatistics(env.spec, 1)
            for step in steps:
                statistics.add(stack([step]))  # raises where a metric cannot be read
            if (key := won_key(env.spec)) is not None:
                check_win(steps[-1], env.spec)
                won = any(step.info.get(key) for step in steps)
                require(won == bool(steps[-1].info[key]), TAKEN_BACK)
            cut += bool(steps[-1].info.get("cut"))
            ends["real ends" if steps[-1].terminal else "time-outs"] += 1
        env.close()
        said = ", ".join(f"{count} {kind}" for kind, count in ends.items())
        if cut:
            said += f", {cut} of them cut at {env.spec.episode_limit} steps by the suite"
        return said

    def dead_stay_dead(self) -> str:
        """A dead agent sees zeros, has the no-op alone and never comes back."""
        env = self.make()
        noop, deaths = env.spec.noop, 0
        for seed in range(EPISODES):
            alive = np.ones(env.spec.num_agents, dtype=bool)
            for step in random_episode(env, seed):
                require(not (step.alive & ~alive).any(), "an agent came back to life")
                alive = step.alive.copy()
                dead = ~alive
                can_die = noop is not None or env.spec.actions == "box"
                require(can_die or not dead.any(), "an agent died, but noop is None")
                require(not step.obs[dead].any(), "a dead agent's observation is not zero")
                choices = np.flatnonzero(step.avail[dead].any(0)).tolist()
                rest = [] if noop is None else [noop]
                require(choices in ([], rest), f"a dead agent may choose among {choices}")
            deaths += int((~alive).sum())
        env.close()
        return f"{deaths} deaths in {EPISODES} episodes"

    def seed_decides(self) -> str:
        """The same seed gives the same episode, whatever the global generators say."""
        env, other = self.make(), self.make()
        for seed in range(3):
            one = list(random_episode(env, seed))
            np.random.seed(seed)
            same = list(random_episode(other, seed))
            place = step_difference(one, same)
            require(place is None, f"two episodes of seed {seed} differ at {place}")
        one, other_seed = list(random_episode(env, 1)), list(random_episode(env, 2))
        varied = step_difference(one, other_seed, observations_only=True)
        env.close()
        other.close()
        return "" if varied else "seeds 1 and 2 look the same: a deterministic task"

    def seed_decides_elsewhere(self) -> str:
        """The same seed gives the same episode in other processes, in other orders of sets."""
        env = self.make()
        here = [list(random_episode(env, seed)) for seed in SEEDS]
        env.close()
        try:
            forms = self.suite.build, self.suite.build_vector
            blob = pickle.dumps((*forms, self.task, self.config))
        except Exception as error:  # noqa: BLE001 - what is defined in a function, say
            return f"not tried, what builds it cannot be sent there: {one_line(error)}"
        for there in in_other_processes(blob):
            for seed, one, other in zip(SEEDS, here, there, strict=True):
                place = step_difference(one, other)
                require(place is None, f"in another process episode {seed} differs at {place}")
        return ""

    def reset_forgets(self) -> str:
        """A reset begins the same episode, whatever was played before and wherever it was left."""
        little, much = self.make(), self.make()
        count = compare_resets(little, much)
        little.close()
        much.close()
        return f"{count} seeds, after as many other episodes"

    def steps_are_kept(self) -> str:
        """The arrays of a step that was given do not change afterwards."""
        env = self.make()
        steps, copies = [], []
        for step in random_episode(env, 3):
            steps.append(step)
            copies.append(pickle.loads(pickle.dumps(step)))
        env.close()
        place = step_difference(steps, copies)
        require(place is None, f"a step is written over later: {place}")
        return ""

    def copies_go_on(self) -> str:
        """A copy pickled mid-episode goes on exactly."""
        env = self.make()
        step, rng = env.reset(5), np.random.default_rng(5)
        for _ in range(min(4, env.spec.episode_limit - 1)):
            if not step.last:
                step = env.step(random_actions(env.spec, step, rng))
        twin = pickle.loads(pickle.dumps(env))
        rest = [list(random_steps(each, step, np.random.default_rng(6))) for each in (env, twin)]
        place = step_difference(rest[0], rest[1])
        require(place is None, f"a copy that was pickled goes on otherwise at {place}")
        env.close()
        return f"{len(rest[0])} steps were left"

    def can_be_drawn(self) -> str:
        """Pictures are of one size and change with what happens; drawing changes nothing."""
        rendered, plain = self.make(), self.make()
        pictures, steps = [], []
        try:
            for step in random_episode(rendered, 4):
                steps.append(step)
                pictures.append(render(self.suite, rendered))
        except NotImplementedError as error:  # of a suite that does not know its tasks
            return f"not drawn: {error}"
        place = step_difference(steps, list(random_episode(plain, 4)))
        require(place is None, f"an episode that is drawn differs at {place}")
        shape = pictures[0].shape
        require(len(shape) == 3 and shape[2] == 3, f"a picture is {shape}")
        alike = all(p.shape == shape and p.dtype == np.uint8 for p in pictures)
        require(alike, "pictures are not uint8, or not of one size")
        require(len({picture.tobytes() for picture in pictures}) > 1, "all pictures are the same")
        rendered.close()
        plain.close()
        return f"{len(pictures)} pictures of {shape[1]} x {shape[0]}"

    def observations_can_be_drawn(self) -> str:
        """Pictures of what is seen, and of what might be imagined, are all of one size."""
        env, draw = self.make(), self.suite.draw_observation
        if env.spec.obs_dtype == "uint8":
            return "images, drawn as they are"
        seen = np.concatenate([step.obs for step in random_episode(env, 4)])  # (T A, O)
        env.close()
        noise = np.random.default_rng(0).normal(size=seen.shape).astype(seen.dtype)
        assert draw is not None
        pictures = [
            draw(self.task, self.config, obs) for obs in (*seen, *(seen + noise)[:20], *noise[:20])
        ]
        shapes = {(picture.dtype.name, *picture.shape) for picture in pictures}
        one, fits = (
            len(shapes) == 1,
            all(len(s) == 4 and s[0] == "uint8" and s[3] == 3 for s in shapes),
        )
        require(one and fits, f"pictures are not uint8 (height, width, 3) of one size: {shapes}")
        return f"{len(pictures)} of them"

    def copies_play_as_if_alone(self) -> str:
        """The suite's vector form gives, copy by copy, the episodes that it gives with one copy."""
        count = 3
        assert self.suite.build_vector is not None
        vector = self.suite.build_vector(self.task, self.config, count)
        singles = [self.make() for _ in range(count)]
        seeds = np.arange(count)
        together = vector.reset(seeds)
        alone = [env.reset(int(seed)) for env, seed in zip(singles, seeds, strict=True)]
        rng, ended = np.random.default_rng(7), 0
        for time in range(2 * singles[0].spec.episode_limit + 2):
            place = step_difference(unstack(together), alone)
            require(place is None, f"at time {time} copies differ from lone ones at {place}")
            actions = np.stack([random_actions(vector.spec, step, rng) for step in alone])
            seeds = seeds + count
            ended += sum(bool(step.last) for step in alone)
            together = vector.step(actions, seeds)
            alone = [
                env.reset(int(seed)) if step.last else env.step(action)
                for env, step, action, seed in zip(singles, alone, actions, seeds, strict=True)
            ]
        vector.close()
        for env in singles:
            env.close()
        return f"{ended} episodes in {count} copies"


def edges_of(spec: EnvSpec) -> list[NDArray[np.float32]]:
    """Give the joint actions (A, U) with all numbers of a box on its lower or upper bounds.

    A number without such a bound is 1000 there. None of discrete actions.
    """
    if spec.actions == "discrete":
        return []
    edges = np.array(spec.bounds, np.float32).T.clip(-1000, 1000)  # (2, U)
    return [np.tile(edge, (spec.num_agents, 1)) for edge in edges]


def constant_episode(env: Env, actions: NDArray[np.float32]) -> Iterator[Step]:
    """Give the steps of an episode in which agents do the same all the time."""
    step = env.reset(0)
    yield step
    for _ in range(env.spec.episode_limit):
        if step.last:
            return
        step = env.step(actions)
        yield step
