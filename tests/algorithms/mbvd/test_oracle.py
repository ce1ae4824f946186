"""MBVD is the public copy's: every number of one recorded learner, from inputs to new weights.

The numbers were recorded from the copy of MBVD in Jonarain/Enhanced-Imagination-and-Feature-
Balancing-for-Cooperative-Multi-Agent-Reinforcement-Learning at 0cac5dd on made-up episodes,
float32, one thread, with the latent model's layers 24 wide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench.toolbox.episodes import Batch, Episodes
from marlbench.toolbox.value_learning import ValueAgent
from marlbench_mbvd.agent import Mbvd, greedy
from marlbench_mbvd.config import MbvdConfig
from marlbench_mbvd.losses import Noise, priors, transitions
from tests.algorithms.recorded import Oracle, close, longest_first, show_episodes

AGENTS, ACTIONS, EPISODES, LIMIT = 3, 7, 6, 11
SPEC = EnvSpec(AGENTS, (20,), ACTIONS, LIMIT, state_shape=(30,), noop=0)
Agent = ValueAgent[Mbvd]
CONFIG = MbvdConfig(batch_episodes=EPISODES, model_hidden=24)
FORWARD = {"rtol": 1e-5, "atol": 1e-5}  # float32 sums in another order, values near 1
TERMS = {
    "loss": "loss_total",
    "td": "loss_q",
    "history": "loss_hidden_reconstruction",
    "kl": "loss_kl_post_prior",
    "prior_kl": "loss_kl_prior_normal",
    "previous_latent": "loss_prior_state",
    "previous_action": "loss_prior_action",
    "availability": "loss_available",
    "grad_norm": "grad_norm",
}
LAYERS = {
    "utility.input.": "agent/fc1.",
    "utility.gru.": "agent/rnn.",
    "utility.output.": "agent/fc2.",
    "mixer.hyper_w1.": "mixer/hyper_w_1.",
    "mixer.hyper_b1.": "mixer/hyper_b_1.",
    "mixer.hyper_w2.": "mixer/hyper_w_final.",
    "mixer.hyper_b2.": "mixer/V.",
    "joint_encoder.": "model/prior_state_encoder.",
    "action_encoder.": "model/prior_action_encoder.0.",
    "prior_encoder.": "model/prior_cat_encoder.",
    "prior_head.mean.": "model/prior_mu.0.",
    "prior_head.log_variance.": "model/prior_logvar.0.",
    "latent_decoder.": "model/prior_state_decoder.",
    "history_encoder.": "model/posterior_encoder.",
    "posterior_head.mean.": "model/posterior_mu.",
    "posterior_head.log_variance.": "model/posterior_logvar.",
    "history_decoder.": "model/posterior_decoder.",
    "availability_decoder.": "model/avail_action_decoder.",
    "trajectory_encoder.": "model/traj_encoder.",
}
"""Our layers' names to the reference's."""


@pytest.fixture
def agent(oracle: Oracle) -> Agent:
    agent = ValueAgent(Mbvd(CONFIG, SPEC, seed=0, device="cpu"))
    modules = (
        (agent.learner.online, "init"),
        (agent.learner.target, "target"),
        (agent.learner.model, "init"),
    )
    for module, prefix in modules:
        names = dict(module.named_parameters())
        module.load_state_dict({name: theirs(oracle, prefix, name) for name in names})
    return agent


@pytest.fixture
def episodes(agent: Agent, oracle: Oracle) -> Episodes:
    """The recorded episodes, shown to the agent one copy after the other and all drawn."""
    show_episodes(agent, oracle)
    assert agent.replay.written == EPISODES
    return agent.replay.packed(np.arange(EPISODES))


def theirs(oracle: Oracle, prefix: str, name: str) -> Tensor:
    """The recorded weight or gradient of one of our names."""
    if name.startswith("action_decoders."):
        return decoders(oracle, prefix, name.removeprefix("action_decoders."))
    layer = next(layer for layer in LAYERS if name.startswith(layer))
    found = LAYERS[layer] + name.removeprefix(layer)
    return torch.as_tensor(oracle[f"{prefix}/{found.replace('first', '0').replace('last', '2')}"])


def decoders(oracle: Oracle, prefix: str, name: str) -> Tensor:
    """The same of the action decoders, which the reference has agent by agent."""
    key = {"weight": "2.weight", "bias": "2.bias"}.get(name, name.replace("first", "0"))
    each = [
        torch.as_tensor(oracle[f"{prefix}/model/prior_action_decoder.{agent}.{key}"])
        for agent in range(AGENTS)
    ]
    if name.startswith("first"):
        return torch.cat(each)
    return torch.stack([part.t() if name == "weight" else part for part in each])


def parameters(agent: Agent) -> dict[str, Tensor]:
    return {
        **dict(agent.learner.online.named_parameters()),
        **dict(agent.learner.model.named_parameters()),
    }


def packed(array: NDArray[Any], episodes: Episodes, oracle: Oracle, later: int = 0) -> Tensor:
    """The reference's rows (6, 12, ...) in our order, or those of the time after; none: NaN."""
    order = longest_first(oracle)
    times = episodes.time + later
    found = array[order[episodes.episode], np.minimum(times, array.shape[1] - 1)]
    if found.dtype.kind == "f":
        found[times >= array.shape[1]] = np.nan
    return torch.as_tensor(found)


