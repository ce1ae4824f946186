"""QMIX is the reference's: every number of one recorded learner, from inputs to new weights.

The numbers were recorded from hijkzzz/pymarl2 at 8ccac7c on made-up episodes, float32, one thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench.toolbox.episodes import Episodes
from marlbench.toolbox.value_learning import ValueAgent, ValueNetworks
from marlbench_qmix.agent import Qmix
from marlbench_qmix.config import QmixConfig
from tests.algorithms.recorded import Oracle, close, longest_first, show_episodes, steps_of

AGENTS, ACTIONS, LIMIT = 3, 7, 12
SPEC = EnvSpec(AGENTS, (20,), ACTIONS, LIMIT, state_shape=(30,), noop=0)
FORWARD = {"rtol": 1e-5, "atol": 1e-5}  # float32 sums in another order, values near 1


@pytest.fixture
def agent(oracle: Oracle) -> ValueAgent[Qmix]:
    agent = ValueAgent(Qmix(QmixConfig(batch_episodes=8), SPEC, seed=0, device="cpu"))
    load(agent.learner.online, oracle, "init")
    load(agent.learner.target, oracle, "target")
    return agent


def names(module: ValueNetworks) -> dict[str, str]:
    """Our weights' names to the reference's."""
    layers = {
        "utility.input.": "agent/fc1.",
        "utility.gru.": "agent/rnn.",
        "utility.output.": "agent/fc2.",
        "mixer.hyper_b1.": "mixer/hyper_b1.0.",
        "mixer.": "mixer/",
    }
    found = {}
    for name in dict(module.named_parameters()):
        prefix = next(prefix for prefix in layers if name.startswith(prefix))
        theirs = layers[prefix] + name.removeprefix(prefix)
        found[name] = theirs.replace("first", "0").replace("last", "2")
    return found


def load(module: ValueNetworks, oracle: Oracle, prefix: str) -> None:
    weights = {
        ours: torch.as_tensor(oracle[f"{prefix}/{theirs}"])
        for ours, theirs in names(module).items()
    }
    module.load_state_dict(weights)


def played(agent: ValueAgent[Qmix], oracle: Oracle) -> Episodes:
    """Show the recorded episodes to the agent, one copy after the other, and draw them all."""
    show_episodes(agent, oracle)
    assert agent.replay.written == 8
    return agent.replay.packed(np.arange(8))


def padded(rows: Tensor, episodes: Episodes, oracle: Oracle) -> NDArray[Any]:
    """Lay packed rows (N, ...) out as the oracle's (8, 13, ...), zeros in the padding."""
    order = longest_first(oracle)
    laid = np.zeros((8, LIMIT + 1, *rows.shape[1:]), rows.numpy().dtype)
    laid[order[episodes.episode], episodes.time] = rows.numpy()
    return laid


def test_one_step_of_the_network(agent: ValueAgent[Qmix], oracle: Oracle) -> None:
    obs = torch.as_tensor(oracle["batch/obs"][:, 2])
    last_action = torch.as_tensor(oracle["batch/actions"][:, 1, :, 0]).long()
    utility = agent.learner.online.utility
    np.testing.assert_array_equal(utility.inputs(obs, last_action), oracle["step/inputs"])
    q, h = utility(obs, last_action, torch.as_tensor(oracle["step/hidden_in"]))
    close(q, oracle["step/q"], **FORWARD)
    close(h, oracle["step/hidden_out"], **FORWARD)


def test_acting_remembers_as_the_reference(agent: ValueAgent[Qmix], oracle: Oracle) -> None:
    policy_state = agent.start(1)
    for t, (step, _) in enumerate(steps_of(oracle, episode=0)):
        taken = oracle["batch/actions"][0, t, :, 0].astype(np.int64)[None]
        action, policy_state = agent.act(
            step, policy_state, np.random.default_rng(0), explore=False
        )
        np.testing.assert_array_equal(action[0], oracle["out/double_q_action"][0, t])
        policy_state = type(policy_state)(policy_state.hidden, taken)
    close(policy_state.hidden[0], oracle["out/hidden_online_last"][0], **FORWARD)


