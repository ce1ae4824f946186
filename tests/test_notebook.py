"""`import marlbench` from Python: light, five names, and what the README shows of them works."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import marlbench
from marlbench.errors import UserError
from marlbench.notebook import Frames
from marlbench.plugin import Step
from marlbench.vecenv.seeding import evaluation_seed

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.split("\n## From Python\n")[1], re.S | re.M)
GRID, ACTING = BLOCKS[:2]
NAMES = ["catalogue", "check", "load", "load_agent", "run"]
SMALL = {"run.device": "cpu", "run.evaluation.episodes": 2, "run.evaluation.num_envs": 2}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder whose `results` hold runs of two learners, made from Python."""
    folder, before = tmp_path_factory.mktemp("desk"), Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def frames(desk: Path) -> Frames:
    """What two learners measured in 100 steps each."""
    return marlbench.run(
        "dmawm,qmix", "skirmish", preset="quick", seeds=1, steps=100, workers=2, set=SMALL
    )


def test_importing_marlbench_loads_nothing_and_offers_five_names() -> None:
    code = "import sys, marlbench; print(*dir(marlbench), '|', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    offered, loaded = (part.split() for part in done.stdout.split("|"))
    assert offered == marlbench.__all__ == NAMES
    assert {"torch", "pandas", "numpy", "pydantic", "marlbench.notebook"} & set(loaded) == set()
    with pytest.raises(AttributeError, match="module 'marlbench' has no attribute 'laod'"):
        marlbench.laod  # noqa: B018


def test_a_grid_gives_the_frames_of_its_runs(frames: Frames, desk: Path) -> None:
    rows = frames.evaluations
    assert sorted(rows["label"].unique()) == ["dmawm-quick", "qmix-quick"]
    assert sorted(rows["env_steps"].unique()) == [0, 104]  # 13 times 8 copies
    assert (rows["status"] == "done").all()
    assert frames.training.empty  # nobody learns so early
    again = marlbench.run("qmix", "skirmish", preset="quick", seeds=1, steps=100, set=SMALL)
    assert again.evaluations["label"].unique().tolist() == ["qmix-quick"]
    assert [set(each["label"]) for each in again if len(each)] == [{"qmix-quick"}] * 3
    assert again.runs[["run.steps", "algorithm.mixer"]].values.tolist() == [[100, "monotonic"]]
    assert rows["kind"].value_counts().to_dict() == {"curve": 4, "final": 2}
    sampled = frames.episodes.query("way == 'sampled'")
    assert set(sampled["label"]) == {"dmawm-quick"}
    assert len(marlbench.load().evaluations) == len(rows)
    provenance = json.loads(next(desk.glob("results/*/*/qmix-*/*/provenance.json")).read_text())
    assert provenance["command"] == (
        "marlbench.run(algo='dmawm,qmix', suite='skirmish', seeds=1, steps=100, preset='quick', "
        f"set={SMALL!r}, workers=2)"
    )


def test_the_options_are_those_of_the_command() -> None:
    from marlbench import cli

    options = {name.rstrip("_") for name in inspect.signature(cli.run).parameters}
    options -= {"dry_run"}  # a plan that is only printed has no frames
    assert sorted(inspect.signature(marlbench.run).parameters) == sorted(options)


@pytest.mark.usefixtures("tiny")
def test_training_frames_have_a_column_per_metric(tmp_path: Path) -> None:
    small = {**SMALL, "num_envs": 2}
    marlbench.run(
        "qmix,tiny", "probe", preset="smoke", seed=3, steps=60, results=tmp_path, set=small
    )
    rows = marlbench.load(tmp_path).training
    assert set(rows["algorithm"]) == {"qmix", "tiny"}
    assert (rows["seed"] == 3).all()
    for learner, its, others in (("qmix", "td_error", "updates"), ("tiny", "updates", "td_error")):
        of_learner = rows[rows["algorithm"] == learner]
        assert of_learner[its].notna().all()
        assert of_learner[others].isna().all()
    assert (rows.groupby("folder")["env_steps"].diff().dropna() >= 0).all()


