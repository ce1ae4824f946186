"""SMAX on the real simulator: against jaxmarl itself, copy by copy, ends, deaths, seeds."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.installation import pip_install
from marlbench.metrics import win_rate
from marlbench.needs import missing
from marlbench.plugin import Step
from marlbench.vecenv.single import build_single
from marlbench_smax import TASKS, build_vector, importing, marlbench_suites
from marlbench_smax.config import Config

(SUITE,) = marlbench_suites()
single = partial(build_single, SUITE)
pytestmark = pytest.mark.skipif(missing(SUITE) is not None, reason=str(missing(SUITE)))

ARRAYS = ("obs", "state", "avail", "alive", "reward", "first", "last", "terminal")
ALLIES, ENEMIES = slice(0, 3), slice(3, 6)


def vector(num_envs: int) -> Any:
    """Give copies of 3m, which all tests share the compiled functions of."""
    return build_vector("3m", Config(), num_envs)


def uniform(step: Step, rng: np.random.Generator) -> NDArray[np.int64]:
    """Give available actions (..., A), shots where there are any."""
    weight = step.avail * np.where(np.arange(step.avail.shape[-1]) > 4, 9.0, 1.0)
    return (rng.random(weight.shape) * weight).argmax(-1)


def same(one: Step, other: Step, copy: int | None = None) -> bool:
    """Whether two steps, the first one's copy where it has many, are equal to the last bit."""

    def of(array: Any) -> Any:
        return array if copy is None else array[copy]

    fields = all(np.array_equal(of(getattr(one, n)), getattr(other, n)) for n in ARRAYS)
    return fields and bool(of(one.info["won"]) == other.info["won"])


def change(env: Any, **fields: Callable[[NDArray[Any]], Any]) -> None:
    """Change fields of the battles of all copies by functions of their arrays (LANES, ...)."""
    import jax

    (key, state), arrived = env._blocks[0]
    new = {
        name: jax.device_put(np.asarray(by(np.array(getattr(state.state, name)))))
        for name, by in fields.items()
    }
    env._blocks[0] = (key, state.replace(state=state.state.replace(**new))), arrived


