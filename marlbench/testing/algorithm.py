"""`check_algorithm`: does a learner keep the promises that the host relies on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Algorithm, ReplayBuffer, Step
from marlbench.testing.execution import depends_on_others
from marlbench.testing.generators import Guarded
from marlbench.testing.images import plays_images
from marlbench.testing.sameness import difference, leaves, through_disk
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.testing.trial import SEED, Subject, Trial, episode
from marlbench.testing.verdict import Check, Verdict, carry_out, require
from marlbench.training.evaluation import Occasion
from marlbench.training.foresight import imagines, require_shapes
from marlbench.training.loop import shows_pictures
from marlbench.training.recording import record
from marlbench.training.replay_segments import put_buffers, take_buffers
from marlbench.vecenv.seeding import step_rng

AHEAD = 30
"""Turns for which two trials must go on alike."""


def check_algorithm(
    algorithm: Algorithm, settings: Mapping[str, Any] | None = None
) -> list[Verdict]:
    """Check a learner on small synthetic tasks, in seconds with its preset `smoke`.

    `settings` are laid over the entry's defaults and the preset. Never raises for the plugin's
    fault.
    """
    checks: dict[str, Check] = {
        "builds": lambda: builds(Subject.of(algorithm, settings)),
        "plays and learns": lambda: plays_and_learns(Subject.of(algorithm, settings)),
    }
    checks["plays images of any size"] = lambda: plays_images(Subject.of(algorithm, settings))
    for name, check in CHECKS.items():
        checks[name] = partial(_on_subject, check, algorithm, settings)
    for kind in algorithm.actions[1:]:
        other = replace(algorithm, actions=(kind,))
        for name in WITH_OTHER_ACTIONS:
            checks[f"{name}, with {kind} actions"] = partial(
                _on_subject, CHECKS[name], other, settings
            )
    return carry_out(checks, vital=["builds", "plays and learns"])


def _on_subject(check: Any, algorithm: Algorithm, settings: Mapping[str, Any] | None) -> str:
    return str(check(Subject.of(algorithm, settings)))


def builds(subject: Subject) -> str:
    """It builds from its defaults, overlaid with the preset `smoke`."""
    subject.trial()
    return "with the preset smoke" if "smoke" in subject.algorithm.presets else "no preset smoke"


def plays_and_learns(subject: Subject) -> str:
    """It acts as it may, and makes an update before the check's patience ends."""
    trial = subject.trial()
    trial.learn(updates=1)
    return f"the first update came within {trial.moves * trial.env.num_envs} env steps"


def plays_one_copy(subject: Subject) -> str:
    """It plays and learns in one copy."""
    return plays(subject, 1, subject.sizes())


def plays_crowds(subject: Subject) -> str:
    """It plays and learns with more agents, each of which has a state."""
    return plays(subject, 3, subject.sizes(agents=5, own_states=True))


def plays(subject: Subject, num_envs: int, sizes: Sizes) -> str:
    """It plays and learns, within the available actions, though agents die and copies crash."""
    trial = subject.trial(sizes, num_envs=num_envs, task=Unreliable)
    trial.learn(updates=1)
    subject.trial(replace(sizes, state=None), num_envs=num_envs).play(AHEAD)
    return ""


def metrics_are_finite(subject: Subject) -> str:
    """An update gives finite floats."""
    metrics = subject.trial().learn()
    for name, value in (item for each in metrics for item in each.items()):
        require(isinstance(value, float), f"{name} is a {type(value).__name__}, not a float")
        require(math.isfinite(value), f"{name} is {value}")
    return ", ".join(metrics[-1])


def parameters_move(subject: Subject) -> str:
    """An update changes numbers that `state` shows."""
    trial = subject.trial()
    old: dict[str, Any] = {}
    trial.learn(before=lambda: old.update(leaves(trial.agent.state())))
    moved = [place for place, value in leaves(trial.agent.state()) if old.get(place) != value]
    require(bool(moved), "an update changed no float tensor or array of the state")
    return f"{len(moved)} of {len(old)} float arrays"


def seed_decides(subject: Subject) -> str:
    """The same seed gives the same actions and metrics; another seed may give others."""
    one, same, other = (subject.trial(seed=seed) for seed in (1, 1, 2))
    seen = [_until_update(trial) for trial in (one, same, other)]
    place = difference(seen[0], seen[1], "turns")
    require(place is None, f"two agents of the same seed differ at {place}")
    return "" if difference(seen[0], seen[2]) else "another seed played the same turns"


