"""The shared value network: episodes are its steps one by one, labels tell agents apart."""

from __future__ import annotations

from dataclasses import replace

import torch

from marlbench.plugin import EnvSpec
from marlbench.toolbox.utility import Utility

AGENTS, ACTIONS = 2, 3
SPEC = EnvSpec(AGENTS, (4,), ACTIONS, episode_limit=9)


def test_packed_episodes_are_their_steps_one_by_one() -> None:
    torch.manual_seed(0)
    utility = Utility(SPEC, hidden=5, image_features=1).double()
    lengths = [4, 2]
    obs = [torch.randn(n, AGENTS, 4, dtype=torch.float64) for n in lengths]
    last = [torch.randint(0, ACTIONS + 1, (n, AGENTS)) for n in lengths]
    order = [(e, t) for t in range(4) for e in range(2) if t < lengths[e]]  # time-major
    inputs = utility.inputs(
        torch.stack([obs[e][t] for e, t in order]), torch.stack([last[e][t] for e, t in order])
    )
    states, q = utility.states(inputs, [2, 2, 1, 1]), utility.unroll(inputs, [2, 2, 1, 1])
    for e, n in enumerate(lengths):
        h = torch.zeros(1, AGENTS, 5, dtype=torch.float64)
        for t in range(n):
            value, h = utility(obs[e][t][None], last[e][t][None], h)
            row = order.index((e, t))
            # float64: a few dozen operations of 1e-16 each
            torch.testing.assert_close(states[row], h[0], rtol=0, atol=1e-12)
            torch.testing.assert_close(q[row], value[0], rtol=0, atol=1e-12)


def test_inputs_are_observation_then_last_action_then_index() -> None:
    utility = Utility(SPEC, hidden=5, image_features=1)
    obs = torch.tensor([[[1.0, 2, 3, 4], [5, 6, 7, 8]]])
    inputs = utility.inputs(obs, torch.tensor([[2, ACTIONS]]))  # the second has not acted yet
    expected = [[1, 2, 3, 4, 0, 0, 1, 1, 0], [5, 6, 7, 8, 0, 0, 0, 0, 1]]
    assert inputs[0].tolist() == expected


def test_where_the_index_is_hidden_agents_that_see_the_same_are_worth_the_same() -> None:
    torch.manual_seed(0)
    hidden = Utility(replace(SPEC, agent_index="hidden"), hidden=5, image_features=1)
    obs, h = torch.randn(1, 1, 4).expand(1, AGENTS, 4), torch.zeros(1, AGENTS, 5)
    last = torch.full((1, AGENTS), ACTIONS)
    q, _ = hidden(obs, last, h)
    # some processors add up a product's rows in another order by their place: 1e-6 is its rounding
    torch.testing.assert_close(q[:, 0], q[:, 1], rtol=0, atol=1e-6)
    q, _ = Utility(SPEC, hidden=5, image_features=1)(obs, last, h)
    assert (q[:, 0] - q[:, 1]).abs().max() > 1e-3