def without(units: slice) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Give a function that takes all health (LANES, N) of some units."""

    def taken(health: NDArray[Any]) -> NDArray[Any]:
        health[:, units] = 0
        return health

    return taken


def test_the_tasks_are_those_that_jaxmarl_registers() -> None:
    assert tuple(importing.smax().smax_env.MAP_NAME_TO_SCENARIO) == TASKS


def test_steps_have_the_shapes_and_types_of_the_spec() -> None:
    env = vector(3)
    spec, step = env.spec, env.reset(np.arange(3))
    assert (spec.num_agents, spec.num_actions, spec.obs_shape) == (3, 8, (75,))
    assert (spec.state_shape, spec.noop, spec.metrics[0]) == ((72,), 4, win_rate())
    for name in ARRAYS:
        array = getattr(step, name)
        assert array.shape[0] == 3
        assert array.flags.writeable  # torch refuses others with a warning
    assert {step.obs.dtype.name, step.state.dtype.name, step.reward.dtype.name} == {"float32"}


def test_an_episode_is_what_jaxmarl_itself_plays() -> None:
    import jax

    env: Any = single("3m", Config())
    rng = np.random.default_rng(0)
    theirs, step = env.vector.battle.env, env.reset(7)
    key = jax.random.PRNGKey(7)
    obs, state = theirs.reset(key)
    for time in range(1, 40):
        mine = np.stack([np.asarray(obs[name]) for name in theirs.agents])
        # the same operations, fused otherwise: single precision on positions up to 32
        np.testing.assert_allclose(step.obs, mine, atol=2e-6)
        assert step.state == pytest.approx(np.asarray(obs["world_state"]), abs=1e-4)
        masks = theirs.get_avail_actions(state)
        assert np.array_equal(step.avail, np.stack([masks[name] for name in theirs.agents]))
        if step.last:
            break
        actions = uniform(step, rng)
        step = env.step(actions)
        chosen = dict(zip(theirs.agents, actions, strict=True))
        now = jax.random.fold_in(key, time)
        obs, state, rewards, done, _ = theirs.step_env(now, state, chosen)
        assert step.reward == pytest.approx([float(r) for r in rewards.values()], abs=1e-5)
        assert step.last == done["__all__"]
        assert step.alive.tolist() == [not done[name] for name in theirs.agents]
    assert step.last


@pytest.mark.parametrize("count", [1, 3, 11])
def test_many_copies_play_what_single_ones_play(count: int) -> None:
    together, alone = vector(count), [single("3m", Config()) for _ in range(count)]
    seeds, rng = np.arange(count) + 40, np.random.default_rng(1)
    step = together.reset(seeds)
    steps = [env.reset(int(seed)) for env, seed in zip(alone, seeds, strict=True)]
    begun = 0
    for _ in range(60):
        assert all(same(step, each, copy) for copy, each in enumerate(steps))
        actions, seeds = uniform(step, rng), seeds + count
        begun += int(step.last.sum())
        steps = [
            env.reset(int(seed)) if each.last else env.step(action)
            for env, each, action, seed in zip(alone, steps, actions, seeds, strict=True)
        ]
        step = together.step(actions, seeds)
    assert begun >= count  # episodes of different lengths, renewed beside ones that go on


def test_a_copy_plays_the_same_wherever_it_stands() -> None:
    env = vector(8)
    step, rng = env.reset(np.full(8, 5)), np.random.default_rng(2)
    for _ in range(15):
        assert all((getattr(step, name) == getattr(step, name)[:1]).all() for name in ARRAYS)
        step = env.step(np.tile(uniform(step, rng)[:1], (8, 1)), np.full(8, 5))


def test_all_is_compiled_once() -> None:
    for env in (vector(2), vector(9), pickle.loads(pickle.dumps(vector(4)))):
        step, rng = env.reset(np.arange(env.num_envs)), np.random.default_rng(0)
        for _ in range(40):  # episodes end, others begin
            step = env.step(uniform(step, rng), np.arange(env.num_envs))
        env = pickle.loads(pickle.dumps(env))
        env.step(uniform(step, rng), np.arange(env.num_envs))
    functions = (env.battle.begin, env.battle.play, env.battle.renew)
    assert [function._cache_size() for function in functions] == [1, 1, 1]


def test_a_seed_decides_the_episode() -> None:
    def played(env: Any, seed: int) -> list[Step]:
        rng, steps = np.random.default_rng(0), [env.reset(seed)]
        while not steps[-1].last:
            steps.append(env.step(uniform(steps[-1], rng)))
        return steps

    env = single("3m", Config())
    one, other, again = played(env, 1), played(env, 2), played(env, 1)
    assert all(same(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0].obs, other[0].obs)


def test_episodes_end_within_the_limit_and_return_at_most_2() -> None:
    env, rng = vector(8), np.random.default_rng(3)
    step = env.reset(np.arange(8))
    over, returns, length = step.last.copy(), np.zeros(8), 0
    while not over.all():
        step = env.step(uniform(step, rng), np.arange(8))
        returns += np.where(over, 0, step.reward[:, 0])
        assert (step.reward == step.reward[:, :1]).all()
        over |= step.last
        length += 1
    assert length <= env.spec.episode_limit == 101
    assert ((returns >= 0) & (returns <= 2)).all()
    assert returns.any()


@pytest.mark.parametrize(
    ("lost", "won", "reward"),
    [
        (ENEMIES, True, 1.0),
        (ALLIES, False, 0.0),
        (slice(0, 6), False, 0.0),
    ],
)
def test_a_battle_is_won_when_all_enemies_are_dead_and_an_agent_is_not(
    lost: slice, won: bool, reward: float
) -> None:
    env = vector(1)
    env.reset(np.array([0]))
    change(env, unit_health=without(lost))
    step = env.step(np.full((1, 3), 4), np.zeros(1, np.int64))
    assert bool(step.info["won"][0]) == won
    assert step.terminal.tolist() == step.last.tolist() == [True]
    assert step.reward.tolist() == [[reward] * 3]


def test_a_dead_agent_sees_nothing_and_may_only_stop() -> None:
    env = vector(1)
    env.reset(np.array([0]))
    change(env, unit_health=without(slice(0, 2)))
    step = env.step(np.full((1, 3), 4), np.zeros(1, np.int64))
    assert step.alive.tolist() == [[False, False, True]]
    assert not step.last.any()
    assert not step.obs[0, :2].any()
    assert step.obs[0, 2].any()
    assert np.flatnonzero(step.avail[0, 0]).tolist() == [env.spec.noop]
    assert step.avail[0, 2, :5].all()


@pytest.mark.parametrize(("time", "last"), [(99, False), (100, True)])
def test_a_time_out_is_no_terminal(time: int, last: bool) -> None:
    env = vector(1)
    env.reset(np.array([0]))
    change(env, step=lambda was: np.full_like(was, time))
    step = env.step(np.full((1, 3), 4), np.zeros(1, np.int64))
    assert (bool(step.last[0]), bool(step.terminal[0])) == (last, False)


def test_the_picture_shows_who_shoots_at_whom() -> None:
    from marlbench_smax.drawing import picture, shots

    env: Any = single("3m", Config())
    rng = np.random.default_rng(0)
    step, hits = env.reset(3), 0
    picture(env.vector)
    while not step.last:
        before = env.vector.units(0)["unit_health"].copy()
        step = env.step(uniform(step, rng))
        units = env.vector.units(0)
        hurt = set(np.flatnonzero(units["unit_health"] < before).tolist())
        # who died in this step is no longer said to shoot
        if units["unit_alive"].all():
            hits += len(hurt)
            assert hurt <= {shot.target for shot in shots(units, env.vector.battle)}
    assert hits > 3


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="smax has no task 'MMM2'; it has 3m, "):
        single("MMM2", Config())


def test_a_missing_simulator_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PARENTS", ("absent_thing", "absent_thing.environments"))
    monkeypatch.setattr(importing, "MODULE", "absent_thing.environments.smax")
    with pytest.raises(
        RuntimeError, match=rf"^cannot import absent.*: {re.escape(pip_install('smax'))}$"
    ):
        importing.smax()
    assert "absent_thing" not in sys.modules


GO_ON = """
import sys, pickle, numpy as np
import marlbench_smax
assert not {"jax", "jaxmarl"} & set(sys.modules)
from marlbench_smax.importing import prepare
prepare(cache=True)
with open(sys.argv[1], "rb") as file:
    env, actions, obs = pickle.load(file)
