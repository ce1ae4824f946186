"""DMAWM's pictures: the newest window, what the paper's plain loop decodes of it, and no traces."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from marlbench.plugin import EnvSpec, Step
from marlbench.testing.sameness import difference, through_disk
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.config import Config

Play = Callable[[int, int], Iterator[Step]]
SIDE, SCALE = 24, 3
TILE, GAP = SIDE * SCALE, 2


def trained(config: Config, spec: EnvSpec, steps: Play) -> Dmawm:
    """A learner that has seen random images, black for those that are gone, and learnt a little."""
    agent, rng = Dmawm(config, spec, 0, "cpu"), np.random.default_rng(0)
    for step, _ in zip(steps(config.num_envs, 0), range(22), strict=False):
        shape = (*step.alive.shape, *[1] * len(spec.obs_shape))
        seen = rng.integers(256, size=(*step.alive.shape, *spec.obs_shape))
        obs = (seen * step.alive.reshape(shape)).astype(spec.obs_dtype)
        agent.observe(replace(step, obs=obs), step.avail.argmax(-1))
        agent.update()
    assert agent.updates
    return agent


@pytest.fixture
def images(spec: EnvSpec) -> EnvSpec:
    return replace(spec, obs_shape=(SIDE, SIDE, 3), obs_dtype="uint8")


@torch.no_grad()
def followed(agent: Dmawm, window: dict[str, Any]) -> Iterator[torch.Tensor]:
    """What the likeliest latents decode to, step by step: pixels (A, *O)."""
    module = agent.model.agent
    h = module.first_state().expand(3, -1)
    for obs, action in zip(window["obs"][:, 0], window["action"][:, 0], strict=True):
        z = module.infer(h, module.embed(torch.from_numpy(obs))).argmax(-1)
        yield agent.model.environment.decode(h, z) + module.mean_image
        h = module.next(h, z, torch.from_numpy(action).long())


def test_pictures_show_the_newest_window_and_what_is_decoded_of_it(
    config: Config, images: EnvSpec, steps: Play
) -> None:
    agent = trained(config, images, steps)
    (picture,) = agent.pictures().values()
    window = agent.replay.newest(config.length).fields
    columns = len(window["obs"])
    assert 2 <= columns <= config.length
    assert picture.shape == (3 * (2 * TILE + GAP) - GAP, columns * (TILE + GAP) - GAP, 3)
    for t, decoded in enumerate(followed(agent, window)):
        column = picture[:, t * (TILE + GAP) :: SCALE][:, :SIDE]
        for a in range(3):
            upper = a * (2 * TILE + GAP)
            seen, drawn = np.split(column[upper : upper + 2 * TILE : SCALE], 2)
            np.testing.assert_array_equal(seen, window["obs"][t, 0, a])
            # a whole shade is half a shade off, and float32 sums in another order
            np.testing.assert_allclose(drawn, decoded[a].clamp(0, 1) * 255, atol=0.51)


def test_drawing_changes_nothing(config: Config, images: EnvSpec, steps: Play) -> None:
    agent = trained(config, images, steps)
    before = through_disk(agent.state())
    first, again = agent.pictures(), agent.pictures()
    assert difference(before, agent.state()) is None
    assert all(np.array_equal(first[name], again[name]) for name in first.keys() | again.keys())


def test_there_is_nothing_to_show_before_the_first_step_and_of_vectors(
    config: Config, spec: EnvSpec, images: EnvSpec, steps: Play
) -> None:
    assert Dmawm(config, images, 0, "cpu").pictures() == {}
    assert trained(config, spec, steps).pictures() == {}
