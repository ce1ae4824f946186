"""Copies in processes of their own: bit for bit the copies of one process, whatever happens."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.errors import SpecViolation
from marlbench.host import load_catalogue
from marlbench.plugin import Env, Step, Suite
from marlbench.processors import CORES
from marlbench.testing import synthetic
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.vecenv import synchronous
from marlbench.vecenv.agent_index import with_agent_index
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.crew import Crew, crew_for
from marlbench.vecenv.process import ProcessEnded, call
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.synchronous import CRASHES_IN_A_ROW, EnvironmentFailure, SyncVectorEnv
from tests.vecenv.ending import LIMIT, Ending, NeverBegins

STEPS = 60
COPIES = 5


class Moody(Synthetic):
    """A synthetic task that raises in some steps and resets, and says more of some steps."""

    def reset(self, seed: int) -> Step:
        """Begin an episode, or crash."""
        step = super().reset(seed)
        if seed % 5 == 0:
            raise ConnectionError(f"no answer to {seed}")
        return step

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play, or crash."""
        step = super().step(actions)
        mood = self._rng.random()
        if mood < 0.1:
            raise RuntimeError("lost\nthe simulator") if mood < 0.05 else SystemExit("no licence")
        said = {"mood": mood, "cut": mood > 0.9, "text": "left out", "row": np.zeros(3)}
        return Step(**{**vars(step), "info": {**step.info, **said}} if mood > 0.5 else vars(step))


@cache
def crew_of(processes: int) -> Crew:
    """So many processes, which tests share: they take long to import all that tests do."""
    return Crew(processes)


@pytest.fixture(scope="module", autouse=True)
def _crews() -> Iterator[None]:
    """End them at the end."""
    yield
    for processes in (1, 2):
        crew_of(processes).close()


@contextmanager
def copies(
    make: Callable[[], Env], processes: int, num_envs: int = COPIES
) -> Iterator[CheckedVectorEnv]:
    """Checked copies in so many processes; 0: in this one."""
    if processes:
        crew = crew_of(processes)
        env = CheckedVectorEnv(SyncVectorEnv(crew.builder(make), num_envs, crew.revive))
    else:
        env = CheckedVectorEnv(SyncVectorEnv(make, num_envs))
    yield env
    env.close()


def played(env: CheckedVectorEnv, steps: int = STEPS) -> list[Any]:
    """Steps and crashes of random play."""
    rng, step = np.random.default_rng(7), env.reset(np.arange(1, env.num_envs + 1))
    seen: list[Any] = [step]
    for time_ in range(steps):
        seeds = 100 * time_ + np.arange(env.num_envs)
        step = env.step(random_actions(env.spec, step, rng), seeds)
        seen += [step, synchronous.take_crashes(env)]
    return seen


def assert_equal(ours: Any, theirs: Any) -> None:
    """Bit for bit, dtypes and the order of what is said too."""
    if isinstance(ours, Step):
        mine, other = dict(vars(ours)), dict(vars(theirs))
        infos = mine.pop("info"), other.pop("info")
        assert [*infos[0]] == [*infos[1]]
        for one, two in zip((mine, infos[0]), (other, infos[1]), strict=True):
            for name, value in one.items():
                assert getattr(value, "dtype", None) == getattr(two[name], "dtype", None), name
                np.testing.assert_array_equal(value, two[name], name)
    else:
        assert ours == theirs


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "make",
    [
        Moody,
        partial(Moody, Sizes(agents=3, obs_shape=(24, 25, 3), state=None)),
        partial(Moody, Sizes(own_states=True)),
    ],
    ids=["vectors", "images", "own states"],
)
def test_copies_in_processes_are_bit_for_bit_those_of_one(
    make: Callable[[], Env], processes: int
) -> None:
    with copies(make, 0) as here, copies(make, processes) as there:
        expected, seen = played(here), played(there)
    assert sum(len(each) for each in expected[2::2]) > 10, "nothing crashed: nothing was tested"
    for ours, theirs in zip(expected, seen, strict=True):
        assert_equal(ours, theirs)


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (1, 2), (2, 2)])
def test_a_snapshot_of_any_processes_goes_on_in_any_others(before: int, after: int) -> None:
    make = partial(Moody, Sizes(limit=40, end=0.01))
    with copies(make, before) as first, copies(make, after) as second:
        step = played(first, 17)[-2]
        synchronous.restore(second, synchronous.snapshot(first), step)
        rng = np.random.default_rng(1)
        for time_ in range(30):
            seeds = 10 * time_ + np.arange(COPIES)
            actions = random_actions(first.spec, step, rng)
            step, same = first.step(actions, seeds), second.step(actions, seeds)
            assert_equal(step, same)