@pytest.mark.usefixtures("frames")
def test_the_readmes_five_lines_play_an_episode(desk: Path) -> None:
    statements = [line for line in ACTING.splitlines() if line and line != "import marlbench"]
    assert len(statements) == 5
    done = subprocess.run(
        [sys.executable, "-c", ACTING], cwd=desk, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout in ("won\n", "lost\n")


@pytest.mark.usefixtures("frames", "desk")
def test_the_page_of_results_reads_them(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", page, re.S | re.M):
        exec(block, names)
    printed = capsys.readouterr().out
    assert re.search(r"skirmish +3v3 +dmawm-quick +-?\d", printed)
    assert "nan" not in str(names["ends"]).lower()
    told = re.findall(r"`([\w. ]+)`", page.split("| table, a row for each")[1].split("\n\n")[0])
    tables = {name: names[name] for name in ("evaluations", "episodes", "training", "runs")}
    known = {column for table in tables.values() for column in table.columns}  # type: ignore[attr-defined]
    shown = {"sampled NAME", "greedy", "sampled", "eval.jsonl", *tables}
    assert set(told) - shown - known - {"suite.sight", "algorithm.gamma"} == set()


def test_the_readmes_grid_is_one_that_can_be_asked_for() -> None:
    call = re.search(r"marlbench\.run\((.*)\)", GRID)
    assert call
    options = eval(f"dict({call[1]})")
    inspect.signature(marlbench.run).bind(**options)
    offered = marlbench.catalogue()
    assert set(options["algo"].split(",")) <= offered.algorithms.keys()
    assert options["suite"] in offered.suites
    assert options["preset"] in offered.presets


def episode(folder: str, seed: int) -> tuple[list[Step], float]:
    """Play an episode; give its steps and its return."""
    agent = marlbench.load_agent(folder)
    steps = [agent.env.reset(seed)]
    while not steps[-1].last:
        actions = agent.act(steps[-1])
        assert actions.shape == (agent.env.spec.num_agents,)
        steps.append(agent.env.step(actions))
    return steps, float(sum(step.reward[0] for step in steps))


@pytest.mark.usefixtures("frames")
def test_an_agent_plays_a_seed_the_same_way_again() -> None:
    first, _ = episode("skirmish/3v3/dmawm-quick/seed_0", 7)
    again, _ = episode("results/skirmish/3v3/dmawm-quick/seed_0", 7)
    assert len(first) == len(again)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.obs, other.obs)


def test_an_agent_that_draws_nothing_plays_the_episodes_of_its_last_evaluation(
    frames: Frames,
) -> None:
    rows = frames.episodes.query("label == 'qmix-quick' and env_steps > 0 and kind == 'curve'")
    folder, step = rows.iloc[0]["folder"], int(rows.iloc[0]["step"])
    starts = [evaluation_seed((1, step), copy, 0) for copy in range(2)]
    assert rows["start"].tolist() == starts
    played = [episode(folder, start)[1] for start in starts]
    # float32 rewards, summed here in another order than over the copies
    np.testing.assert_allclose(played, rows["return"], rtol=1e-5)


@pytest.mark.usefixtures("tiny")
def test_a_run_that_fails_raises_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"^1 of 1 runs failed, .*: ValueError: the mood is bad"):
        marlbench.run("moody", "probe", preset="smoke", seed=0, results=tmp_path)
    assert set(marlbench.load(tmp_path).evaluations["status"]) == {"failed"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"algo": "qmixx"}, "did you mean 'qmix'"),
        ({"algo": ""}, "--algo names nothing"),
        ({"seeds": 1, "seed": 2}, "give one of the two"),
        ({"set": {"gama": 1}}, "set: there is no setting 'gama'; did you mean 'gamma'"),
        ({"workers": 0}, "--workers is 1 or more"),
        ({"runs_per_gpu": 0}, "--runs-per-gpu is 1 or more, or auto, not 0"),
    ],
)
def test_what_cannot_be_played_is_told_before_anything_is_written(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    asked: dict[str, object] = {"algo": "qmix", "suite": "probe", "preset": "smoke", **options}
    with pytest.raises(UserError, match=re.escape(said)):
        marlbench.run(**asked, results=tmp_path)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_runs_is_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=f"there is no run below {folder}: give the folder"):
            marlbench.load(folder)
    with pytest.raises(UserError, match="there is no run 'nothing'"):
        marlbench.load_agent("nothing")


def test_check_gives_verdicts_and_knows_what_is_there() -> None:
    verdicts = marlbench.check("probe", task="two_step")
    assert len(verdicts) > 5
    assert all(each.passed for each in verdicts)
    with pytest.raises(UserError, match="did you mean 'probe'"):
        marlbench.check("prob")
