"""Every broken learner is caught by the check that is about its fault, a good one by none."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from marlbench.imagination import Imagination
from marlbench.plugin import Algorithm, EnvSpec, Step
from marlbench.testing import Verdict, check_algorithm, insist
from tests import linear
from tests.linear import Config, Linear

Answer = tuple[NDArray[np.int64], Any]


def offered(learner: type[Linear], **entry: Any) -> Algorithm:
    """A catalogue entry for this learner."""

    def build(config: Config, spec: EnvSpec, seed: int, device: str) -> Linear:
        return learner(config, spec, seed, device)

    return replace(linear.algorithm, build=build, **entry)


def failures(algorithm: Algorithm) -> dict[str, Verdict]:
    """What `check_algorithm` holds against it."""
    return {each.name: each for each in check_algorithm(algorithm) if not each.passed}


def test_a_good_learner_keeps_every_promise() -> None:
    verdicts = check_algorithm(linear.algorithm)
    assert [each for each in verdicts if not each.passed] == []
    assert len(verdicts) == 17


class Spy(Linear):
    """Looks at everybody's observations."""

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Act on the mean observation."""
        everybody = np.broadcast_to(step.obs.mean(1, keepdims=True), step.obs.shape)
        return super().act(replace(step, obs=everybody), memory, rng, explore)


class StateSpy(Linear):
    """Looks at the global state."""

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Add the state to the observation."""
        hint = (
            0.0
            if step.state is None
            else step.state.reshape(len(step.state), 1, -1).sum(-1, keepdims=True)
        )
        return super().act(replace(step, obs=step.obs + np.float32(hint)), memory, rng, explore)


class Gossip(Linear):
    """Looks at the other agents' available actions."""

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Scale the observation by how many actions all have."""
        count = step.avail.sum((1, 2))[:, None, None]
        return super().act(replace(step, obs=step.obs - count), memory, rng, explore)


class Whisper(Linear):
    """Listens to the others so faintly, before it has learnt to, that no action shows it."""

    def __init__(self, config: Config, spec: EnvSpec, seed: int, device: str) -> None:
        super().__init__(config, spec, seed, device)
        self.ear = torch.full((spec.obs_shape[0], spec.obs_shape[0]), 1e-12)

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Add what all see, through a matrix that is nearly zero."""
        heard = step.obs.mean(1, keepdims=True) @ self.ear.numpy()
        return super().act(replace(step, obs=step.obs + heard), memory, rng, explore)

    def state(self) -> dict[str, Any]:
        """Give the matrix too."""
        return {**super().state(), "ear": self.ear}

    def load(self, state: dict[str, Any]) -> None:
        """Take the matrix too."""
        super().load(state)
        self.ear = state["ear"]


@pytest.mark.parametrize("learner", [Spy, StateSpy, Gossip, Whisper])
def test_a_communicator_declared_decentralised_is_caught(learner: type[Linear]) -> None:
    found = failures(offered(learner))
    found.pop("plays images of any size", None)  # two of them hear numbers alone
    assert list(found) == ["execution is as declared"]
    assert "depends on what other agents see" in found["execution is as declared"].detail


def test_a_communicator_that_says_so_is_not() -> None:
    assert failures(offered(Spy, execution="communicating")) == {}


@pytest.mark.parametrize("execution", ["communicating", "centralised"])
def test_a_loner_declared_to_communicate_is_caught(execution: Any) -> None:
    found = failures(replace(linear.algorithm, execution=execution))
    assert list(found) == ["execution is as declared"]
    assert "it is decentralised" in found["execution is as declared"].detail


class Doodler(Linear):
    """Scribbles on its weights when it draws."""

    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Give a picture, and forget what was learnt."""
        for value in self.state().values():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                value.zero_()
        return {"doodle": np.zeros((2, 2, 3), np.uint8)}


def test_a_learner_that_changes_when_it_draws_is_caught() -> None:
    found = failures(offered(Doodler))
    assert list(found) == ["evaluating disturbs nothing"]
    assert "pictures changes" in found["evaluating disturbs nothing"].detail


class Outsider(Linear):
    """Does not look at the mask."""

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Pretend that all actions are available."""
        return super().act(replace(step, avail=np.ones_like(step.avail)), memory, rng, explore)


