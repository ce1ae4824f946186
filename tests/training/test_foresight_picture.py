"""The picture of imagination: truth above imagination, blank where nothing is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.imagination import Imagination
from marlbench.plugin import EnvSpec, Suite
from marlbench.training.foresight import fresh_episodes
from marlbench.training.foresight_picture import (
    GAP,
    HEAD,
    LEFT,
    SIDE,
    bars,
    drawer,
    foresight_picture,
    image,
)
from tests.training.test_foresight import AGENTS, EFFORT, Alone, Knowing, copies

RNG = np.random.default_rng(0)


def plain(obs: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw the time as a shade."""
    return np.full((SIDE, SIDE, 3), np.clip(10 * obs[0], 0, 200), np.uint8)


@pytest.mark.parametrize("context", [2, 50])
def test_truth_stands_above_what_was_imagined(context: int) -> None:
    agent: Any = Knowing()
    episodes = fresh_episodes(agent, copies(), (0, 0), EFFORT)
    length = int(episodes.ends[1] - episodes.begins[1])
    shown = min(context, length)
    picture = foresight_picture(agent, episodes.beginning(1, context, 9), plain, RNG)
    assert picture is not None
    ahead = [k for k in (1, 2, 3, 4, 6, 8) if k <= length - shown + 1]
    columns = 1 + len(ahead)
    assert picture.shape[1] == LEFT + columns * (SIDE + GAP)
    for a in range(AGENTS):
        for below in (0, 1):
            top = HEAD + (2 * a + below) * (SIDE + GAP) + a * GAP
            row = picture[top + SIDE // 2, LEFT + SIDE // 2 :: SIDE + GAP, 0]
            blank = [255] if below else [10 * (shown - 1)]
            assert row.tolist() == [*blank, *(10 * (shown - 1 + k) for k in ahead)]


def test_there_is_none_where_nothing_is_decoded() -> None:
    class Blind(Alone):
        def imagine(self, *given: Any) -> Imagination:
            """Tell nothing."""
            return Imagination(None, None, None, None, None)

    agent: Any = Blind()
    piece = fresh_episodes(agent, copies(), (0, 0), EFFORT).beginning(0, 2, 3)
    assert foresight_picture(agent, piece, plain, RNG) is None


def test_images_are_drawn_as_they_are_and_vectors_as_the_suite_or_as_bars() -> None:
    grey = np.full((4, 4, 2), [10.0, 300.0])
    assert (image(grey) == (10 + 255) // 2).all()
    colours = np.arange(48.0).reshape(4, 4, 3)
    assert (image(colours) == colours).all()
    suite = Suite("s", ("t",), None, "t", draw_observation=lambda task, config, obs: plain(obs))
    vector = EnvSpec(1, (2,), 2, 2)
    assert drawer(suite, "t", None, vector)(np.array([3.0, 0])).max() == 30
    picture = EnvSpec(1, (4, 4, 3), 2, 2, obs_dtype="uint8")
    assert drawer(suite, "t", None, picture) is image
    assert drawer(Suite("s", ("t",), None, "t"), "t", None, vector) is bars


def test_bars_are_as_long_as_features_are_large() -> None:
    coloured = (bars(np.array([0.0, 1.0, -2.0, 9.0])) == (186, 122, 24)).all(-1).sum(0)
    lengths = coloured.reshape(4, -1)[:, 0].tolist()
    # the middle line is drawn over one pixel of those that go down
    assert lengths == [0, SIDE // 4, SIDE // 2 - 1, SIDE // 2]