def recorded_noise(agent: Agent, episodes: Episodes, oracle: Oracle, update: int) -> Noise:
    origins = transitions(agent.batch(episodes), past_end=True)
    posterior = packed(oracle[f"update{update}/posterior_noise"], episodes, oracle)
    prior = packed(oracle[f"update{update}/prior_noise"], episodes, oracle, later=1)[origins.row]
    assert prior.isfinite().all()
    return Noise(posterior, prior)


def seen(agent: Agent, batch: Batch) -> tuple[Tensor, Tensor]:
    """Online values (N, A, U) and what the online networks read (N, A, I)."""
    utility = agent.learner.online.utility
    inputs = utility.inputs(batch.obs, batch.last_action)
    return utility.unroll(inputs, batch.sizes).detach(), inputs


def test_values_and_recurrent_states(agent: Agent, episodes: Episodes, oracle: Oracle) -> None:
    batch = agent.batch(episodes)
    q, inputs = seen(agent, batch)
    past = agent.learner.target_pass(batch, inputs)
    close(q, packed(oracle["out/q_online"], episodes, oracle), **FORWARD)
    close(past.q, packed(oracle["out/q_target"], episodes, oracle), **FORWARD)
    close(past.states, packed(oracle["out/target_hidden"], episodes, oracle), **FORWARD)
    best = packed(oracle["out/double_q_action"], episodes, oracle)
    np.testing.assert_array_equal(greedy(q, batch.avail), best)


def test_latent_states(agent: Agent, episodes: Episodes, oracle: Oracle) -> None:
    noise = recorded_noise(agent, episodes, oracle, 1)
    posterior = agent.learner.model.posterior(packed(oracle["out/target_hidden"], episodes, oracle))
    latent = posterior.sample(noise.posterior).detach()
    close(posterior.mean, packed(oracle["out/posterior_mu"], episodes, oracle), **FORWARD)
    log_variance = packed(oracle["out/posterior_logvar"], episodes, oracle)
    close(posterior.log_variance, log_variance, **FORWARD)
    close(latent, packed(oracle["out/posterior_sample"], episodes, oracle), **FORWARD)
    batch = agent.batch(episodes)
    rows = transitions(batch, past_end=True).row
    first, prior = priors(agent.learner.model, latent[rows], batch.action[rows])
    sampled = packed(oracle["out/prior_sample"], episodes, oracle, later=1)[rows]
    close(prior.sample(noise.prior), sampled, **FORWARD)
    begun = torch.as_tensor(oracle["update1/prior_noise"][:, 0])
    close(first.sample(begun), oracle["out/prior_sample"][:, 0], **FORWARD)


