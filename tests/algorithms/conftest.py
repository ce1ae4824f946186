"""What tests of several learners begin with."""

from __future__ import annotations

import pytest

from marlbench.plugin import EnvSpec
from tests.algorithms.recorded import Oracle, recorded


@pytest.fixture(scope="module")
def oracle(request: pytest.FixtureRequest) -> Oracle:
    """What was recorded of the reference of the learner that this folder is named after."""
    return recorded(request.path.parent.name)


@pytest.fixture
def spec() -> EnvSpec:
    """A small task in which agents may die."""
    return EnvSpec(num_agents=3, obs_shape=(6,), num_actions=5, episode_limit=20, noop=0)
