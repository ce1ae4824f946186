"""Every learner plays images of any size, and a crowd with many actions."""

from __future__ import annotations

import pytest

from marlbench.host import load_catalogue
from marlbench.testing.synthetic import Sizes
from marlbench.testing.trial import Subject

SIZES = {
    "tiny images": Sizes(obs_shape=(5, 7, 4), state=None),
    "wide images": Sizes(obs_shape=(5, 131, 2), state=None),
    "a crowd": Sizes(agents=100, actions=60, obs_shape=(40,)),
}
LEARNERS = ("qmix", "vdn", "iql", "mbvd", "mappo", "ippo", "mat", "mamba", "dmawm")


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_plays_and_learns(name: str, sizes: Sizes) -> None:
    trial = Subject.of(load_catalogue().algorithm(name), {}).trial(sizes, num_envs=2)
    trial.learn(updates=1)  # which asserts that actions are available, and that shapes are right


def test_all_learners_are_tried() -> None:
    assert set(LEARNERS) <= set(load_catalogue().algorithms)
