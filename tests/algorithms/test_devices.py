"""The policy's state follows the learner to another device: a run may go on elsewhere.

A GPU is not needed to see it: on torch's device `meta` everything works but to read a result, so
that acting there gets as far as its last line, and no further.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np
import pytest

from marlbench.host import load_catalogue
from marlbench.testing.trial import Subject
from marlbench.vecenv import synchronous

CATALOGUE = load_catalogue()


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        ("dmawm", ["model", "policy.actor"]),
        ("mamba", ["model", "policy.actor"]),
        ("mappo", ["actor"]),
    ],
)
def test_a_policy_state_from_the_cpu_is_moved(name: str, networks: list[str]) -> None:
    entry, suite = CATALOGUE.algorithms[name], CATALOGUE.suite("skirmish")
    env = synchronous.build(suite, suite.default_task, suite.config(), 2)
    config = entry.config(**Subject.of(entry, None).settings)
    agent: Any = entry.build(config, env.spec, 0, "cpu")
    policy_state = agent.start(2)
    step = env.reset(np.array([0, 1]))
    agent.act(
        step, policy_state, np.random.default_rng(0), explore=False
    )  # so it is not for another reason that it fails below
    for path in networks:
        attrgetter(path)(agent).to("meta")
    agent.device = "meta"
    with pytest.raises(NotImplementedError, match="copy out of meta"):
        agent.act(step, policy_state, np.random.default_rng(0), explore=False)
