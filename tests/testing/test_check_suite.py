"""Every broken environment is caught by the check that is about its fault, a good one by none."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import Step, Suite, VectorEnv
from marlbench.testing import Verdict, check_suite
from marlbench.testing.synthetic import Sizes, Synthetic, suite
from marlbench.vecenv.synchronous import SyncVectorEnv


def offered(env: type[Synthetic], **entry: Any) -> Suite:
    """A catalogue entry for this environment."""
    return replace(suite, build=lambda task, config: env(), **entry)


def failures(subject: Suite) -> dict[str, Verdict]:
    """What `check_suite` holds against it."""
    return {each.name: each for each in check_suite(subject) if not each.passed}


def test_a_good_environment_keeps_every_promise() -> None:
    def build_vector(task: str, config: Any, num_envs: int) -> VectorEnv:
        return SyncVectorEnv(Synthetic, num_envs)

    single = check_suite(offered(Synthetic))
    vector = check_suite(replace(suite, build=None, build_vector=build_vector))
    assert [each for each in single + vector if not each.passed] == []
    assert (len(single), len(vector)) == (9, 10)


def test_what_is_said_of_pictures_is_checked() -> None:
    says = failures(offered(Synthetic, observes_images=lambda *_: True))["builds"].detail
    assert "Suite.observes_images('random') is True, observations float32" in says
    sizes = Sizes(obs_shape=(6, 6, 3))
    seen = replace(suite, build=lambda task, config: Synthetic(sizes))
    assert (
        "observes_images('random') is False, observations uint8" in failures(seen)["builds"].detail
    )
    assert failures(replace(seen, observes_images=lambda *_: True)) == {}


def test_drawn_observations_are_all_as_large() -> None:
    def drawn(task: str, config: Any, obs: NDArray[Any]) -> NDArray[np.uint8]:
        """As wide as there is to see."""
        return np.zeros((4, 2 + int(obs.max() > 0), 3), np.uint8)

    def square(task: str, config: Any, obs: NDArray[Any]) -> NDArray[np.uint8]:
        return np.zeros((4, 4, 3), np.uint8)

    found = failures(offered(Synthetic, draw_observation=drawn))
    assert "not uint8 (height, width, 3) of one size" in found["observations can be drawn"].detail
    good = check_suite(offered(Synthetic, draw_observation=square))
    assert [each.passed for each in good if each.name == "observations can be drawn"] == [True]


class Broken(Synthetic):
    """Changes every step by `spoil`."""

    def reset(self, seed: int) -> Step:
        """Begin."""
        return self.spoil(super().reset(seed))

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play."""
        return self.spoil(super().step(actions))

    def spoil(self, step: Step) -> Step:
        """Do nothing."""
        return step


class WideObservations(Broken):
    """Gives float64."""

    def spoil(self, step: Step) -> Step:
        """Widen."""
        return replace(step, obs=step.obs.astype(np.float64))


class NoChoice(Broken):
    """Leaves an agent without an action."""

    def spoil(self, step: Step) -> Step:
        """Take them all."""
        return step if step.first else replace(step, avail=step.avail & False)


class UnequalTeam(Broken):
    """Rewards the first agent alone."""

    def spoil(self, step: Step) -> Step:
        """Favour one."""
        return replace(step, reward=step.reward * np.array([1, 0], np.float32))


class EarlyReward(Broken):
    """Pays on the first step."""

    def spoil(self, step: Step) -> Step:
        """Pay."""
        return replace(step, reward=step.reward + np.float32(1))


class Endless(Broken):
    """Never ends."""

    def spoil(self, step: Step) -> Step:
        """Hide the end."""
        return replace(step, last=False, terminal=False)


class TwiceFirst(Broken):
    """Calls every step of the beginning first."""

    def spoil(self, step: Step) -> Step:
        """Begin again."""
        return replace(step, first=not step.last and self._time < 2)


class Silent(Broken):
    """Has the metric `win` and does not say who won."""

    def spoil(self, step: Step) -> Step:
        """Say nothing."""
        return replace(step, info={})


class TakenBack(Broken):
    """Says of everyone that it has won, but for the last step."""

    def spoil(self, step: Step) -> Step:
        """Say it too early."""
        return replace(step, info={"won": not step.last})


class Lazarus(Broken):
    """Lets the dead come back."""

    def spoil(self, step: Step) -> Step:
        """Revive at even times."""
        return step if self._time % 2 else replace(step, alive=np.ones_like(step.alive))


class Ghosts(Broken):
    """The dead still see."""

    def spoil(self, step: Step) -> Step:
        """Show them something."""
        return replace(step, obs=step.obs + np.float32(1))


class Unseeded(Broken):
    """Draws from the global generator."""

    def spoil(self, step: Step) -> Step:
        """Add noise that no seed decides."""
        noise = np.random.normal(size=step.obs.shape).astype(np.float32)
        return replace(step, obs=step.obs + noise * step.alive[:, None])


class Elsewhere(Broken):
    """Serves its agents in the order of a set, which is another one in each process."""

    names = frozenset("abcdefgh")

    def spoil(self, step: Step) -> Step:
        """Shift what is seen by the place of the first name."""
        first = "abcdefgh".index(next(iter(self.names)))
        return replace(step, obs=step.obs + np.float32(first) * step.alive[:, None])


