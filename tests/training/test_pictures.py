"""World models that learn from pixels leave a picture at every evaluation, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from marlbench import store
from marlbench.config import Evaluation, RunConfig, RunSpec
from marlbench.host import load_catalogue
from marlbench.testing.trial import Subject
from marlbench.training import loop, worker
from marlbench.training.interrupt import Interrupted, Stop
from tests.training import small_runs
from tests.training.small_runs import StopAtRows, rows

CATALOGUE = load_catalogue()
SUITE = CATALOGUE.suite("skirmish")
SETTINGS = {
    "dmawm": {"warmup": 100, "train_every": 40, "pretrain": 1, "length": 8, "batch": 2},
    "mamba": {"update_steps": 40, "min_buffer": 60, "model_updates": 1, "batch": 2},
}
"""Over the preset `smoke`: a few updates in few steps."""
COLUMNS = {"dmawm": 8, "mamba": 6}
"""Steps that a window of 8 shows; of MAMBA's all but the first and the last."""


def spec_of(name: str, task: str = "gather44", steps: int = 300) -> RunSpec:
    """A run of seconds in episodes of 12 steps."""
    algorithm = CATALOGUE.algorithm(name)
    settings = Subject.of(algorithm, {"num_envs": 4, **SETTINGS[name]}).settings
    evaluation = Evaluation(every=60, episodes=2, num_envs=2, final_episodes=2)
    run = RunConfig(steps=steps, evaluation=evaluation, checkpoint_every=1000, device="cpu")
    return small_runs.spec_of(algorithm, settings, SUITE, task, run, seed=3, limit_scale=0.3)


def play(spec: RunSpec, results: Path, stop: Stop | None = None) -> int:
    """Make one attempt in this process."""
    folder = store.create(results, spec)
    return worker.run(spec, folder, CATALOGUE.algorithm(spec.algorithm), SUITE, stop)


def pictures(folder: Path, name: str = "*") -> dict[str, bytes]:
    """Give the picture files of a run, all or those of a name."""
    found = sorted((folder / "pictures").glob(f"{name}-*.png"))
    return {path.name: path.read_bytes() for path in found}


@pytest.fixture(scope="module", params=["dmawm", "mamba"])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody stopped."""
    results, spec = tmp_path_factory.mktemp("whole"), spec_of(request.param)
    assert play(spec, results) == 0
    return store.run_folder(results, spec)


def test_every_evaluation_leaves_a_picture_once_there_is_something_to_show(
    undisturbed: Path,
) -> None:
    name = store.read_spec(undisturbed).algorithm
    shown = [f"decoded-{step:09d}.png" for step in range(60, 301, 60)]
    assert list(pictures(undisturbed, "decoded")) == shown
    imagined = [f"imagined-{step:09d}.png" for step in range(0, 301, 60)]
    assert list(pictures(undisturbed, "imagined")) == imagined
    for path in (undisturbed / "pictures").glob("decoded-*"):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        # two agents, images of 44 pixels twice as large, two pixels between
        assert pixels.shape == (2 * (2 * 88 + 2) - 2, COLUMNS[name] * (88 + 2) - 2, 3)
        assert len(np.unique(pixels[:88, :88])) > 2  # an image, not a blank
    assert len(set(pictures(undisturbed, "decoded").values())) == len(shown)


def test_a_run_whose_pictures_are_not_asked_for_has_the_same_rows(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "shows_pictures", lambda _: False)
    spec = store.read_spec(undisturbed)
    assert play(spec, tmp_path) == 0
    folder = store.run_folder(tmp_path, spec)
    assert not pictures(folder, "decoded")
    assert len(rows(folder / "train.jsonl")) >= 4
    for name in ("eval.jsonl", "train.jsonl"):
        assert rows(folder / name) == rows(undisturbed / name)


class CrashAtRows(StopAtRows):
    """A crash, which takes no checkpoint, when a run has trained so far."""

    def check(self) -> None:
        """Count the rows."""
        try:
            super().check()
        except Interrupted as stop:
            raise RuntimeError("a crash that this test makes") from stop


def test_a_run_that_goes_back_to_an_older_checkpoint_draws_the_same_pictures_again(
    undisturbed: Path, tmp_path: Path
) -> None:
    spec, whole = store.read_spec(undisturbed), pictures(undisturbed)
    folder = store.create(tmp_path, spec)
    total = len(rows(undisturbed / "train.jsonl"))
    assert play(spec, tmp_path, StopAtRows(folder, 2)) == 130
    at_checkpoint = pictures(folder)
    assert play(spec, tmp_path, CrashAtRows(folder, total)) == 1
    lost = pictures(folder).keys() - at_checkpoint.keys()
    assert lost
    for name in lost:
        (folder / "pictures" / name).write_bytes(b"to be drawn anew")
    assert play(spec, tmp_path) == 0
    assert pictures(folder) == whole


@pytest.mark.parametrize("name", ["dmawm", "mamba"])
def test_of_vectors_there_is_what_is_imagined_alone(name: str, tmp_path: Path) -> None:
    spec = spec_of(name, task="3v3", steps=120)
    assert play(spec, tmp_path) == 0
    folder = store.run_folder(tmp_path, spec)
    assert len(rows(folder / "eval.jsonl")) == 3 + 1  # the curve, and the final evaluation
    assert list(pictures(folder)) == [f"imagined-{step:09d}.png" for step in (0, 60, 120)]