class Undead(Linear):
    """Forgets that the dead can only do nothing."""

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Move the dead."""
        actions, memory = super().act(step, memory, rng, explore)
        return np.where(step.alive, actions, 1), memory


class Guessing(Linear):
    """Draws from numpy's global generator as it acts."""

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Draw and throw away."""
        np.random.random()
        return super().act(step, memory, rng, explore)


class Noisy(Linear):
    """Draws from torch's global generator as it learns."""

    def update(self) -> dict[str, float] | None:
        """Draw and throw away."""
        torch.rand(1)
        return super().update()


class Amnesiac(Linear):
    """Saves all but its random generator."""

    def state(self) -> dict[str, Any]:
        """Give less than all."""
        return {**super().state(), "generator": torch.Generator().get_state()}


class Hoarder(Linear):
    """Goes nowhere without its replay."""

    def load(self, state: dict[str, Any]) -> None:
        """Insist on rows."""
        if not state["replay"].written:
            raise ValueError("where are the rows")
        super().load(state)


class Forgetful(Linear):
    """Knows only what its replay has rows of."""

    def load(self, state: dict[str, Any]) -> None:
        """Take no weights for no rows."""
        super().load(state)
        if not self.written:
            torch.nn.init.zeros_(self.weights)


class Stale(Linear):
    """Saves its optimiser and does not load it."""

    def load(self, state: dict[str, Any]) -> None:
        """Leave out the optimiser."""
        super().load({**state, "optimiser": self.optimiser.state_dict()})


class Keeper(Linear):
    """Keeps what it acts on."""

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Let acting disturb the trace that learning uses."""
        self.trace = self.trace + np.float32(0.01)
        return super().act(step, memory, rng, explore)


class Overwriter(Linear):
    """Writes into the memory that it is given."""

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Change the caller's array."""
        actions, after = super().act(step, memory, rng, explore)
        memory[:] = after
        return actions, memory


