"""What every plugin imports: the contracts between the host, algorithms and environments.

One vocabulary of shapes, used in every trailing comment of the project:
`E` environments, `B` batch, `T` time, `A` agents, `U` actions, `O` observation, `S` state,
`H` horizon, `D` feature.

An agent acts in one of two ways (`EnvSpec.actions`). `discrete`: it chooses one of U actions, and a
joint action is (A,) int64. `box`: it says U numbers, and a joint action is (A, U) float32. `(A, *)`
stands for either, (E, A, *) for E copies of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pluggy

from marlbench.appearance import Appearance
from marlbench.entries import Finding, Preset
from marlbench.metrics import Metric, episode_return, win_rate
from marlbench.phases import PhasedAgent, Phases
from marlbench.plugin_config import AlgorithmConfig, Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "API_VERSION", "ActionKind", "Agent", "Algorithm", "AlgorithmConfig", "Appearance", "Config",
    "DrawingAgent", "Env", "EnvSpec", "Finding", "Metric", "PhasedAgent", "Phases", "Preset",
    "ReplayBuffer", "SplitEnv", "Step", "Suite", "VectorEnv", "episode_return", "hookimpl",
    "win_rate",
]  # fmt: skip

API_VERSION = 2
"""The contract of this page. A plugin module states the one it is for: `marlbench_api = 2`."""

ActionKind = Literal["discrete", "box"]
"""How agents act: by choosing one of U actions, or by saying U numbers."""

hookimpl = pluggy.HookimplMarker("marlbench")
"""Marks a plugin's function as the implementation of the hook of the same name (hookspecs.py)."""


@dataclass(frozen=True)
class Step:
    """One time step: what arrived, one reading for a copy of an environment or for E of them.

    For one copy the shapes are those below; the vectorised form has a leading E everywhere,
    the three flags included, then `(E,)` bool arrays. A `last` step is answered, whatever the
    action, by the `first` step of the next episode; that transition is not an env step.
    """

    obs: NDArray[Any]
    """(A, *O) observations; all zeros for an agent that is not alive."""
    avail: NDArray[np.bool_]
    """(A, U) available actions, at least one per agent; a dead agent has the no-op alone.

    Of a box the numbers that are the agent's to say; a dead agent has none. All others are ignored.
    """
    alive: NDArray[np.bool_]
    """(A,) False from the step on which the agent is gone."""
    reward: NDArray[np.float32]
    """(A,) reward that arrived with this observation; zeros on a first step."""
    first: Any
    """bool: the episode begins here."""
    last: Any
    """bool: the episode ends here."""
    terminal: Any
    """bool: the end is real. `last and not terminal` is a time-out, where learners bootstrap."""
    state: NDArray[np.float32] | None = None
    """(S,) for centralised training, where the suite has one; (A, S) if each agent has its own."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """What metrics are read from; bools `cut`, by the suite's limit, and `crashed`, by the host."""


