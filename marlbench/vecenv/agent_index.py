"""Who am I: a suite whose agents are told which of the team they are, or are not to be told.

`run.agent_index` is the same for all learners. `always` puts the index into the observations of
those whose agents do not know it; `never` asks those that tell it themselves to leave it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from marlbench.vecenv.synchronous import splits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import Algorithm, Env, EnvSpec, SplitEnv, Step, Suite, VectorEnv

    Word = Literal["observed", "hidden"]

__all__ = ["knows_index", "with_agent_index"]

BRIGHTEST = 255


def with_agent_index(suite: Suite, algorithm: Algorithm, setting: str) -> Suite:
    """Give the suite as this learner is to see it under `run.agent_index`."""
    if setting == "always" and algorithm.agent_index == "hidden":
        return _speaking(suite, "observed")
    if setting == "never" and algorithm.agent_index == "told":
        return _speaking(suite, "hidden")
    return suite


def knows_index(algorithm: Algorithm, spec: EnvSpec) -> Literal["told", "implied", "hidden"]:
    """Say whether a learner's agents know which of the team they are, on a task of this spec.

    Nothing takes from a learner that acts in an order what the order tells: `implied`.
    """
    if algorithm.agent_index == "implied" or spec.agent_index == "as its paper":
        return algorithm.agent_index
    return "told" if spec.agent_index == "observed" else "hidden"


def _speaking(suite: Suite, word: Word) -> Suite:
    """Give the suite, every environment of which says this of the agents' index."""
    build, build_vector, render = suite.build, suite.build_vector, suite.render
    return replace(
        suite,
        build=build and _around(build, word),
        build_vector=build_vector and _around(build_vector, word),
        render=render and (lambda env: render(env.inside)),
    )


def _around(build: Callable[..., Any], word: Word) -> Callable[..., Any]:
    """Give what builds it so; it can be sent to another process as `build` itself can."""
    return partial(_built, build, word)


def _built(
    build: Callable[..., Any], word: Word, task: str, config: Any, *num_envs: int
) -> Env | VectorEnv:
    inside = build(task, config, *num_envs)
    if num_envs:
        return IndexedVectorEnv(inside, word)
    return (IndexedSplitEnv if splits(inside) else IndexedEnv)(inside, word)


class IndexedEnv:
    """An `Env` that says whether agents may know which they are, and where it is so tells them."""

    def __init__(self, inside: Env, word: Word) -> None:
        """Stand around this copy."""
        self.inside = inside
        self.spec = spoken(inside.spec, word)

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides."""
        return told(self.inside.reset(seed), self.spec)

    def step(self, actions: NDArray[Any]) -> Step:
        """Play one joint action (A, *)."""
        return told(self.inside.step(actions), self.spec)

    def close(self) -> None:
        """Free what the simulator holds."""
        self.inside.close()


class IndexedSplitEnv(IndexedEnv):
    """The same of a `SplitEnv`."""

    inside: SplitEnv

    def send_reset(self, seed: int) -> None:
        """Ask for `reset` and do not wait."""
        self.inside.send_reset(seed)

    def send_step(self, actions: NDArray[Any]) -> None:
        """Ask for `step` and do not wait."""
        self.inside.send_step(actions)

    def receive(self) -> Step:
        """Wait for what was asked last."""
        return told(self.inside.receive(), self.spec)


class IndexedVectorEnv:
    """The same of a `VectorEnv`."""

    def __init__(self, inside: VectorEnv, word: Word) -> None:
        """Stand around these copies."""
        self.inside = inside
        self.num_envs = inside.num_envs
        self.spec = spoken(inside.spec, word)

    def reset(self, seeds: NDArray[np.int64]) -> Step:
        """Begin an episode in every copy, from seeds (E,)."""
        return told(self.inside.reset(seeds), self.spec)

    def step(self, actions: NDArray[Any], seeds: NDArray[np.int64]) -> Step:
        """Play joint actions (E, A, *)."""
        return told(self.inside.step(actions, seeds), self.spec)

    def close(self) -> None:
        """Free what the simulators hold."""
        self.inside.close()


def spoken(spec: EnvSpec, word: Word) -> EnvSpec:
    """Give the spec that says this of the index; where agents observe it, with room for it.

    >>> from marlbench.plugin import EnvSpec
    >>> spoken(EnvSpec(3, (5,), 2, episode_limit=9), "observed").obs_shape
    (8,)
    """
    if word == "hidden":
        return replace(spec, agent_index=word)
    *places, features = spec.obs_shape
    more = 1 if places else spec.num_agents
    return replace(spec, agent_index=word, obs_shape=(*places, features + more))


def told(step: Step, spec: EnvSpec) -> Step:
    """Give the step with the index in every living agent's observation, where they observe it.

    Behind a vector stands the one-hot index; a picture has one channel more, as bright as its
    agent's share of the team.
    """
    if spec.agent_index != "observed":
        return step
    agents, alive = spec.num_agents, step.alive
    if len(spec.obs_shape) == 1:
        index = np.eye(agents, dtype=step.obs.dtype) * alive[..., None]  # (..., A, A)
    else:
        shades = (BRIGHTEST * np.arange(1, agents + 1) // agents) * alive  # (..., A)
        index = np.empty((*step.obs.shape[:-1], 1), step.obs.dtype)
        index[...] = shades[..., None, None, None].astype(step.obs.dtype)
    return replace(step, obs=np.concatenate([step.obs, index], -1))
