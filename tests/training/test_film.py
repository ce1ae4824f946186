"""Filming a run: its own evaluation episodes, its newest agent, and files that are whole."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from marlbench.config import RunSpec
from marlbench.host import load_catalogue
from marlbench.installation import pip_install
from marlbench.plugin import Env, Step
from marlbench.store import create, files, run_folder
from marlbench.testing import synthetic
from marlbench.training import film, playback, watch, worker
from marlbench.training.checkpoint import newest_agent
from marlbench.training.playback import Frame
from marlbench.training.replay_segments import Damaged
from marlbench.vecenv.single import build_single, render
from tests import linear
from tests.training.small_runs import small_spec

SUITE = load_catalogue().suite("skirmish")


class Restless(linear.Linear):
    """Draws as world models do, greedily too: looks at a random part of what it sees."""

    def act(
        self, step: Step, policy_state: Any, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[np.int64], Any]:
        """Hide half of the observation."""
        seen = step.obs * (rng.random(step.obs.shape) < 0.5)
        step = replace(step, obs=seen.astype(step.obs.dtype))
        return super().act(step, policy_state, rng, explore)


RESTLESS = replace(linear.algorithm, build=Restless)


def battle_spec() -> RunSpec:
    """A small run of the linear learner on the smallest battle."""
    names = {"suite": "skirmish", "task": "2v2"}
    return small_spec().model_copy(update=names | {"suite_config": SUITE.config().model_dump()})


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a run."""
    folder = tmp_path_factory.mktemp("battle")
    assert worker.run(battle_spec(), folder, RESTLESS, SUITE) == 0
    return folder


def agent_of(folder: Path, spec: RunSpec) -> Any:
    """Give the newest agent of a run of the linear learner."""
    env = playback.copies_of(spec, SUITE)
    agent = RESTLESS.build(linear.Config(**spec.algorithm_config), env.spec, 0, "cpu")
    agent.load(newest_agent(folder)[0])
    return agent


def test_the_filmed_episodes_are_those_of_the_last_evaluation(battle: Path) -> None:
    spec = battle_spec()
    env = playback.copies_of(spec, SUITE)  # 4 episodes in 3 copies: the first copy plays two
    agent, point = agent_of(battle, spec), spec.run.steps
    filmed = list(playback.Playback(agent, env, SUITE, spec, point).frames(4))
    other = list(playback.Playback(agent, env, SUITE, spec, point + 1).frames(4))
    ends = [frame.caption for frame in filmed if frame.last]
    row = files.read_rows(battle / "eval.jsonl")[-2]  # the last one is the final evaluation
    order = [0, 2, 3, 1]  # rows go copy by copy, films episode by episode
    assert ends == [
        f"episode {k}   step {row['lengths'][i]}   return {row['values']['return'][i]:.1f}   "
        + ("won" if row["values"]["win"][i] else "not won")
        for k, i in enumerate(order, start=1)
    ]
    assert [frame.caption for frame in other if frame.last] != ends  # it draws, greedily too
    assert len(filmed) == sum(row["lengths"]) + 4  # every step, and where each begins
    assert filmed[0].picture.shape == filmed[-1].picture.shape
    assert newest_agent(battle)[1] == 300


def test_a_film_builds_one_copy_however_many_evaluated(battle: Path) -> None:
    built: list[Env] = []

    def make(task: str, config: Any) -> Env:
        built.append(build_single(SUITE, task, config))
        return built[-1]

    spec = battle_spec()
    suite = replace(SUITE, build=make, build_vector=None)
    suite = replace(suite, render=lambda env: render(SUITE, env))
    agent, env = agent_of(battle, spec), playback.copies_of(spec, suite)
    filmed = list(playback.Playback(agent, env, suite, spec, spec.run.steps).frames(4))
    row = files.read_rows(battle / "eval.jsonl")[-2]
    assert len(filmed) == sum(row["lengths"]) + 4
    assert (len(built), env.num_envs) == (1, 3)


def test_the_agent_to_be_filmed_comes_without_its_replay(battle: Path, tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    place.mkdir()
    for file in (battle / "checkpoint").iterdir():
        if file.suffix != ".ring":  # not even looked at
            (place / file.name).write_bytes(file.read_bytes())
    state, env_steps = newest_agent(tmp_path)
    assert (state["replay"].written, env_steps) == (0, 300)
    assert all(not array.any() for array in state["replay"].arrays.values())
    capacities = {len(array) for array in agent_of(battle, battle_spec()).replay.values()}
    assert {len(array) for array in state["replay"].arrays.values()} == capacities


def test_a_newest_checkpoint_that_is_damaged_is_passed_over_and_nothing_is_changed(
    battle: Path, tmp_path: Path
) -> None:
    place = tmp_path / "checkpoint"
    place.mkdir()
    for file in (battle / "checkpoint").iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    newest = max(place.glob("*.agent"))
    newest.write_bytes(newest.read_bytes()[:-5])
    before = {file.name: file.read_bytes() for file in place.iterdir()}
    assert newest_agent(tmp_path)[1] < 300
    assert {file.name: file.read_bytes() for file in place.iterdir()} == before


def test_a_run_without_a_usable_checkpoint_says_which(battle: Path, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="it has no checkpoint yet"):
        newest_agent(tmp_path)
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "000003.json").write_text("{")
    with pytest.raises(Damaged, match="checkpoint 000003 cannot be used: 000003"):
        newest_agent(tmp_path)


