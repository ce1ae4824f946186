"""Pictures of particle worlds and of foraging, on the real simulators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench import plugin
from marlbench.drawing import AGENT, ENEMY
from marlbench.installation import pip_install
from marlbench_pettingzoo import build, build_lbf, build_mpe, render, render_lbf, render_mpe
from marlbench_pettingzoo.config import Config, MpeConfig


def test_a_particle_world_is_drawn_without_keeping_a_surface() -> None:
    pytest.importorskip("mpe2", reason=pip_install("mpe"))
    env: Any = build_mpe("simple_spread_2", MpeConfig())
    env.reset(0)
    first = render_mpe(env)
    assert first.shape == (350, 350, 3)
    assert (first != 255).any()
    for _ in range(4):
        env.step(np.full(2, 1))
    assert not np.array_equal(render_mpe(env), first)
    world = env.inside.inside.unwrapped
    assert (world.screen, world.render_mode) == (None, None)


def test_foraging_is_drawn_with_players_and_food_on_their_cells() -> None:
    pytest.importorskip("lbforaging", reason=pip_install("lbf"))
    env: Any = build_lbf("Foraging-8x8-2p-2f-coop", plugin.Config())
    env.reset(0)
    picture, world = render_lbf(env), env.inside.inside
    cells = {tuple(player.position): AGENT for player in world.players}
    cells |= {tuple(cell): ENEMY for cell in np.argwhere(world.field > 0).tolist()}
    assert len(cells) == 4
    scale, rim = 360 / 8 / 1.08, 0.04 * 8
    for row in range(8):
        for column in range(8):
            # a little off the middle of the cell, where the level is written
            y, x = (int((rim + at) * scale) for at in (row + 0.28, column + 0.5))
            colour = tuple(picture[y, x].tolist())
            assert (colour in (AGENT, ENEMY)) == ((row, column) in cells)
            assert cells.get((row, column), colour) == colour


def test_an_environment_draws_itself_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    env: Any = build("rounds:Drawn", Config())

    def length() -> int:
        return int(render(env)[0, :, 0].astype(bool).sum())

    env.reset(1)
    assert length() == 0
    for _ in range(3):
        env.step(np.array([0, 0]))
    assert length() == 3
    env.reset(1)
    assert length() == 0
    env.step(np.array([0, 0]))
    env.reset(2)
    env.step(np.array([0, 0]))
    assert length() == 1
    assert env.inside.inside.render_mode is None


def test_an_environment_that_draws_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    env = build("rounds:Rounds", Config())
    env.reset(1)
    with pytest.raises(NotImplementedError, match=r"draws no pictures: .*render_mode"):
        render(env)