@dataclass(frozen=True)
class EnvSpec:
    """What a learner may know of a task before it begins."""

    num_agents: int
    obs_shape: tuple[int, ...]
    num_actions: int
    """U: how many actions an agent can choose from, or how many numbers it says."""
    episode_limit: int
    """Longest episode in env steps."""
    actions: ActionKind = "discrete"
    """The kind of actions."""
    bounds: tuple[tuple[float, float], ...] = ()
    """(low, high) of each of the U numbers of a box, +-inf for none: the host clips to them."""
    obs_dtype: str = "float32"
    """`float32` vectors or `uint8` images (height, width, channels)."""
    state_shape: tuple[int, ...] | None = None
    """(S,): one for the team. (A, S): one for each agent; learners that mix flatten it to A * S."""
    noop: int | None = None
    """Index of the action that does nothing, a dead agent's only one; None: none die, or a box."""
    reward: Literal["team", "individual"] = "team"
    """`team`: the same number for all; `individual`: each its own, the return is their sum."""
    metrics: tuple[Metric, ...] = (episode_return(),)
    """What an episode is scored by; the first is the one that tables show."""
    simulator: str = ""
    """Name and version of what is simulated: results of different versions do not mix."""
    agent_index: Literal["as its paper", "observed", "hidden"] = "as its paper"
    """Whether agents are told which they are; where `hidden`, a learner does not tell them."""

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of a joint action: (A,), or (A, U) of numbers."""
        return (self.num_agents, *(() if self.actions == "discrete" else (self.num_actions,)))

    @property
    def action_dtype(self) -> str:
        """`int64`, or `float32` of numbers."""
        return "int64" if self.actions == "discrete" else "float32"

    @property
    def own_states(self) -> bool:
        """Whether each agent has a state of its own, (A, S)."""
        return self.state_shape is not None and len(self.state_shape) == 2


class Env(Protocol):
    """One copy of a task. Raises on a crash; the host cuts the episode and builds a new copy."""

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the task."""
        ...

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides entirely: its `first` step."""
        ...

    def step(self, actions: NDArray[Any]) -> Step:
        """Play one joint action (A, *), in its box; never called after a `last` step."""
        ...

    def close(self) -> None:
        """Free what the simulator holds."""
        ...


class SplitEnv(Env, Protocol):
    """An `Env` that plays in another process, so that the host's copies can play at once.

    The host asks every copy and only then waits for each. All that goes wrong may raise in either
    half, and costs that copy's episode alone.
    """

    def send_reset(self, seed: int) -> None:
        """Ask for `reset` and do not wait."""
        ...

    def send_step(self, actions: NDArray[Any]) -> None:
        """Ask for `step` and do not wait."""
        ...

    def receive(self) -> Step:
        """Wait for what was asked last."""
        ...


class VectorEnv(Protocol):
    """E copies in lockstep. The host makes one of `Env`s; a suite may offer a faster one itself."""

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the task."""
        ...

    @property
    def num_envs(self) -> int:
        """E."""
        ...

    def reset(self, seeds: NDArray[np.int64]) -> Step:
        """Begin an episode in every copy, from seeds (E,)."""
        ...

    def step(self, actions: NDArray[Any], seeds: NDArray[np.int64]) -> Step:
        """Play joint actions (E, A, *), within the bounds of a box.

        A copy that stood on a `last` step ignores its action and begins the episode of its
        seed in seeds (E,); the other copies ignore their seeds.
        """
        ...

    def close(self) -> None:
        """Free what the simulators hold."""
        ...


class Agent(Protocol):
    """A learner: four verbs, two to save. The host knows nothing of buffers, models or policies."""

    def start(self, num_envs: int) -> Any:
        """Give the policy's state for E copies that all stand on a `first` step; picklable."""
        ...

    def act(
        self, step: Step, policy_state: Any, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[Any], Any]:
        """Give available actions (E, A, *) and the policy's next state; change nothing.

        What lies outside of a box is clipped as it is played; `observe` is given what was said.

        A function of the parameters, the step, the policy's state and `rng` alone, so that
        evaluating cannot disturb training. All that is random comes from `rng`, which the host
        makes anew for every vector step from the run's seed, the purpose and the step. Copies
        on a `first` step forget what came before. On a `last` step the action is ignored.
        """
        ...

    def observe(self, step: Step, actions: NDArray[Any]) -> None:
        """See a training step and the actions (E, A, *) then given; `last` steps are shown too."""
        ...

    def update(self) -> dict[str, float] | None:
        """Learn if it is time, which the agent itself decides; give metrics if it did."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything to go on exactly, nested: tensors, arrays, `ReplayBuffer`s, plain values."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        ...


class DrawingAgent(Agent, Protocol):
    """An `Agent` that shows what it sees and decodes: the host keeps its pictures with the run."""

    def pictures(self) -> Mapping[str, NDArray[np.uint8]]:
        """Give pictures (height, width, 3) by name; change nothing, as `act`.

        A function of `state` alone that draws from no generator of the learner's; asked after
        every evaluation. Empty while there is nothing to show, and where nothing ever is.
        """
        ...


@dataclass(frozen=True)
class ReplayBuffer:
    """A replay inside `Agent.state()`, which the host saves incrementally: only what is new.

    Row k (counted from the first ever written) stands at index `k % capacity` of every array
    and never changes until it is overwritten. A learner that is only to act, as for
    `marlbench watch`, is given its state with rings that are empty.
    """

    arrays: Mapping[str, NDArray[Any]]
    """Each (capacity, ...)."""
    written: int
    """Rows ever written; the live ones are the newest `min(written, capacity)`."""


@dataclass(frozen=True)
class Algorithm:
    """A catalogue entry for a learner."""

    name: str
    config: type[AlgorithmConfig]
    """Its defaults are the paper's own values."""
    build: Callable[[Any, EnvSpec, int, str], Agent]
    """`build(config, spec, seed, device)`; imports the learner, and torch, only here."""
    execution: Literal["decentralised", "communicating", "centralised"]
    """What an agent's action depends on: its own history, messages, or everything. Checked."""
    paper: str = ""
    """Citation, e.g. `Rashid et al. 2018, arXiv:1803.11485v2`."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Settings in which this entry differs from `config`'s defaults (VDN is QMIX with a sum)."""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings per preset name; a preset that is not listed changes nothing."""
    agent_index: Literal["hidden", "told", "implied"] = "hidden"
    """Whether, by its paper, agents know which of the team they are: `told` by the learner, but
    where `EnvSpec.agent_index` is `hidden`; `implied` by the order in which they act."""
    stochastic: bool = False
    """Whether exploring play samples the policy itself; then evaluations play it sampled too."""
    actions: tuple[ActionKind, ...] = ("discrete",)
    """Kinds of actions by which it can act (`EnvSpec.actions`); the host refuses other tasks."""
    appearance: Appearance = field(default_factory=Appearance)
    """Its name for readers, its place in tables and its look in figures."""
    wants_gpu: bool = False
    """Whether the paper's settings take days without a GPU, so that the host can say so."""
    phases: Phases | None = None
    """How its training step is timed by phase (`marlbench bench`); None: only as a whole."""