step = env.step(actions, np.zeros(3, np.int64))
assert np.array_equal(step.obs, obs)
import os, jax
assert (jax.default_backend(), os.environ["PJRT_NPROC"]) == ("cpu", "1")
assert not {"jaxmarl", "matplotlib", "torch"} & set(sys.modules)
"""


def test_another_process_goes_on_mid_episode_silently_on_one_thread(tmp_path: Path) -> None:
    env, rng = vector(3), np.random.default_rng(0)
    step = env.reset(np.arange(3))
    for _ in range(6):
        step = env.step(uniform(step, rng), np.arange(3))
    actions, blob = uniform(step, rng), pickle.dumps(env)
    obs = env.step(actions, np.arange(3)).obs
    (tmp_path / "kept").write_bytes(pickle.dumps((pickle.loads(blob), actions, obs)))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", GO_ON, str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


ASK = """
import sys
from marlbench_smax.importing import prepare
prepare(cache=sys.argv[1] == "yes")
import jax
print(jax.config.jax_compilation_cache_dir)
"""


def asked(cache: str, home: Path, **variables: str) -> str:
    """Give the folder that a process with this cache folder keeps compiled code in."""
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, cache],
        env=environment | {"XDG_CACHE_HOME": str(home)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_compiled_code_is_kept_in_the_users_cache_folder_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    assert asked("yes", tmp_path) == str(tmp_path / "marlbench" / "jax")
    assert asked("no", tmp_path) == "None"
    assert asked("yes", tmp_path, JAX_COMPILATION_CACHE_DIR="/own") == "/own"
    (tmp_path / "file").write_text("in the way")
    assert asked("yes", tmp_path / "file") == "None"
