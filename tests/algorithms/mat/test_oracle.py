"""MAT against numbers recorded from the public reference (tests/oracles/mat.npz).

Recorded on the CPU in float32 with another order of summation, so values agree to a few units in
the last place: 1e-6 relative for outputs, returns and losses, 1e-6 for gradients and weights.
"""

import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.policies import entropy, log_prob
from marlbench_mat.agent import Batch, Mat, weighed
from marlbench_mat.config import MatConfig
from tests.algorithms.recorded import Oracle, close, compare_updates, load_moments, stream_of

SPEC = EnvSpec(num_agents=3, obs_shape=(20,), num_actions=7, episode_limit=50)
NAMES = {
    "obs_encoder.0": "read.0.norm",
    "obs_encoder.1": "read.0.linear",
    "action_encoder.0": "embed",
    "attn1": "actions",
    "attn2": "observations",
    "attn": "attention",
    "proj": "project",
    "mlp": "feedforward",
    "ln1": "norms.0",
    "ln2": "norms.1",
    "ln3": "norms.2",
    "ln": "norm",
}


def weights(oracle: Oracle, prefix: str) -> dict[str, Tensor]:
    """Arrays under a prefix by our names; we keep queries', keys' and values' maps as one."""
    found = {}
    for key, array in oracle.items():
        if key.startswith(prefix + "/"):
            found[renamed(key.removeprefix(prefix + "/"))] = torch.from_numpy(array)
    for name in [name for name in found if ".query." in name]:
        parts = [found.pop(name.replace("query", part)) for part in ("query", "key", "value")]
        found[name.replace("query", "maps")] = torch.cat(parts)
    return found


def renamed(name: str) -> str:
    """The reference's name of a parameter, in our words."""
    for theirs, ours in NAMES.items():
        name = re.sub(rf"\b{re.escape(theirs)}\b", ours, name)
    return re.sub("^decoder", "1", re.sub("^encoder", "0", name))


def build(oracle: Oracle, **settings: int) -> Mat:
    """Our learner with the reference's weights and normaliser."""
    agent = Mat(MatConfig(num_envs=4, rollout_steps=20, **settings), SPEC, seed=0, device="cpu")
    agent.transformer.load_state_dict(weights(oracle, "init"))
    load_moments(agent.value_norm, oracle)
    return agent


def theirs(oracle: Oracle, key: str) -> Tensor:
    return torch.from_numpy(oracle[key])


def rows(oracle: Oracle) -> Step:
    """The four rows of which the reference recorded its acting, as 16 copies of one step."""
    some = {
        "obs": oracle["buffer/obs"][:4].reshape(16, 3, 20),
        "avail": oracle["buffer/available_actions"][:4].reshape(16, 3, 7) == 1,
    }
    no = np.zeros(16, bool)
    alive = np.ones((16, 3), bool)
    reward = np.zeros((16, 3), np.float32)
    return Step(**some, alive=alive, reward=reward, first=no, last=no, terminal=no)


def test_knowing_the_actions_gives_the_references_policy_and_values(oracle: Oracle) -> None:
    agent = build(oracle)
    batch = agent.batch(stream_of(oracle, {}, {}))
    representation = agent.encoder.representation(batch["obs"])  # (T * E, A, D)
    close(representation[:8], theirs(oracle, "forward/encoder_out").flatten(0, 1))
    close(agent.encoder.value(representation), flat(oracle, "forward/values"))
    logits = agent.decoder(batch["action"], representation)
    close(logits, theirs(oracle, "forward/logits_unmasked").flatten(0, 1))
    log_probs, _ = agent.evaluate(batch)
    close(log_prob(log_probs, batch["action"]), flat(oracle, "forward/action_log_probs"))
    close(entropy(log_probs), flat(oracle, "forward/entropy"))


def flat(oracle: Oracle, key: str) -> Tensor:
    """(T * E, A) of an array (T, E, A, 1)."""
    return theirs(oracle, key)[..., 0].flatten(0, 1)


