"""E copies of an environment in lockstep, each rebuilt when it crashes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from marlbench.errors import RAISED_BY_PLUGINS, SpecViolation, one_line
from marlbench.plugin import Step
from marlbench.vecenv.block import numbers
from marlbench.vecenv.checks import CheckedVectorEnv, check_win
from marlbench.vecenv.crew import Elsewhere
from marlbench.vecenv.seeding import further_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import Env, SplitEnv, Suite, VectorEnv
    from marlbench.vecenv.crew import Crew

    Answer = Callable[[], Step]

CRASHES_IN_A_ROW = 5
"""A copy that crashes so often without a real step between makes the run a failed one."""

FLAGS = ("crashed", "cut")
"""Of `Step.info`: what is False where a step does not say it."""


class EnvironmentFailure(RuntimeError):  # noqa: N818 - the reason of a failed run
    """An environment crashes again and again: rebuilding it does not help."""


def build(
    suite: Suite, task: str, config: Any, num_envs: int, crew: Crew | None = None
) -> CheckedVectorEnv:
    """Build E checked copies of a task, by the suite's own vector form where it has one.

    Single copies live in the processes of a crew, or without one here.
    """
    if suite.build_vector is not None:
        return CheckedVectorEnv(suite.build_vector(task, config, num_envs))
    assert suite.build is not None, f"{suite.name} offers neither form"
    make = partial(suite.build, task, config)
    if crew is None:
        return CheckedVectorEnv(SyncVectorEnv(make, num_envs))
    return CheckedVectorEnv(SyncVectorEnv(crew.builder(make), num_envs, crew.revive))


def snapshot(env: CheckedVectorEnv) -> bytes:
    """Pickle copies mid-episode (`Suite.copyable`), wherever they live."""
    inside = env.inside
    return pickle.dumps(inside.pickled() if isinstance(inside, SyncVectorEnv) else inside)


def restore(env: CheckedVectorEnv, blob: bytes, step: Step) -> None:
    """Go on with pickled copies that stand on this step."""
    content = pickle.loads(blob)
    if isinstance(env.inside, SyncVectorEnv):
        env.inside.resume(content, step)
        content = env.inside
    env.resume(content, step)


def take_crashes(env: CheckedVectorEnv) -> list[dict[str, Any]]:
    """Take the crashes since the last call: copy and error of each."""
    inside: VectorEnv = env.inside
    if not isinstance(inside, SyncVectorEnv):
        return []
    crashes, inside.crashes = inside.crashes, []
    return crashes


def last_error(door: VectorEnv, copy: int) -> str:
    """Give the error of a copy's newest crash that was not drained yet; empty without one."""
    inside = door.inside if isinstance(door, CheckedVectorEnv) else door
    crashes = inside.crashes if isinstance(inside, SyncVectorEnv) else []
    return next((each["error"] for each in reversed(crashes) if each["copy"] == copy), "")


class SyncVectorEnv:
    """A `VectorEnv` made of single `Env`s, all asked before any is waited for.

    A crash cuts the episode: the last observation comes again as a time-out with no reward and
    `info["crashed"]`, and the copy is rebuilt. A crash of a reset is tried again with a further
    seed. A breach of the contract is no crash: it is raised.
    """

    def __init__(
        self,
        make: Callable[[], Env],
        num_envs: int,
        revive: Callable[[bytes], Env] = pickle.loads,
    ) -> None:
        """Build the copies; `revive` takes one out of its pickle."""
        self.num_envs = num_envs
        self.crashes: list[dict[str, Any]] = []
        made = [make() for _ in range(num_envs)]
        self.envs: list[Env | None] = [*made]
        self._make, self._revive = make, revive
        self._now: list[Step] = []
        self._strikes = [0] * num_envs
        self.spec, *_ = [env.spec for env in made]  # copies that are built elsewhere are waited for

    def reset(self, seeds: NDArray[np.int64]) -> Step:
        """Begin an episode in every copy, from seeds (E,)."""
        answers = [self._ask_reset(copy, int(seed)) for copy, seed in enumerate(seeds)]
        self._now = [
            self._begin(copy, int(seeds[copy]), answer) for copy, answer in enumerate(answers)
        ]
        return stack(self._now)

    def step(self, actions: NDArray[Any], seeds: NDArray[np.int64]) -> Step:
        """Play joint actions (E, A, *); copies on a `last` step begin the episode of their seed."""
        answers = [
            self._ask_reset(copy, int(seeds[copy]))
            if now.last
            else self._ask(copy, partial(ask_step, actions=actions[copy]))
            for copy, now in enumerate(self._now)
        ]
        self._now = [
            self._begin(copy, int(seeds[copy]), answer) if now.last else self._play(copy, answer)
            for copy, (now, answer) in enumerate(zip(self._now, answers, strict=True))
        ]
        return stack(self._now)

    def close(self) -> None:
        """Free what the simulators hold."""
        for env in self.envs:
            if env is not None:
                env.close()

    def pickled(self) -> list[bytes | None]:
        """Give the copies' pickles, None for one that crashed and is not rebuilt yet."""
        return [None if env is None else pickled(env) for env in self.envs]

    def resume(self, pickles: list[bytes | None], step: Step) -> None:
        """Go on with pickled copies that stand on this step, (E, ...)."""
        envs = [None if each is None else self._revive(each) for each in pickles]
        for env in filter(None, envs):
            env.spec  # noqa: B018 - waits for copies that are revived elsewhere
        self.close()
        self.envs, self._now = envs, unstack(step)

    def _ask(self, copy: int, question: Callable[[Env], Answer]) -> Answer:
        """Ask a copy; give the function that waits for its answer, or raises what asking raised."""
        try:
            env = self.envs[copy] = self.envs[copy] or self._make()
            return question(env)
        except RAISED_BY_PLUGINS as error:
            return partial(fail, error)

    def _ask_reset(self, copy: int, seed: int) -> Answer:
        return self._ask(copy, partial(ask_reset, seed=seed))

    def _begin(self, copy: int, seed: int, answer: Answer) -> Step:
        """Wait for a reset, asking again as often as it takes."""
        while True:
            try:
                return answer()
            except SpecViolation:
                raise
            except RAISED_BY_PLUGINS as error:
                self._crashed(copy, error)
                seed = further_seed(seed, self._strikes[copy])
                answer = self._ask_reset(copy, seed)

    def _play(self, copy: int, answer: Answer) -> Step:
        """Wait for a step, cutting the episode if the copy crashes."""
        try:
            step = answer()
        except SpecViolation:
            raise
        except RAISED_BY_PLUGINS as error:
            self._crashed(copy, error)
            return cut(self._now[copy])
        check_win(step, self.spec)
        self._strikes[copy] = 0
        return step

    def _crashed(self, copy: int, error: BaseException) -> None:
        """Count a crash and let go of the copy; raise when it is one too many."""
        self.crashes.append({"copy": copy, "error": one_line(error)})
        env, self.envs[copy] = self.envs[copy], None
        self._strikes[copy] += 1
        if self._strikes[copy] == CRASHES_IN_A_ROW:
            raise EnvironmentFailure(
                f"the environment crashed {CRASHES_IN_A_ROW} times in a row without a real step "
                f"between, at last with {one_line(error)}"
            ) from error
        with suppress(*RAISED_BY_PLUGINS):  # what crashed may not even close
            if env is not None:
                env.close()