def resumes_exactly(subject: Subject) -> str:
    """Saved and loaded, in a fresh agent, it goes on as if nothing had happened."""
    trial, other = subject.trial(), subject.trial()
    trial.learn()
    trial.play(5)  # somewhere between two updates
    trial.copy_onto(other, through_disk)
    place = difference(_until_update(trial), _until_update(other), "turns")
    require(place is None, f"after save and load the run differs at {place}")
    place = difference(trial.agent.state(), other.agent.state())
    require(place is None, f"after save, load and the same turns {place} differs")
    return ""


def acts_without_its_replay(subject: Subject) -> str:
    """Loaded with empty buffers, as to be filmed, it acts as it does with full ones."""
    trial, other = subject.trial(), subject.trial()
    trial.learn()
    buffers: dict[str, ReplayBuffer] = {}
    rest = take_buffers(through_disk(trial.agent.state()), buffers)
    other.agent.load(
        put_buffers(rest, {name: _emptied(buffer) for name, buffer in buffers.items()})
    )
    with_it, without = (
        each.watch(episode(subject.sizes(), 5, seed=8), False) for each in (trial, other)
    )
    place = difference(with_it, without, "actions")
    require(place is None, f"with empty buffers it acts differently: {place}")
    return "" if buffers else "it has none"


def evaluating_disturbs_nothing(subject: Subject) -> str:
    """Acting in an evaluation, and giving pictures, leaves training untouched."""
    trial, twin = subject.trial(), subject.trial()
    for each in (trial, twin):
        each.learn()
    before = through_disk(trial.agent.state())
    carried = through_disk(trial.policy_state)
    for explore in (False, True):
        trial.watch(episode(subject.sizes(), 5, seed=4), explore)
    place = difference(before, trial.agent.state())
    require(place is None, f"act changes {place}")
    if shows_pictures(trial.agent):
        trial.agent.pictures()
    place = difference(before, trial.agent.state())
    require(place is None, f"pictures changes {place}")
    place = difference(carried, trial.policy_state, "policy_state")
    require(place is None, f"act in an evaluation changes {place} of training")
    place = difference(_until_update(trial), _until_update(twin), "turns")
    require(place is None, f"after an evaluation training differs at {place}")
    return ""


def acting_is_a_function(subject: Subject) -> str:
    """The same step, policy state and randomness give the same actions; the state is left."""
    trial = subject.trial()
    trial.learn(updates=1)
    carried = through_disk(trial.policy_state)
    for explore in (False, True):
        rngs = (step_rng(SEED, "training steps", trial.moves) for _ in range(2))
        first, _ = trial.agent.act(trial.step, trial.policy_state, next(rngs), explore)
        place = difference(carried, trial.policy_state, "policy_state")
        require(place is None, f"act(explore={explore}) changes {place}, which it was given")
        again, _ = trial.agent.act(trial.step, trial.policy_state, next(rngs), explore)
        require(bool((first == again).all()), f"two calls of act(explore={explore}) differ")
    return ""


def imagines_as_promised(subject: Subject) -> str:
    """Where it imagines: as the contract says, by what it is given alone, changing nothing."""
    trial = subject.trial()
    if not imagines(trial.agent):
        return "it does not offer to"
    trial.learn(updates=1)
    occasion = Occasion("imagined", 0, 6, sampled=True)
    pieces = record(trial.agent, trial.env, occasion, SEED).pieces(2, 5, 8)
    before, given = through_disk(trial.agent.state()), through_disk(vars(pieces.seen))
    one, again = (
        trial.agent.imagine(pieces.seen, pieces.actions, step_rng(SEED, "imagination", 0))
        for _ in range(2)
    )
    require_shapes(one, pieces, trial.env.spec)
    for name, value in vars(one).items():
        whole = value is None or bool(np.isfinite(value).all())
        require(whole, f"{name} has numbers that are not finite")
        fits = (
            name not in ("cont", "avail") or value is None or 0 <= value.min() <= value.max() <= 1
        )
        require(fits, f"{name} are probabilities, and not all are within 0 and 1")
    place = difference(vars(one), vars(again), "imagination")
    require(place is None, f"two calls of imagine differ at {place}")
    place = difference(before, trial.agent.state())
    require(place is None, f"imagine changes {place}")
    place = difference(given, vars(pieces.seen), "seen")
    require(place is None, f"imagine changes {place}, which it was given")
    return ", ".join(name for name, value in vars(one).items() if value is not None)