def test_what_cannot_be_filmed_ends_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path / "results", battle_spec())
    folder = run_folder(tmp_path / "results", battle_spec())
    assert watch.main([str(folder), str(tmp_path / "a.gif"), "1", "8", "newest"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(
        f"marlbench: {folder} cannot be filmed: UnknownNameError: no plugin "
    )
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert not (tmp_path / "a.gif").exists()


class Crashing(synthetic.Synthetic):
    """Crashes on the third step."""

    def step(self, actions: Any) -> Step:
        """Count down."""
        self.played = getattr(self, "played", 0) + 1
        if self.played == 3:
            raise OSError("the simulator is gone")
        return super().step(actions)


def test_an_episode_that_crashes_ends_there_with_its_last_picture() -> None:
    def picture(env: Any) -> Any:
        return np.full((2, 2, 3), env._time, np.uint8)

    calm = synthetic.Sizes(death=0.0, end=0.0)
    suite = replace(synthetic.suite, build=lambda task, config: Crashing(calm), render=picture)
    spec = small_spec()
    env = playback.copies_of(spec, suite)
    agent = linear.algorithm.build(linear.Config(), env.spec, 0, "cpu")
    filmed = list(playback.Playback(agent, env, suite, spec, 0).frames(1))
    assert [frame.picture[0, 0, 0] for frame in filmed] == [0, 1, 2, 2]
    assert filmed[-1].caption.endswith("crashed")
    assert [frame.last for frame in filmed] == [False, False, False, True]


def test_episodes_that_all_end_at_their_limit_are_filmed_one_after_another() -> None:
    calm = synthetic.Sizes(death=0.0, end=0.0)
    suite = replace(
        synthetic.suite,
        build=lambda task, config: synthetic.Synthetic(calm),
        render=lambda env: np.full((2, 2, 3), env._time, np.uint8),
    )
    spec = small_spec()  # 4 episodes in 3 copies
    env = playback.copies_of(spec, suite)
    agent = linear.algorithm.build(linear.Config(), env.spec, 0, "cpu")
    filmed = list(playback.Playback(agent, env, suite, spec, 0).frames(4))
    limit = env.spec.episode_limit
    assert [frame.picture[0, 0, 0] for frame in filmed] == 4 * [*range(limit + 1)]
    assert filmed[-1].caption.startswith(f"episode 4   step {limit}   ")


def moving(count: int, broken: bool = False) -> Iterator[Frame]:
    """Give pictures of a bar that grows, the last one an end."""
    for k in range(count):
        if broken and k == 2:
            raise OSError("no more")
        picture = np.full((41, 61, 3), 255, np.uint8)
        picture[:, : 5 * (k + 1)] = (200, 30, 30)
        yield Frame(picture, f"step {k}", k == count - 1)


def test_a_gif_has_every_frame_in_its_colours_and_holds_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    assert film.write(path, moving(6), fps=10) == 6
    with Image.open(path) as gif:
        count = getattr(gif, "n_frames", 1)
        assert (count, gif.size, gif.info["loop"]) == (6, (61, 41 + film.LINE), 0)
        durations = []
        for k in range(6):
            gif.seek(k)
            durations.append(gif.info["duration"])
            shown = np.asarray(gif.convert("RGB"))[:41]
            red = (shown == (200, 30, 30)).all(-1)
            assert red[:, : 5 * (k + 1)].all()
            assert not red[:, 5 * (k + 1) :].any()
    assert durations == [100] * 5 + [1200]


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
def test_a_film_that_fails_leaves_no_file(tmp_path: Path, name: str) -> None:
    if name.endswith("mp4") and find_spec("imageio_ffmpeg") is None:
        pytest.skip(f"mp4 needs imageio-ffmpeg: {pip_install('video')}")
    with pytest.raises(OSError, match="no more"):
        film.write(tmp_path / name, moving(6, broken=True), fps=10)
    assert list(tmp_path.iterdir()) == []


def test_an_mp4_has_every_frame_and_holds_the_end(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason=pip_install("video"))
    path = tmp_path / "a.mp4"
    assert film.write(path, moving(6), fps=10) == 5 + 12
    # not imageio-ffmpeg's own reader: it forks, of which jax, if it is loaded here, warns
    command = [ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-f", "rawvideo"]
    shown = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    frames = np.frombuffer(shown.stdout, np.uint8).reshape(-1, 66, 62, 3)  # even, as films must be
    assert len(frames) == 17
    for k, frame in enumerate(frames):
        red = 5 * (min(k, 5) + 1)
        # colours are coarser than pixels, and come back a few levels off: red keeps its side
        assert (frame[:40, : red - 3, 1] < 100).all()
        assert (frame[:40, red + 3 : 60, 1] > 200).all()


def test_an_mp4_that_cannot_be_written_says_what_ffmpeg_says(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason=pip_install("video"))
    with pytest.raises(OSError, match=r"^ffmpeg cannot write .*: .*[Nn]o such file"):
        film.write(tmp_path / "no" / "a.mp4", moving(6), fps=10)