def test_imagination(agent: Agent, episodes: Episodes, oracle: Oracle) -> None:
    batch = agent.batch(episodes)
    q, _ = seen(agent, batch)
    mean = packed(oracle["out/posterior_mu"], episodes, oracle)
    latents, actions = agent.learner.imagine(mean, greedy(q, batch.avail))
    theirs_taken = packed(oracle["out/imagined_actions"], episodes, oracle)  # (N, H, A)
    np.testing.assert_array_equal(torch.stack(actions, 1), theirs_taken)
    available = torch.stack(
        [agent.learner.imagined_availability(latent) for latent in latents[1:3]], 1
    )
    theirs_available = packed(oracle["out/imagined_available"], episodes, oracle)[:, 1:]
    np.testing.assert_array_equal(available, theirs_available.bool())
    assert (theirs_available.sum(-1) == 1).any()  # among them what nothing but no-op is left for
    foresight = agent.learner.foresight(mean, actions[0]).detach()
    close(foresight, packed(oracle["out/trajectory_code"], episodes, oracle), **FORWARD)


def test_joint_values_and_targets(agent: Agent, episodes: Episodes, oracle: Oracle) -> None:
    batch = agent.batch(episodes)
    q, inputs = seen(agent, batch)
    foresight = packed(oracle["out/trajectory_code"], episodes, oracle)
    chosen = q.gather(-1, batch.action[..., None]).squeeze(-1)[batch.steps]
    close(chosen, packed(oracle["out/chosen_q"], episodes, oracle)[batch.steps], **FORWARD)
    assert batch.state is not None
    state = torch.cat([batch.state, foresight], -1)[batch.steps]
    mixed = agent.learner.online.mixer(chosen, state).detach()
    close(mixed, packed(oracle["out/chosen_qtot"], episodes, oracle)[batch.steps], **FORWARD)
    past, best = agent.learner.target_pass(batch, inputs), greedy(q, batch.avail)
    valued = past.q.gather(-1, best[..., None]).squeeze(-1)[batch.sizes[0] :]
    close(valued, packed(oracle["out/target_max_q"], episodes, oracle)[batch.steps], **FORWARD)
    target = agent.learner.targets(batch, past, best, foresight)
    close(target, packed(oracle["out/targets"], episodes, oracle)[batch.steps], **FORWARD)
    mask = packed(oracle["out/mask"], episodes, oracle)
    assert len(batch.steps) == oracle["out/mask"].sum()
    assert mask[batch.steps].all()


def test_losses_and_gradients(agent: Agent, episodes: Episodes, oracle: Oracle) -> None:
    terms = agent.learner.loss(agent.batch(episodes), recorded_noise(agent, episodes, oracle, 1))
    for name, term in terms.items():
        # ten float32 roundings
        close(term, oracle[f"update1/{TERMS[name]}"], rtol=1e-6, atol=0)
    torch.stack(list(terms.values())).sum().backward()
    for name, weight in parameters(agent).items():
        assert weight.grad is not None
        reference = theirs(oracle, "grad", name)
        # relative to the layer's largest: single sums cancel
        close(weight.grad, reference, rtol=0, atol=1e-6 * reference.abs().max().item())


def test_two_updates(agent: Agent, episodes: Episodes, oracle: Oracle) -> None:
    for update in (1, 2):
        noise = recorded_noise(agent, episodes, oracle, update)
        metrics = agent.learner.descend(agent.learner.loss(agent.batch(episodes), noise))
        for name, key in TERMS.items():
            # the second starts from weights that differ by 6e-7
            tolerance = 1e-6 if update == 1 else 1e-5
            close(metrics[name], oracle[f"update{update}/{key}"], rtol=tolerance, atol=0)
        if update == 1:
            for name, weight in parameters(agent).items():
                # RMSProp's first step is ten times the learning rate in gradients' signs, but for
                # gradients near its epsilon, whose last bits reach 6e-7 of a weight
                close(weight, theirs(oracle, "after1", name), rtol=0, atol=6e-7)