def policy_state_is_data(subject: Subject) -> str:
    """The policy's state comes back from a file, of classes that a new agent's state has."""
    trial, new = subject.trial(), subject.trial().agent
    trial.play(4)
    steps = episode(subject.sizes(), 3, seed=5)
    one = trial.watch(steps, True, trial.policy_state)
    loaded = through_disk(trial.policy_state, new.start(1), new.state())
    same = trial.watch(steps, True, loaded)
    require(
        difference(one, same) is None, "a policy state that was saved and loaded acts differently"
    )
    return ""


def episodes_are_apart(subject: Subject) -> str:
    """A copy on a `first` step forgets what came before."""
    trial = subject.trial()
    trial.learn()
    past = episode(subject.sizes(end=0.0), 6, seed=6)
    wild = [replace(step, obs=_wild(step, time)) for time, step in enumerate(past)]
    future = episode(subject.sizes(), 6, seed=7)
    for explore in (False, True):
        after = [_after(trial, before, explore) for before in (past, wild)]
        answers = [trial.watch(future, explore, state) for state in after]
        place = difference(answers[0], answers[1], "actions")
        require(place is None, f"what was seen in the episode before changes {place}")
    return ""


def global_generators_rest(subject: Subject) -> str:
    """Neither acting nor learning draws from a global random generator."""
    trial = subject.trial()
    trial.agent = Guarded(trial.agent)
    trial.learn()
    trial.watch(episode(subject.sizes(), 3, seed=9), explore=False)
    return ""


def execution_is_true(subject: Subject) -> str:
    """An agent's action depends on the others exactly if `execution` says so."""
    declared = subject.algorithm.execution
    sizes = subject.sizes(agents=3)
    trial = subject.trial(sizes)
    trial.learn()
    found = depends_on_others(trial, sizes)
    if declared == "decentralised":
        require(found is None, f"declared decentralised, but {found}")
        return "no action depends on what other agents see"
    require(
        found is not None,
        f"declared {declared}, but no action depends on what other agents see: it is decentralised",
    )
    return str(found)


CHECKS = {
    "plays 1 copy of 2 agents": plays_one_copy,
    "plays 3 copies of 5 agents with states of their own": plays_crowds,
    "metrics are finite floats": metrics_are_finite,
    "parameters move": parameters_move,
    "the seed decides": seed_decides,
    "resumes exactly": resumes_exactly,
    "acts without its replay": acts_without_its_replay,
    "evaluating disturbs nothing": evaluating_disturbs_nothing,
    "acting is a function": acting_is_a_function,
    "imagines as promised": imagines_as_promised,
    "policy state is data": policy_state_is_data,
    "episodes are apart": episodes_are_apart,
    "global generators rest": global_generators_rest,
    "execution is as declared": execution_is_true,
}
WITH_OTHER_ACTIONS = (
    "plays 1 copy of 2 agents",
    "plays 3 copies of 5 agents with states of their own",
    "resumes exactly",
    "acting is a function",
    "policy state is data",
    "execution is as declared",
)
"""What is asked again of an algorithm for every further kind of actions by which it acts."""


class Unreliable(Synthetic):
    """A synthetic task whose simulator crashes in some episodes."""

    def reset(self, seed: int) -> Step:
        """Begin the episode of this seed, and decide whether it will crash."""
        self._crashes_at = 4 if seed % 3 == 0 else None
        return super().reset(seed)

    def step(self, actions: NDArray[Any]) -> Step:
        """Play, or crash."""
        step = super().step(actions)
        if self._time == self._crashes_at:
            raise ConnectionError("a crash that the check makes")
        return step


def _emptied(buffer: ReplayBuffer) -> ReplayBuffer:
    """Give the buffer as it was before its first row."""
    return ReplayBuffer(
        {name: np.zeros_like(array) for name, array in buffer.arrays.items()}, written=0
    )


def _until_update(trial: Trial) -> list[Any]:
    """Play some turns and on to the next update; give what was seen."""
    seen = trial.play(AHEAD)
    return [*seen, trial.learn(updates=1)]


def _after(trial: Trial, past: list[Step], explore: bool) -> Any:
    """Give the policy's state after acting through a past."""
    policy_state = trial.agent.start(len(past[0].last))
    for t, step in enumerate(past):
        rng = step_rng(SEED, "evaluation steps", t)
        _, policy_state = trial.agent.act(step, policy_state, rng, explore)
    return policy_state


def _wild(step: Step, seed: int) -> NDArray[Any]:
    """Give other observations of the same shape, large ones."""
    rng = np.random.default_rng(seed)
    return (100 * rng.normal(size=step.obs.shape)).astype(step.obs.dtype)
