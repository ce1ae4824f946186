"""MAMBA's pictures: the newest rows, what a plain loop decodes of them, and no traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from marlbench.plugin import EnvSpec, Step
from marlbench.testing.sameness import difference, through_disk
from marlbench.toolbox.latents import class_rows
from marlbench_mamba.agent import Mamba
from marlbench_mamba.config import MambaConfig

Play = Callable[[int, int], Iterator[Step]]
SIDE, SCALE = 24, 3
TILE, GAP = SIDE * SCALE, 2


def trained(config: MambaConfig, spec: EnvSpec, steps: Play, moments: int = 30) -> Mamba:
    """A learner that has seen random images and learnt a little."""
    agent, rng = Mamba(config, spec, 0, "cpu"), np.random.default_rng(0)
    for step, _ in zip(steps(config.num_envs, 0), range(moments), strict=False):
        seen = rng.integers(256, size=(*step.alive.shape, *spec.obs_shape))
        agent.observe(replace(step, obs=seen.astype(spec.obs_dtype)), step.avail.argmax(-1))
        agent.update()
    return agent


@pytest.fixture
def images(spec: EnvSpec) -> EnvSpec:
    return replace(spec, obs_shape=(SIDE, SIDE, 3), obs_dtype="uint8")


@torch.no_grad()
def followed(agent: Mamba, rows: dict[str, Any]) -> Iterator[torch.Tensor]:
    """What the likeliest latents decode to, step by step: pixels (A, *O)."""
    model, config = agent.model, agent.config
    transition, posterior = model.transition, model.posterior
    h, read_z = torch.zeros(3, config.deter), torch.zeros(3, config.hidden)
    # the first row says what led here; the last is what the one before it leads to
    for t in range(1, config.length - 1):
        action = torch.from_numpy(rows["action"][t - 1, 0]).long()
        h = transition.step(h, read_z + transition.weight_a[action])
        embed = model.encoder(torch.from_numpy(rows["obs"][t, 0]))
        logits = posterior(h, posterior.read(embed)).unflatten(-1, (config.latents, -1))
        z = logits.argmax(-1)
        yield model.heads.decoder(model.heads.reader(h, z)[:, : config.hidden])[0]
        goes_on = not rows["last"][t, 0]
        h, read_z = h * goes_on, class_rows(z, transition.weight_z) * goes_on


def test_pictures_show_the_newest_real_rows_and_what_is_decoded_of_them(
    config: MambaConfig, images: EnvSpec, steps: Play
) -> None:
    config = config.model_copy(update={"length": 12})  # more than an episode
    agent = trained(config, images, steps)
    assert agent.updates
    (picture,) = agent.pictures().values()
    rows = agent.replay.windows(np.array([agent.replay.written - config.length]), config.length)
    real = 1 + np.flatnonzero(~rows["fake"][1:-1, 0])
    assert 2 <= len(real) < config.length - 2
    assert rows["last"][1:-2].any()  # behind it the state begins anew
    assert picture.shape == (3 * (2 * TILE + GAP) - GAP, len(real) * (TILE + GAP) - GAP, 3)
    all_decoded = list(followed(agent, rows))
    for column, t in enumerate(real):
        strip = picture[:, column * (TILE + GAP) :: SCALE][:, :SIDE]
        for a in range(3):
            upper = a * (2 * TILE + GAP)
            seen, drawn = np.split(strip[upper : upper + 2 * TILE : SCALE], 2)
            np.testing.assert_array_equal(seen, rows["obs"][t, 0, a])
            # a whole shade is half a shade off, and float32 sums in another order
            decoded = all_decoded[t - 1][a].clamp(0, 1) * 255
            np.testing.assert_allclose(drawn, decoded, atol=0.51)


def test_drawing_changes_nothing(config: MambaConfig, images: EnvSpec, steps: Play) -> None:
    agent = trained(config, images, steps)
    before = through_disk(agent.state())
    first, again = agent.pictures(), agent.pictures()
    assert difference(before, agent.state()) is None
    assert all(np.array_equal(first[name], again[name]) for name in first.keys() | again.keys())


def test_there_is_nothing_to_show_of_few_of_absorbing_rows_and_of_vectors(
    config: MambaConfig, spec: EnvSpec, images: EnvSpec, steps: Play
) -> None:
    assert trained(config, images, steps, moments=3).pictures() == {}
    assert trained(config, spec, steps, moments=12).pictures() == {}
    agent = trained(config, images, steps, moments=12)
    assert agent.pictures()
    agent.replay.ring["fake"][:] = True
    assert agent.pictures() == {}