def build_elsewhere(task: str, config: Any) -> Elsewhere:
    """Build it, by a function that other processes can import."""
    return Elsewhere()


def test_what_differs_between_processes_is_caught() -> None:
    found = failures(replace(suite, build=build_elsewhere))
    assert list(found) == ["the seed decides in other processes"]
    assert "in another process episode 0 differs at" in found.popitem()[1].detail


class Haunted(Broken):
    """Remembers the episode before."""

    total = 0

    def spoil(self, step: Step) -> Step:
        """Count over episodes."""
        self.total += 1
        assert step.state is not None
        return replace(step, state=step.state + np.float32(self.total))


class Residue(Synthetic):
    """Shows now and then, for a moment, that the episode before was played to its end."""

    ended = False

    def reset(self, seed: int) -> Step:
        """Begin, with seeds of one kind otherwise than after an episode that was left."""
        step, ended = super().reset(seed), self.ended
        self.ended = False
        return replace(step, obs=step.obs + np.float32(ended and seed % 4 == 2 and seed > 2))

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play, and keep the end in mind."""
        step = super().step(actions)
        self.ended = step.last
        return step


class FirstWorld(Synthetic):
    """Keeps to the world that its first seed laid out."""

    first: int | None = None

    def reset(self, seed: int) -> Step:
        """Begin where the first episode began."""
        self.first = seed if self.first is None else self.first
        return super().reset(self.first)


class OneBuffer(Broken):
    """Gives the same array every time."""

    def spoil(self, step: Step) -> Step:
        """Write over what was given."""
        if step.first:
            self.buffer = np.zeros_like(step.obs)
        self.buffer[:] = step.obs
        return replace(step, obs=self.buffer)


class Forgetful(Broken):
    """Loses its generator when it is pickled."""

    def __getstate__(self) -> dict[str, Any]:
        """Leave something out."""
        return {**self.__dict__, "_rng": np.random.default_rng(0)}


@pytest.mark.parametrize(
    ("env", "check", "words"),
    [
        (WideObservations, "steps are as the spec says", "float64"),
        (NoChoice, "steps are as the spec says", "no available action"),
        (UnequalTeam, "steps are as the spec says", "different rewards"),
        (EarlyReward, "steps are as the spec says", "first step carries a reward"),
        (Endless, "episodes begin and end", "went on behind its limit of 12"),
        (TwiceFirst, "episodes begin and end", "are first"),
        (Silent, "episodes begin and end", "info['won']"),
        (TakenBack, "episodes begin and end", "won on the way"),
        (Lazarus, "the dead stay dead", "came back to life"),
        (Ghosts, "the dead stay dead", "not zero"),
        (Unseeded, "the seed decides", "two episodes of seed 0 differ at"),
        (Haunted, "a reset forgets", "differs at"),
        (Residue, "a reset forgets", "that of seed 6 differs at [time][obs"),
        (FirstWorld, "a reset forgets", "that of seed 0 differs at"),
        (OneBuffer, "steps are not written over", "written over"),
        (Forgetful, "copies go on mid-episode", "goes on otherwise"),
    ],
)
def test_a_fault_is_caught_by_the_check_about_it(
    env: type[Synthetic], check: str, words: str
) -> None:
    found = failures(offered(env))
    assert check in found, f"caught by {list(found)} only"
    assert words in found[check].detail
    assert "\n" not in found[check].detail


def test_deaths_without_a_noop_are_caught() -> None:
    class Undying(Synthetic):
        def __init__(self) -> None:
            super().__init__()
            self.spec = replace(self.spec, noop=None)

    found = failures(offered(Undying))
    assert "noop is None" in found["the dead stay dead"].detail


def test_copies_that_depend_on_how_many_they_are_are_caught() -> None:
    def build_vector(task: str, config: Any, num_envs: int) -> VectorEnv:
        return SyncVectorEnv(partial(Synthetic, Sizes(death=0.1 * num_envs)), num_envs)

    found = failures(replace(suite, build=None, build_vector=build_vector))
    assert list(found) == ["copies play as if alone"]


def test_a_suite_that_does_not_build_gives_one_verdict_and_no_exception() -> None:
    def build(task: str, config: Any) -> Any:
        raise ImportError("no module named pysc2")

    (verdict,) = check_suite(replace(suite, build=build))
    assert verdict.detail.startswith("ImportError: no module named pysc2")


def test_what_random_play_never_met_is_said() -> None:
    class Calm(Synthetic):
        def __init__(self) -> None:
            super().__init__(Sizes(death=0.0, end=0.0))

    details = {each.name: each.detail for each in check_suite(offered(Calm))}
    assert details["the dead stay dead"] == "0 deaths in 8 episodes"
    assert details["episodes begin and end"] == "8 time-outs"


def test_episodes_that_the_suite_cuts_are_said() -> None:
    class Cutting(Broken):
        def spoil(self, step: Step) -> Step:
            return replace(step, info={**step.info, "cut": step.last and not step.terminal})

    details = {each.name: each.detail for each in check_suite(offered(Cutting))}
    assert "of them cut at 12 steps by the suite" in details["episodes begin and end"]