def ask_reset(env: Env, seed: int) -> Answer:
    """Ask a copy for a reset; give the function that waits for it.

    An `Env` that has no halves to be asked with resets only there.
    """
    if splits(env):
        env.send_reset(seed)
        return env.receive
    return partial(env.reset, seed)


def ask_step(env: Env, actions: NDArray[Any]) -> Answer:
    """Ask a copy to play a joint action (A, *); give the function that waits for the step."""
    if splits(env):
        env.send_step(actions)
        return env.receive
    return partial(env.step, actions)


def pickled(env: Env) -> bytes:
    """Give the pickle of a copy, of one that lives elsewhere as it stands there."""
    return env.pickled() if isinstance(env, Elsewhere) else pickle.dumps(env)


def splits(env: Env) -> TypeGuard[SplitEnv]:
    """Say whether an environment may be asked and waited for apart."""
    return hasattr(env, "receive")


def fail(error: BaseException) -> Step:
    """Raise what went wrong when a copy was asked."""
    raise error


def cut(step: Step) -> Step:
    """Give the time-out that stands for a crash after this step of one copy."""
    reward = np.zeros_like(step.reward)
    info = {**step.info, "crashed": True}
    return replace(step, reward=reward, first=False, last=True, terminal=False, info=info)


def stack(steps: list[Step]) -> Step:
    """Give one step with a leading E for those of E copies."""
    states = [step.state for step in steps if step.state is not None]
    return Step(
        obs=np.stack([step.obs for step in steps]),  # (E, A, *O)
        avail=np.stack([step.avail for step in steps]),  # (E, A, U)
        alive=np.stack([step.alive for step in steps]),  # (E, A)
        reward=np.stack([step.reward for step in steps]),  # (E, A)
        first=np.array([bool(step.first) for step in steps]),
        last=np.array([bool(step.last) for step in steps]),
        terminal=np.array([bool(step.terminal) for step in steps]),
        state=np.stack(states) if states else None,  # (E, S)
        info={name: np.array([_says(step, name) for step in steps]) for name in _said(steps)},
    )


def unstack(step: Step) -> list[Step]:
    """Give the steps of E copies for one with a leading E."""
    return [
        Step(
            obs=step.obs[copy],
            avail=step.avail[copy],
            alive=step.alive[copy],
            reward=step.reward[copy],
            first=bool(step.first[copy]),
            last=bool(step.last[copy]),
            terminal=bool(step.terminal[copy]),
            state=None if step.state is None else step.state[copy],
            info={name: values[copy].item() for name, values in step.info.items()},
        )
        for copy in range(len(step.last))
    ]


def _said(steps: list[Step]) -> list[str]:
    """Give the keys of the numbers that any copy's step says, and the flags."""
    said = (name for step in steps for name in numbers(step.info))
    return list(dict.fromkeys([*FLAGS, *said]))


def _says(step: Step, name: str) -> float | bool:
    """Give what a step says; NaN where it says nothing."""
    return step.info.get(name, False if name in FLAGS else np.nan)