def test_agents_that_are_told_their_index_live_elsewhere_too() -> None:
    learner = load_catalogue().algorithm("dmawm")
    suite = with_agent_index(synthetic.suite, learner, "always")
    assert suite.build is not None
    make = partial(suite.build, "random", synthetic.SyntheticConfig())
    with copies(make, 0) as here, copies(make, 2) as there:
        assert here.spec == there.spec
        assert here.spec.obs_shape == (7,)
        for ours, theirs in zip(played(here, 20), played(there, 20), strict=True):
            assert_equal(ours, theirs)


class Broken(Synthetic):
    """A synthetic task that breaks the contract in its third step."""

    def __init__(self, how: str) -> None:
        super().__init__(Sizes(death=0.0, end=0.0))
        self.how = how

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play, at last wrongly."""
        step = super().step(actions)
        if self._time < 3:
            return step
        wrong: dict[str, dict[str, Any]] = {
            "dtype": {"obs": step.obs.astype(np.float64)},
            "shape": {"reward": step.reward[:1]},
            "win": {"info": {"won": ["yes"]}},
            "nan": {"state": np.full_like(step.state, np.nan)},
        }
        if self.how == "said":
            raise SpecViolation("a0 has left and is there")
        return Step(**{**vars(step), **wrong[self.how]})


@pytest.mark.parametrize("how", ["dtype", "shape", "win", "nan", "said"])
def test_what_breaks_the_contract_is_refused_in_the_same_words(how: str) -> None:
    said = []
    for processes in (0, 2):
        with (
            copies(partial(Broken, how), processes) as env,
            pytest.raises(SpecViolation) as refused,
        ):
            played(env)
        said.append(str(refused.value))
    assert said[0] == said[1]


def test_a_process_that_ends_costs_the_episodes_of_its_copies_and_is_replaced() -> None:
    crew = Crew(2)
    env = CheckedVectorEnv(SyncVectorEnv(crew.builder(Ending), 4, crew.revive))
    step, crashes = env.reset(np.array([1, 3, 2, 4])), []
    for _ in range(2 * LIMIT + 2):
        before, step = step, env.step(np.zeros((4, 1), np.int64), np.array([8, 9, 11, 12]))
        crashes.append(synchronous.take_crashes(env))
        if crashes[-1]:
            np.testing.assert_array_equal(step.obs[[1, 3]], before.obs[[1, 3]])
            assert step.last.tolist() == [False, True, False, True]
    crew.close()
    said = "ProcessEnded: the environment's process ended with code 0"
    assert crashes[2] == [{"copy": copy, "error": said} for copy in (1, 3)]
    assert not any(crashes[:2] + crashes[3:])
    assert step.obs[:, 0, 0].tolist() == [8, 9, 11, 12]


def test_processes_that_always_end_fail_with_the_reason() -> None:
    crew = Crew(1)
    env = SyncVectorEnv(crew.builder(NeverBegins), 1, crew.revive)
    with pytest.raises(EnvironmentFailure, match=f"{CRASHES_IN_A_ROW} times.*by SIGKILL"):
        env.reset(np.arange(1))
    crew.close()


def raising() -> Env:
    """Build nothing."""
    raise RuntimeError("no such map: --set suite.map=tiny")


def test_an_environment_that_cannot_be_built_says_so_at_once() -> None:
    crew = crew_of(2)
    with pytest.raises(RuntimeError, match=r"no such map: --set suite\.map=tiny") as raised:
        SyncVectorEnv(crew.builder(raising), 3)
    assert type(raised.value).__name__ == "RuntimeError"
    assert "raise RuntimeError(" in raised.value.__notes__[0]
    with pytest.raises(ValueError, match=r"--set run\.env_processes=0"):
        crew.builder(lambda: Synthetic())


def test_a_place_in_memory_is_used_again() -> None:
    process = crew_of(1)._processes[0]
    sizes = []
    for seed in range(5):
        with copies(Synthetic, 1, 1) as env:
            env.reset(np.array([seed]))
            sizes.append(os.fstat(process._memory).st_size)
    assert len(set(sizes)) == 1


PARENT = """
import os, sys, time
from functools import partial
from marlbench.vecenv.process import EnvProcess
process = EnvProcess()
process.ask(process.admit(), "call", {what!r})
print(process._process.pid, flush=True)
time.sleep(60)
"""


def sleeping() -> None:
    """Start a child that outlives us, and never answer."""
    subprocess.Popen(["sleep", "87654"])
    time.sleep(600)


def group_lives(leader: int) -> bool:
    """Whether any process of the group of this leader runs."""
    command = ["ps", "-eo", "pgid=,stat="]
    states = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split() for line in states.stdout.splitlines()]
    return any(int(group) == leader and state[0] != "Z" for group, state in lines)


def test_a_parent_that_is_killed_takes_its_environments_and_their_children_with_it() -> None:
    text = PARENT.format(what=pickle.dumps((sleeping, ())))
    here = {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, env=os.environ | here
    )
    assert parent.stdout is not None
    leader = int(parent.stdout.readline())
    time.sleep(1.0)
    assert group_lives(leader)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while group_lives(leader) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not group_lives(leader)


def test_a_function_is_called_in_a_process_of_its_own() -> None:
    assert call(os.getppid) == os.getpid()
    with pytest.raises(ProcessEnded, match="ended with code 3"):
        call(os._exit, 3)
    with pytest.raises(Exception, match="licence") as raised:
        call(sys.exit, "licence server not reachable")
    assert type(raised.value).__name__ == "SystemExit"


def test_how_many_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Suite("slow", ("t",), synthetic._build, "t", slow_steps=True)
    monkeypatch.setattr("marlbench.vecenv.crew.Crew", lambda count: count)
    monkeypatch.delenv(CORES, raising=False)
    assert crew_for(slow, "auto", 8) is None
    monkeypatch.setenv(CORES, "4")
    asked: list[Any] = [(slow, "auto", 8), (slow, "auto", 3), (slow, 2, 8), (slow, 0, 8)]
    started: list[Any] = [crew_for(*each) for each in asked]
    assert started == [4, 3, 2, None]
    assert crew_for(synthetic.suite, "auto", 8) is None
    whole = Suite("whole", ("t",), None, "t", build_vector=lambda task, config, n: None)  # type: ignore[arg-type,return-value]
    assert crew_for(whole, "auto", 8) is None
    with pytest.raises(ValueError, match=r"steps its copies as one: --set run\.env_processes=0"):
        crew_for(whole, 2, 8)


def test_neither_descriptors_nor_processes_are_left() -> None:
    before = os.listdir("/proc/self/fd")
    crew = Crew(2)
    env = SyncVectorEnv(crew.builder(Ending), 3, crew.revive)
    leaders = [process._process.pid for process in crew._processes]
    assert all(map(group_lives, leaders))
    env.close()
    crew.close()
    del crew, env
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert not any(map(group_lives, leaders))
