"""A run's learner as a checkpoint has it: to film, to evaluate, or to play with by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marlbench.store.kept import NEWEST
from marlbench.training.policies import state_of
from marlbench.training.saved_state import classes_in
from marlbench.vecenv.checks import within_bounds
from marlbench.vecenv.seeding import purpose_seed, step_rng
from marlbench.vecenv.synchronous import stack

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from marlbench.config import RunSpec
    from marlbench.plugin import Agent, Algorithm, Env, EnvSpec, Step

__all__ = ["TrainedAgent", "trained"]


def trained(
    folder: Path, spec: RunSpec, algorithm: Algorithm, env_spec: EnvSpec, of: str = NEWEST
) -> tuple[Agent, int]:
    """Give a run's learner on the CPU, only to act, and its env steps; raises as `state_of`.

    `of`: `newest`, `best` or the point of a policy that is kept.
    """
    config = algorithm.config(**spec.algorithm_config)
    agent = algorithm.build(config, env_spec, purpose_seed(spec.seed, "agent"), "cpu")
    state, env_steps = state_of(folder, of, classes_in(agent.state()))
    agent.load(state)
    return agent, env_steps


class TrainedAgent:
    """A trained learner and one copy of its task: `act` answers the steps that `env` gives.

    The policy's state it keeps itself, and makes the randomness of every step anew, as the host
    does. It plays greedily, and an episode of the same seed the same way again.
    """

    def __init__(self, spec: RunSpec, env: Env, agent: Agent, env_steps: int, seed: int) -> None:
        """Take what a run's folder holds, and the seed of what the learner draws."""
        self.spec = spec
        self.env = env
        self.env_steps = env_steps
        self._agent, self._seed = agent, seed
        self._policy_state: Any = None
        self._steps = 0

    def act(self, step: Step) -> NDArray[Any]:
        """Give available actions (A, *) for a step of one copy; a `first` step begins afresh."""
        if step.first:
            self._policy_state, self._steps = self._agent.start(1), 0
        rng = step_rng(self._seed, "evaluation steps", self.env_steps, self._steps)
        self._steps += 1
        actions, self._policy_state = self._agent.act(
            stack([step]), self._policy_state, rng, explore=False
        )
        return within_bounds(actions[0], self.env.spec)

    def __repr__(self) -> str:
        """Say what was trained on what, and how far."""
        spec = self.spec
        return f"<{spec.label} on {spec.suite}/{spec.task}, after {self.env_steps} env steps>"