def test_likeliest_actions_agent_by_agent_are_the_references(oracle: Oracle) -> None:
    actions, policy_state = build(oracle).act(
        rows(oracle), None, np.random.default_rng(0), explore=False
    )
    assert np.array_equal(actions, oracle["greedy/actions"].reshape(16, 3))
    assert policy_state is None


@pytest.mark.parametrize("kind", ["greedy", "sampled"])
def test_decoding_with_a_cache_gives_the_references_log_probs(oracle: Oracle, kind: str) -> None:
    agent, step = build(oracle), rows(oracle)
    chosen = torch.from_numpy(oracle[f"{kind}/actions"].reshape(16, 3)).long()
    seen: list[Tensor] = []

    def choose(logits: Tensor, index: int) -> Tensor:
        seen.append(logits)
        return chosen[:, index]

    with torch.no_grad():
        representation = agent.encoder.representation(torch.from_numpy(step.obs))
        decoded = agent.decoder.decode(agent.decoder.prepared(), representation, choose)
        whole = agent.decoder(chosen, representation)  # (16, A, U)
    assert torch.equal(decoded, chosen)
    cached = torch.stack(seen, 1)  # (16, A, U)
    close(cached, whole, rtol=0, atol=1e-6)  # two units in the last place of logits of size 4
    masked = cached.masked_fill(~torch.from_numpy(step.avail), -1e10).log_softmax(-1)
    close(log_prob(masked, chosen), flat(oracle, f"{kind}/action_log_probs"))


def test_returns_and_advantages_are_the_references(oracle: Oracle) -> None:
    agent = build(oracle)
    advantage, value = agent.advantages(stream_of(oracle, {}, {}))
    close(advantage, theirs(oracle, "out/advantages_raw")[..., 0], atol=5e-6)
    close(advantage + value, theirs(oracle, "out/returns")[..., 0], atol=5e-6)
    standardised = agent.batch(stream_of(oracle, {}, {}))["advantage"]
    close(standardised, flat(oracle, "out/advantages_normalised"), atol=5e-6)


def test_first_epoch_gives_the_references_gradients(oracle: Oracle) -> None:
    agent = build(oracle)
    batch = weighed(agent.batch(stream_of(oracle, {}, {})))
    agent.value_norm.update(batch["target"])
    loss, _ = agent.loss(batch)
    loss.backward()
    gradients = weights(oracle, "grad")
    assert gradients.keys() == dict(agent.transformer.named_parameters()).keys()
    for key, parameter in agent.transformer.named_parameters():
        assert parameter.grad is not None
        close(parameter.grad, gradients[key])


def run_and_compare(agent: Mat, oracle: Oracle, section: str) -> None:
    """Train, comparing what is reported at each of the reference's updates."""
    batch = agent.batch(stream_of(oracle, {}, {}))
    reports = (
        agent.improve(part) for _ in range(agent.config.epochs) for part in agent.minibatches(batch)
    )
    names = {"ratio_mean": "ratio", "critic_grad_norm": "grad_norm"}
    names |= {name: name for name in ("policy_loss", "entropy", "value_loss")}
    compare_updates(reports, agent.value_norm, oracle, section, names)


@pytest.mark.parametrize("block", [1024, 30])
def test_five_epochs_give_the_references_losses_and_weights(oracle: Oracle, block: int) -> None:
    agent = build(oracle, block=block)
    run_and_compare(agent, oracle, "epochs")
    for key, weight in weights(oracle, "after5").items():
        close(agent.transformer.state_dict()[key], weight, rtol=0)


def test_two_minibatches_give_the_references_losses(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = build(oracle, minibatches=2)
    orders = iter(theirs(oracle, "minibatch2/permutations").long())

    def minibatches(batch: Batch) -> Iterator[Batch]:
        for index in next(orders).chunk(2):
            yield weighed({name: field[index] for name, field in batch.items()})

    monkeypatch.setattr(agent, "minibatches", minibatches)
    run_and_compare(agent, oracle, "minibatch2")