def test_values_of_whole_episodes(agent: ValueAgent[Qmix], oracle: Oracle) -> None:
    episodes = played(agent, oracle)
    batch = agent.batch(episodes)
    filled = oracle["batch/filled"].astype(bool)
    for networks, key in (
        (agent.learner.online, "out/q_online"),
        (agent.learner.target, "out/q_target"),
    ):
        utility = networks.utility
        q = utility.unroll(utility.inputs(batch.obs, batch.last_action), batch.sizes).detach()
        close(padded(q, episodes, oracle), oracle[key] * filled[..., None], **FORWARD)
        if networks is agent.learner.online:
            best = q.masked_fill(~batch.avail, -torch.inf).argmax(-1)
            np.testing.assert_array_equal(
                padded(best, episodes, oracle), oracle["out/double_q_action"] * filled
            )
            chosen = q.gather(-1, batch.action[..., None]).squeeze(-1)
            mask = oracle["out/mask"]
            ours = padded(chosen, episodes, oracle)[:, :-1]
            close(ours * mask, oracle["out/chosen_q"] * mask, **FORWARD)
            rows = oracle["out/chosen_qtot"] * mask
            mixed = agent.learner.online.mixer(chosen, batch.state).detach()
            close(padded(mixed, episodes, oracle)[:, :-1] * mask, rows, **FORWARD)


def test_mask_and_targets(agent: ValueAgent[Qmix], oracle: Oracle) -> None:
    episodes = played(agent, oracle)
    batch = agent.batch(episodes)
    order = longest_first(oracle)
    mask = oracle["out/mask"][order].swapaxes(0, 1)  # (T, B, 1)
    np.testing.assert_array_equal(batch.valid, mask.astype(bool))
    utility = agent.learner.online.utility
    inputs = utility.inputs(batch.obs, batch.last_action)
    q = utility.unroll(inputs, batch.sizes).detach()
    targets = agent.learner.targets(batch, inputs, q)
    theirs = oracle["out/td_lambda_targets"][order].swapaxes(0, 1)[mask.astype(bool)]
    close(targets[:, 0], theirs, **FORWARD)


def test_loss_and_gradients(agent: ValueAgent[Qmix], oracle: Oracle) -> None:
    loss, _ = agent.learner.loss(agent.batch(played(agent, oracle)))
    close(loss, oracle["update1/loss"], rtol=1e-6, atol=0)  # as another float32 form
    loss.backward()
    theirs = names(agent.learner.online)
    for name, weight in agent.learner.online.named_parameters():
        assert weight.grad is not None
        reference = oracle[f"grad/{theirs[name]}"]
        # relative to the layer's largest: single sums cancel, and 1e-6 is ten float32 roundings
        close(weight.grad, reference, rtol=0, atol=1e-6 * np.abs(reference).max())


def test_three_updates(agent: ValueAgent[Qmix], oracle: Oracle) -> None:
    episodes = played(agent, oracle)
    for number in (1, 2, 3):
        metrics = agent.learn(episodes)
        reference = {
            "loss": oracle[f"update{number}/loss"],
            "grad_norm": oracle[f"update{number}/grad_norm"],
            "q_taken": AGENTS * oracle[f"update{number}/q_taken_mean"],  # theirs is per agent
            "target": AGENTS * oracle[f"update{number}/target_mean"],
        }
        for name, value in reference.items():
            # ten float32 roundings; later ones start from weights that differ by 1e-6
            close(metrics[name], value, rtol=1e-6 if number == 1 else 1e-5, atol=0)
        if number in (1, 3):
            theirs = names(agent.learner.online)
            for name, weight in agent.learner.online.named_parameters():
                # Adam scales gradients near zero up, so their last bits reach 1e-5 in a weight
                close(weight, oracle[f"after{number}/{theirs[name]}"], rtol=0, atol=1e-5)
