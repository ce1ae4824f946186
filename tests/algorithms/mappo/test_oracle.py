"""MAPPO against numbers recorded from the public reference (tests/oracles/mappo.npz).

Recorded on the CPU in float32 with another order of summation, so values agree to a few units in
the last place: 1e-6 relative for outputs, returns and losses, 1e-6 for gradients and weights.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from marlbench.plugin import EnvSpec
from marlbench.toolbox.decisions import Categorical
from marlbench.toolbox.rollout import Stream
from marlbench_mappo.agent import Mappo
from marlbench_mappo.config import MappoConfig
from marlbench_mappo.networks import Network
from marlbench_mappo.sequences import Sequences
from tests.algorithms.recorded import Oracle, close, compare_updates, load_moments, stream_of

SPEC = EnvSpec(num_agents=3, obs_shape=(20,), num_actions=7, episode_limit=50, state_shape=(30,))
OWN = replace(SPEC, state_shape=(3, 30))
"""The reference's critics see a state of their agent's own."""
NAMES = {
    "base.feature_norm": "trunk.0.norm",
    "base.mlp.fc1.0": "trunk.0.linear",
    "base.mlp.fc1.2": "trunk.2",
    "base.mlp.fc2.0.0": "trunk.3",
    "base.mlp.fc2.0.2": "trunk.5",
    "rnn.rnn.weight_ih_l0": "gru.weight_x",
    "rnn.rnn.weight_hh_l0": "gru.weight_h",
    "rnn.rnn.bias_ih_l0": "gru.bias_x",
    "rnn.rnn.bias_hh_l0": "gru.bias_h",
    "rnn.norm": "norm",
    "act.action_out.linear": "head",
    "v_out": "head",
}


def weights(oracle: Oracle, prefix: str) -> dict[str, torch.Tensor]:
    """Arrays under a prefix by our parameter names."""
    found = {}
    for key, array in oracle.items():
        if key.startswith(prefix + "/"):
            name = key.removeprefix(prefix + "/")
            theirs = next(theirs for theirs in NAMES if name.startswith(theirs))
            found[NAMES[theirs] + name.removeprefix(theirs)] = torch.from_numpy(array)
    return found


def build(oracle: Oracle, **settings: int) -> Mappo:
    """Our learner with the reference's weights."""
    config = MappoConfig(num_envs=4, rollout_steps=20, **settings)
    agent = Mappo(config, OWN, seed=0, device="cpu")
    agent.actor.load_state_dict(weights(oracle, "init/actor"))
    agent.critic.load_state_dict(weights(oracle, "init/critic"))
    load_moments(agent.value_norm, oracle)
    return agent


def stream(oracle: Oracle) -> Stream:
    """The reference's buffer as our stream."""
    first = oracle["buffer/masks"][:, :, 0, 0] == 0
    rows = {"state": oracle["buffer/share_obs"], "first": first}
    notes = {
        "actor_state": oracle["buffer/rnn_states"][..., 0, :],
        "critic_state": oracle["buffer/rnn_states_critic"][..., 0, :],
    }
    return stream_of(oracle, rows, notes)


def batch(agent: Mappo, oracle: Oracle) -> Sequences:
    """What the learner trains on."""
    return agent.sequences(stream(oracle))


def theirs(oracle: Oracle, key: str) -> torch.Tensor:
    return torch.from_numpy(oracle[key])


def test_one_step_gives_the_references_policy_value_and_states(oracle: Oracle) -> None:
    agent = build(oracle)
    obs, keep = theirs(oracle, "step/obs")[None], theirs(oracle, "step/masks")[None, :, 0, 0] == 1
    state = theirs(oracle, "step/hidden_actor_in")[:, :, 0].flatten(0, 1)
    each = keep.repeat_interleave(3, dim=1)
    logits, _ = agent.actor(obs.flatten(1, 2), each, state)
    close(logits[0].view(4, 3, -1), theirs(oracle, "step/logits_unmasked"))
    avail = theirs(oracle, "step/available_actions") == 1
    policy, states = agent.policy(obs, avail[None], keep, state)
    assert isinstance(policy, Categorical)
    log_probs = policy.log_probs[0]
    close(log_probs[avail], theirs(oracle, "step/log_probs_all")[avail])
    assert torch.equal(log_probs.argmax(-1), theirs(oracle, "step/greedy_action")[..., 0].long())
    close(states[0].view(4, 3, 64), theirs(oracle, "step/hidden_actor_out"))

    view = theirs(oracle, "step/share_obs")[None].flatten(1, 2)
    state = theirs(oracle, "step/hidden_critic_in")[:, :, 0].flatten(0, 1)
    value, states = agent.critic(view, each, state)
    close(value.view(4, 3, 1), theirs(oracle, "step/value"))
    close(states[0].view(4, 3, 64), theirs(oracle, "step/hidden_critic_out"))


def test_returns_are_the_references(oracle: Oracle) -> None:
    agent = build(oracle)
    advantage, value = agent.advantages(stream(oracle))
    close((advantage + value).flatten(2), theirs(oracle, "out/returns")[..., 0], atol=5e-6)


