"""Images of all kinds, numbers beside them, agents that see unlike things, and crowds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench.errors import SpecViolation
from marlbench.host import load_catalogue
from marlbench.plugin import Env, Step
from marlbench.testing import check_suite
from marlbench.testing.verdict import insist
from marlbench.vecenv.random_play import random_episode

pytest.importorskip("pettingzoo")


@pytest.fixture(autouse=True)
def _sights_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).parent
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (here, here.parents[2]))))


def game(name: str, **settings: Any) -> Env:
    """One of the games."""
    from marlbench_pettingzoo.config import Config
    from marlbench_pettingzoo.parallel import build_parallel

    return build_parallel(f"sights:{name}", Config(**settings))


def played(env: Env) -> list[Step]:
    """An episode."""
    return list(random_episode(env, 1))


def test_pictures_are_channels_one_behind_the_other_and_numbers_planes_behind_them() -> None:
    env = game("Cockpit")
    assert (env.spec.obs_shape, env.spec.obs_dtype) == ((10, 12, 3 + 1 + 2 + 3), "uint8")
    assert env.spec.state_shape is None
    seen = played(env)[2].obs[0]  # after two rounds
    assert (seen[..., 2] == 2).all()
    assert np.argwhere(seen[..., 0]).tolist() == [[9, 11]]
    assert (seen[:6, :4, 3] == 20).all()
    assert not seen[6:, :, 3].any()
    assert not seen[:, 4:, 3].any()
    planes = seen[..., 4:].reshape(-1, 5)
    assert (planes == planes[0]).all()
    # (1 - -1) / 4 of 255, rounded; cut at the bound; gear 1 is the last of -1, 0, 1
    assert planes[0].tolist() == [128, 255, 0, 0, 255]


def test_numbers_without_bounds_are_no_planes_and_all_are_in_a_row_if_told_so() -> None:
    with pytest.raises(SpecViolation, match=r"red sees Box.*suite\.images=false"):
        game("Endless")
    assert game("Endless", images=False).spec.obs_shape == (3 * 10 * 12 + 2,)
    assert game("Cockpit", images=False).spec.obs_shape == (360 + 2 + 3 + 24,)


def test_agents_that_see_unlike_things_are_padded() -> None:
    env = game("Unlike")
    assert env.spec.obs_shape == (9, 6, 4)
    red, blue = played(env)[1].obs
    assert (red[:9, :5, 0] == 1).all()
    assert red.sum() == 45
    assert (blue[:4, :6, :3] == 7).all()
    assert not blue[4:, :, :3].any()
    assert (blue[..., 3] == 255).all()


def test_frames_in_a_row_are_channels() -> None:
    env = game("Frames")
    assert env.spec.obs_shape == (20, 18, 4)
    seen = played(env)[3].obs[1]
    assert not seen[..., :3].any()


def test_a_crowd_of_unlike_agents_is_one_task() -> None:
    env = game("Crowd")
    assert (env.spec.num_agents, env.spec.obs_shape, env.spec.num_actions) == (102, (3,), 6)
    assert [int(row.sum()) for row in played(env)[0].avail[[0, 2, 9]]] == [2, 2, 5]


@pytest.mark.parametrize("name", ["Cockpit", "Unlike", "Frames", "Crowd"])
def test_a_check_passes(name: str) -> None:
    suite = load_catalogue().suite("pettingzoo")
    insist(check_suite(suite, f"sights:{name}", {"leaving": True}))