@dataclass(frozen=True)
class Suite:
    """A catalogue entry for a family of tasks."""

    name: str
    tasks: tuple[str, ...]
    """All task names, the paper's first."""
    build: Callable[[str, Any], Env] | None
    """`build(task, config)`; imports the simulator only here. None: there is `build_vector`."""
    default_task: str
    """What short presets play: one of `tasks`, unless they are open."""
    config: type[Config] = Config
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The host's settings per preset name, over the preset's: fewer of long episodes, say."""
    paper_tasks: tuple[str, ...] = ()
    """What of `tasks` the `paper` preset plays where the suite has more; empty: all of them."""
    observes_images: Callable[[str, Any], bool] = lambda task, config: False
    """`(task, config)`: are observations images? Asked to plan, so it imports no simulator."""
    actions: Callable[[str, Any], ActionKind] = lambda task, config: "discrete"
    """`(task, config)`: how do agents act? Asked to plan, so it imports no simulator."""
    build_vector: Callable[[str, Any, int], VectorEnv] | None = None
    """`build_vector(task, config, num_envs)`, in place of `build`, steps E copies at once. Single
    copies are built anew when they raise; a vector form that raises fails the run."""
    extra: str | None = None
    """Which of marlbench's own pip extras installs the simulator; None: what `requires` names."""
    requires: tuple[str, ...] = ()
    """Module names that must be importable; a missing one makes the suite `not installed`."""
    open_tasks: bool = False
    """Whether `build` takes names that are not in `tasks` (an import path, say)."""
    copyable: bool = False
    """Whether copies can be pickled mid-episode, so that a resumed run goes on exactly."""
    slow_steps: bool = False
    """Whether a step takes a millisecond or so, and copies gain by processes of their own."""
    silent_minutes: float = 30.0
    """Minutes that a call of a copy may last before a worker is killed (`run.silent_minutes`)."""
    install: Callable[[], None] | None = None
    """What pip alone cannot install: `marlbench env install NAME` calls it; prints as it goes."""
    examine: Callable[[], Iterable[Finding]] | None = None
    """Looks in seconds at what it needs: for `marlbench run` and `env check`; `trial` plays."""
    trial: Callable[[], Finding] | None = None
    """Plays a little: the last line of `marlbench env check`, once nothing is missing."""
    render: Callable[[Any], NDArray[np.uint8]] | None = None
    """Draws an `Env`, or a `VectorEnv` of one copy: (height, width, 3), or NotImplementedError."""
    draw_observation: Callable[[str, Any, NDArray[Any]], NDArray[np.uint8]] | None = None
    """`(task, config, obs (O,))`, a vector seen or imagined: (height, width, 3), all as large."""