class Closure(Linear):
    """Puts a function into its memory."""

    def start(self, num_envs: int) -> Any:
        """Begin with a lambda."""
        return super().start(num_envs), lambda: 0

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Carry the lambda along."""
        trace, f = memory
        actions, after = super().act(step, trace, rng, explore)
        return actions, (after, f)


class Nostalgic(Linear):
    """Does not forget when an episode begins."""

    def act(self, step: Step, memory: Any, rng: Generator, explore: bool) -> Answer:
        """Hide that the step is a first one."""
        return super().act(replace(step, first=np.zeros_like(step.first)), memory, rng, explore)


class Diverged(Linear):
    """Reports a loss that is not finite."""

    def update(self) -> dict[str, float] | None:
        """Say NaN."""
        return None if super().update() is None else {"loss": float("nan")}


class TensorMetrics(Linear):
    """Reports tensors."""

    def update(self) -> dict[str, float] | None:
        """Give a tensor for a float."""
        return None if super().update() is None else {"loss": torch.tensor(1.0)}  # type: ignore[dict-item]


class Idle(Linear):
    """Says that it learns, and does not."""

    def update(self) -> dict[str, float] | None:
        """Change nothing."""
        return {"loss": 0.0}


class Never(Linear):
    """Never finds it time to learn."""

    def update(self) -> dict[str, float] | None:
        """Not yet."""
        return None


class Dreamer(Linear):
    """Imagines that all is nothing."""

    def imagine(self, seen: Step, actions: NDArray[np.int64], rng: Generator) -> Imagination:
        """Foresee zeros."""
        steps = (len(actions) - len(seen.first) + 1, *seen.first.shape[1:])
        reward = np.zeros((*steps, seen.reward.shape[-1]))
        return Imagination(None, reward, np.ones(steps), None, None)


class Longwinded(Dreamer):
    """Imagines a step too much."""

    def imagine(self, seen: Step, actions: NDArray[np.int64], rng: Generator) -> Imagination:
        """Foresee one step for each action."""
        shape = (len(actions), *seen.reward.shape[1:])
        return Imagination(None, np.zeros(shape), None, None, None)


class Certain(Dreamer):
    """Is surer than sure."""

    def imagine(self, seen: Step, actions: NDArray[np.int64], rng: Generator) -> Imagination:
        """Give 2 for a probability."""
        whole = super().imagine(seen, actions, rng)
        return replace(whole, cont=2 * np.asarray(whole.cont))


class Moody(Dreamer):
    """Imagines otherwise every time."""

    moods = 0

    def imagine(self, seen: Step, actions: NDArray[np.int64], rng: Generator) -> Imagination:
        """Count the times."""
        self.moods += 1
        whole = super().imagine(seen, actions, rng)
        return replace(whole, reward=np.asarray(whole.reward) + self.moods)


class Lucid(Dreamer):
    """Learns from what it imagines."""

    def imagine(self, seen: Step, actions: NDArray[np.int64], rng: Generator) -> Imagination:
        """Forget what was learnt."""
        for value in self.state().values():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                value.zero_()
        return super().imagine(seen, actions, rng)


def test_a_learner_that_imagines_as_promised_is_told_what_it_tells() -> None:
    found = {each.name: each for each in check_algorithm(offered(Dreamer))}["imagines as promised"]
    assert found.passed
    assert found.detail == "reward, cont"


class Clockwork(Linear):
    """Seeds itself by the clock."""

    def __init__(self, config: Config, spec: EnvSpec, seed: int, device: str) -> None:
        super().__init__(config, spec, time.perf_counter_ns() % 2**31, device)


@pytest.mark.parametrize(
    ("learner", "check", "words"),
    [
        (Outsider, "plays and learns", "the algorithm chose action"),
        (Undead, "plays and learns", "available are [0]"),
        (Guessing, "global generators rest", "act draws from the global generator of numpy"),
        (Noisy, "global generators rest", "update draws from the global generator of torch"),
        (Amnesiac, "resumes exactly", "after save and load the run differs"),
        (Stale, "resumes exactly", "after save and load the run differs"),
        (Hoarder, "acts without its replay", "where are the rows"),
        (Forgetful, "acts without its replay", "with empty buffers it acts differently"),
        (Keeper, "evaluating disturbs nothing", "act changes state['trace']"),
        (Overwriter, "acting is a function", "policy_state"),
        (Closure, "policy state is data", "which a checkpoint cannot hold"),
        (Nostalgic, "episodes are apart", "the episode before"),
        (Diverged, "metrics are finite floats", "loss is nan"),
        (TensorMetrics, "metrics are finite floats", "loss is a Tensor"),
        (Idle, "parameters move", "changed no float"),
        (Never, "plays and learns", "0 updates within"),
        (Longwinded, "imagines as promised", "imagine() gave reward of shape (6, 8, 2)"),
        (Certain, "imagines as promised", "cont are probabilities"),
        (Moody, "imagines as promised", "two calls of imagine differ"),
        (Lucid, "imagines as promised", "imagine changes state"),
        (Clockwork, "the seed decides", "two agents of the same seed"),
    ],
)
def test_a_fault_is_caught_by_the_check_about_it(
    learner: type[Linear], check: str, words: str
) -> None:
    found = failures(offered(learner))
    assert check in found, f"caught by {list(found)} only"
    assert words in found[check].detail
    assert "\n" not in found[check].detail


def test_a_learner_that_does_not_build_gives_one_verdict_and_no_exception() -> None:
    class Unbuilt(Linear):
        def __init__(self, *_: Any) -> None:
            raise ImportError("no module named jax")

    (verdict,) = check_algorithm(offered(Unbuilt))
    assert not verdict.passed
    assert verdict.detail.startswith("ImportError: no module named jax (test_check_algorithm.py:")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rat": 0.9}, "Config has no setting 'rat'"),
        ({"rate": "high"}, "Config.rate cannot be 'high': Input should be a valid number"),
        ({"num_envs": 2, "batch": [1]}, "Config.batch cannot be [1]: Input should be"),
    ],
)
def test_settings_and_presets_that_do_not_exist_are_a_verdict_too(
    settings: dict[str, Any], said: str
) -> None:
    for verdicts in (
        check_algorithm(linear.algorithm, settings),
        check_algorithm(replace(linear.algorithm, presets={"smoke": settings})),
        check_algorithm(replace(linear.algorithm, defaults=settings)),
    ):
        (verdict,) = verdicts
        assert not verdict.passed
        assert verdict.detail.startswith(f"linear with its defaults and preset smoke: {said}")
        assert verdict.detail.endswith(" (marlbench show linear)")
        assert "\n" not in verdict.detail


def test_a_learner_that_sets_itself_up_wrongly_is_told_in_one_line() -> None:
    class Nested(Linear):
        def __init__(self, *_: Any) -> None:
            Config(rat=1)  # type: ignore[call-arg]

    (verdict,) = check_algorithm(offered(Nested))
    assert verdict.detail.startswith("ValidationError: Config has no setting 'rat' (main.py:")


def test_insist_names_what_is_not_kept() -> None:
    insist([Verdict("a", True, "", 0.1)])
    with pytest.raises(AssertionError, match="b: went wrong"):
        insist([Verdict("a", True, "", 0.1), Verdict("b", False, "went wrong", 0.1)])