def test_returns_of_a_fresh_normaliser_are_the_references(oracle: Oracle) -> None:
    agent = build(oracle)
    for buffer in agent.value_norm.buffers():
        buffer.zero_()
    advantage, value = agent.advantages(stream(oracle))
    close((advantage + value).flatten(2), theirs(oracle, "out/returns_fresh_valuenorm")[..., 0])


def test_advantages_are_standardised_over_living_agents_only(oracle: Oracle) -> None:
    agent = build(oracle)
    agent.config = agent.config.model_copy(update={"chunk": 20})  # one chunk: order (E, C)
    ours = batch(agent, oracle).advantage  # (20, E * C, 1)
    close(ours.view(20, 4, 3, 1), theirs(oracle, "out/advantages_normalised"), atol=5e-6)


def test_first_epoch_gives_the_references_losses_and_gradients(oracle: Oracle) -> None:
    agent = build(oracle)
    data = batch(agent, oracle)
    loss, report = agent.policy_loss(data)
    loss.backward()
    close(report["policy_loss"], theirs(oracle, "epochs/policy_loss")[0])
    close(report["entropy"], theirs(oracle, "epochs/entropy")[0])
    agent.value_norm.update(data.target)
    value_loss = agent.value_loss(data)
    value_loss.backward()
    close(value_loss, theirs(oracle, "epochs/value_loss")[0])
    for network, name in ((agent.actor, "actor"), (agent.critic, "critic")):
        gradients = weights(oracle, f"grad/{name}")
        assert gradients.keys() == dict(network.named_parameters()).keys()
        for key, parameter in network.named_parameters():
            assert parameter.grad is not None
            close(parameter.grad, gradients[key])


def run_and_compare(agent: Mappo, oracle: Oracle, section: str) -> None:
    """Train, comparing what is reported at each of the reference's updates."""
    data = batch(agent, oracle)
    reports = (
        agent.improve_policy(part) | agent.improve_value(part)
        for _ in range(agent.config.epochs)
        for part in agent.minibatches(data)
    )
    names = ("policy_loss", "entropy", "value_loss", "actor_grad_norm", "critic_grad_norm")
    reported = {"ratio_mean": "ratio", **{name: name for name in names}}
    compare_updates(reports, agent.value_norm, oracle, section, reported)


def test_five_epochs_give_the_references_losses_and_weights(oracle: Oracle) -> None:
    agent = build(oracle)
    run_and_compare(agent, oracle, "epochs")
    for network, name in ((agent.actor, "actor"), (agent.critic, "critic")):
        for key, weight in weights(oracle, f"after5/{name}").items():
            close(network.state_dict()[key], weight, rtol=0, atol=1e-6)


def test_two_minibatches_give_the_references_losses(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = build(oracle, minibatches=2)
    orders = iter(theirs(oracle, "minibatch2/permutations").long())

    def minibatches(data: Sequences) -> Iterator[Sequences]:
        for index in next(orders).chunk(2):
            yield data.rows(index)

    monkeypatch.setattr(agent, "minibatches", minibatches)
    run_and_compare(agent, oracle, "minibatch2")


def test_a_shared_view_is_computed_once_and_equals_one_per_agent(oracle: Oracle) -> None:
    config = MappoConfig(num_envs=4, rollout_steps=20)
    shared = Mappo(config, SPEC, seed=0, device="cpu")
    data = stream(oracle)
    rng = np.random.default_rng(0)
    data.now["state"] = rng.normal(size=(20, 4, 30)).astype(np.float32)
    for notes in (data.noted, data.next_noted):
        notes["value"] = notes["value"][..., :1]
    data.noted["critic_state"] = data.noted["critic_state"][:, :, :1]
    loss = shared.value_loss(shared.sequences(data))
    loss.backward()
    gradients = [p.grad for p in shared.critic.parameters()]

    apart = build(oracle)
    apart.critic.load_state_dict(shared.critic.state_dict())
    apart.value_norm.load_state_dict(shared.value_norm.state_dict())
    data.now["state"] = data.now["state"][:, :, None].repeat(3, axis=2)
    for notes in (data.noted, data.next_noted):
        notes["value"] = notes["value"].repeat_interleave(3, 2)
    data.noted["critic_state"] = data.noted["critic_state"].repeat_interleave(3, 2)
    repeated = apart.value_loss(apart.sequences(data))
    repeated.backward()
    close(loss, repeated.detach())
    for ours, parameter in zip(gradients, apart.critic.parameters(), strict=True):
        assert ours is not None
        assert parameter.grad is not None
        close(ours, parameter.grad)


def test_the_reference_has_no_other_weights(oracle: Oracle) -> None:
    for name, outputs in (("actor", 7), ("critic", 1)):
        network = build(oracle).network((20 if outputs == 7 else 30,), outputs, gain=1.0)
        assert isinstance(network, Network)
        assert weights(oracle, f"init/{name}").keys() == network.state_dict().keys()
