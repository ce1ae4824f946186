"""MAMBA against numbers recorded from the public reference (tests/oracles/mamba.npz).

The reference drew its random numbers itself; its draws are recorded and replayed here. Recorded on
the CPU in float32 with another order of summation, so values agree to a few units in the last
place: see `close`, and the reasons beside what is compared otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.ppo import ImaginedRollout
from marlbench_mamba import agent as agent_module
from marlbench_mamba import imagination, world_model
from marlbench_mamba.agent import Mamba, starts
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.imagination import advantages, imagine
from marlbench_mamba.replay import Batch, ChainedReplay
from marlbench_mamba.world_model import States
from tests.algorithms.recorded import Oracle, close

SPEC = EnvSpec(num_agents=3, obs_shape=(20,), num_actions=7, episode_limit=50)
WIDTH, STOCHASTIC = 32, 48
ROWS = {
    "memory/observation": "obs",
    "memory/av_action": "avail",
    "memory/action": "action",
    "memory/reward": "reward",
    "memory/done": "done",
    "memory/fake": "fake",
    "memory/last": "last",
}
NAMES = {
    "model/observation_encoder.fc1": "encoder.hidden.0",
    "model/observation_encoder.encoder.0": "encoder.hidden.1",
    "model/observation_encoder.encoder.2": "encoder.hidden.2",
    "model/observation_encoder.encoder.4": "encoder.out",
    "model/observation_decoder.fc1.2": "heads.decoder.hidden.0",
    "model/observation_decoder.fc1.4": "heads.decoder.hidden.1",
    "model/observation_decoder.fc2": "heads.decoder.out",
    "model/transition._cell": "transition.gru",
    "model/transition._stochastic_prior_model.dists.0": "transition.prior_hidden",
    "model/transition._stochastic_prior_model.dists.2": "transition.prior_out",
    "model/representation._stochastic_posterior_model.dists.2": "posterior.out",
    "model/transition._attention_stack.encoder.layers": "transition.attention.blocks",
    "model/reward_model.model.2": "heads.reward.hidden",
    "model/reward_model.model.4": "heads.reward.out",
    "model/pcont.model.2": "heads.cont.hidden",
    "model/pcont.model.4": "heads.cont.out",
    "model/av_action.model.2": "heads.avail.hidden",
    "model/av_action.model.4": "heads.avail.out",
    "model/q_features.model.0": "tell_hidden.0",
    "model/q_features.model.2": "tell_hidden.1",
    "model/q_action": "tell",
    "actor/feedforward_model.2": "hidden",
    "actor/feedforward_model.4": "out",
    "critic/_attention_stack.encoder.layers": "attention.blocks",
    "critic/feedforward_model.0": "hidden",
    "critic/feedforward_model.2": "out",
    "self_attn.in_proj_": "qkv.",
    "self_attn.out_proj": "project",
    "linear1": "expand",
    "linear2": "contract",
    "norm1": "norm_attention",
    "norm2": "norm_feedforward",
    "_l0": "",
}
HEADS = ("observation_decoder.fc1", "av_action.model", "reward_model.model", "pcont.model")


def weights(oracle: Oracle, prefix: str, part: str) -> dict[str, Tensor]:
    """Arrays of a network under a prefix by our names, with split and merged maps as ours are."""
    start = f"{prefix}/{part}/"
    found = {
        key.removeprefix(f"{prefix}/"): torch.from_numpy(oracle[key])
        for key in oracle
        if key.startswith(start)
    }
    ours: dict[str, Tensor] = {}
    if part == "model":
        fused = reader(found, [f"model/{head}.0" for head in HEADS])
        ours |= {f"heads.{name}": weight for name, weight in fused.items()}
        both = found.pop("model/transition._rnn_input_model.0.weight")  # actions, then latents
        ours["transition.weight_a"], ours["transition.weight_z"] = both.t().split([7, STOCHASTIC])
        ours["transition.bias"] = found.pop("model/transition._rnn_input_model.0.bias")
        posterior = "model/representation._stochastic_posterior_model.dists.0"
        both = found.pop(f"{posterior}.weight")
        ours["posterior.weight_h"], ours["posterior.weight_e"] = both.split(WIDTH, 1)
        ours["posterior.bias"] = found.pop(f"{posterior}.bias")
    else:
        ours |= reader(found, [f"{part}/{'embed' if part == 'critic' else 'feedforward_model.0'}"])
    return ours | {renamed(name): array for name, array in found.items()}


def reader(found: dict[str, Tensor], heads: list[str]) -> dict[str, Tensor]:
    """First layers of heads on [z, h] as one map, with the part that reads z apart."""
    both = torch.cat([found.pop(f"{head}.weight") for head in heads])  # (F, K*C + D)
    return {
        "reader.weight_z": both[:, :STOCHASTIC].t(),
        "reader.weight_h": both[:, STOCHASTIC:],
        "reader.bias": torch.cat([found.pop(f"{head}.bias") for head in heads]),
    }


def renamed(name: str) -> str:
    """The reference's name of a parameter, in our words."""
    for theirs, ours in NAMES.items():
        name = re.sub(re.escape(theirs), ours, name)
    return name


def build(oracle: Oracle) -> Mamba:
    """Our learner with the reference's weights and sizes."""
    config = MambaConfig(
        min_buffer=9, batch=5, length=8, deter=WIDTH, hidden=WIDTH, latents=6, classes=8,
        dropout=0.0, horizon=5,
    )  # fmt: skip
    agent = Mamba(config, SPEC, seed=0, device="cpu")
    for part, network in networks(agent).items():
        network.load_state_dict(weights(oracle, "init", part))
    return agent


def networks(agent: Mamba) -> dict[str, torch.nn.Module]:
    return {"model": agent.model, "actor": agent.policy.actor, "critic": agent.policy.critic}


def theirs(oracle: Oracle, key: str) -> Tensor:
    return torch.from_numpy(oracle[key])


def memory(oracle: Oracle) -> dict[str, np.ndarray]:
    """The reference's replay as rows of ours."""
    rows = {ours: oracle[key] for key, ours in ROWS.items()}
    rows["reward"] = rows["reward"][..., 0]
    for flag in ("done", "fake", "last"):
        rows[flag] = rows[flag][:, 0, 0]  # of all agents alike
    return rows


def sampled(oracle: Oracle) -> Batch:
    """The reference's windows, cut out of its memory by our replay."""
    replay = ChainedReplay(SPEC, 100, timeouts_end=True)
    replay.extend(memory(oracle))
    return Batch.of(replay.windows(oracle["memory/window_start"], 8))


def replayed(draws: Tensor) -> Callable[..., Tensor]:
    """A sampler that gives recorded draws in turn, whatever it is asked."""
    answers = iter(draws.long())
    return lambda *_: next(answers)


NOISE = torch.zeros(6, 5, 3, 6)
"""Stands for the uniforms where draws are replayed."""


def observed(agent: Mamba, oracle: Oracle, key: str, patch: pytest.MonkeyPatch) -> States:
    """The states of the reference's windows, for the posterior draws recorded under a key."""
    draws = theirs(oracle, key)[:-1].flatten(1, 2)
    patch.setattr(world_model, "sample_classes", replayed(draws))
    return agent.model.observe(sampled(oracle), NOISE)


def test_windows_are_the_references(oracle: Oracle) -> None:
    batch = sampled(oracle)
    assert torch.equal(batch.obs, theirs(oracle, "sample/observation"))
    assert torch.equal(batch.avail, theirs(oracle, "sample/av_action").bool())
    assert torch.equal(batch.action, theirs(oracle, "sample/action").argmax(-1))
    assert torch.equal(batch.reward, theirs(oracle, "sample/reward")[..., 0])
    for ours, key in ((1 - batch.real, "fake"), (batch.last, "last"), (1 - batch.cont, "done")):
        assert torch.equal(ours[..., None].expand(7, 5, 3), theirs(oracle, f"sample/{key}")[..., 0])


def test_played_episodes_enter_the_replay_as_the_references(oracle: Oracle) -> None:
    """Its memory played again as steps of the host; the random actions of absorbing rows apart."""
    rows = memory(oracle)
    replay = ChainedReplay(SPEC, 100, timeouts_end=True)
    rng = np.random.default_rng(0)
    timeouts = oracle["memory/ends_by_time_limit"]
    reward = np.zeros((1, 3), np.float32)
    for start, timeout in zip(oracle["memory/episode_start"], timeouts, strict=True):
        row = int(start)
        while True:
            real = not rows["fake"][row]
            replay.observe(seen(rows, row, reward, first=row == start), rows["action"][[row]], rng)
            reward = rows["reward"][[row]]
            if rows["done"][row] or not real:
                break
            row += 1
        final = seen(rows, row, reward, last=True, terminal=not timeout)
        replay.observe(final, rows["action"][[row]], rng)
    assert len(replay) == 63
    real = rows["fake"] == 0
    for name, array in replay.ring.items():
        ours, expected = array[:63], rows[name]
        if name == "action":
            ours, expected = ours[real], expected[real]
        assert np.array_equal(ours, expected), name


def seen(rows: dict[str, np.ndarray], row: int, reward: np.ndarray, **flags: bool) -> Step:
    """A row as one copy's step."""
    return Step(
        obs=rows["obs"][[row]],
        avail=rows["avail"][[row]] == 1,
        alive=np.ones((1, 3), bool),
        reward=reward,
        first=np.array([flags.get("first", False)]),
        last=np.array([flags.get("last", False)]),
        terminal=np.array([flags.get("terminal", False)]),
    )


def test_states_and_heads_are_the_references(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = build(oracle)
    model = agent.model
    batch = sampled(oracle)
    close(model.encoder(batch.obs), theirs(oracle, "model_out/embed"))
    states = observed(agent, oracle, "model_draws/posterior", monkeypatch)
    close(states.h[:-1], theirs(oracle, "model_out/deter"))
    close(states.h[1:], theirs(oracle, "model_out/deter_next"))
    posterior = theirs(oracle, "model_out/posterior_logits").unflatten(-1, (6, 8)).softmax(-1)
    close(states.probs, posterior)
    close(model.transition.prior(states.h[:-1]), theirs(oracle, "model_out/prior_logits"))
    told = model.told(states)
    close(told.obs, theirs(oracle, "model_out/reconstruction"))
    close(told.avail.sigmoid(), theirs(oracle, "model_out/available_prob"))
    close(told.reward[..., None], theirs(oracle, "model_out/reward"))
    close(told.cont.sigmoid()[..., None], theirs(oracle, "model_out/continue_prob"))


def test_the_models_loss_and_gradients_are_the_references(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = build(oracle)
    states = observed(agent, oracle, "model_draws/posterior", monkeypatch)
    loss, terms = agent.model.loss(sampled(oracle), states)
    names = {"information": "info", "cont": "pcont", "avail": "av_action"}
    for name, term in terms.items():
        close(term, theirs(oracle, f"model_loss/{names.get(name, name)}"))
    close(loss, theirs(oracle, "model_loss/total"))
    loss.backward()
    compare_gradients(agent.model, weights(oracle, "grad", "model"))


def compare_gradients(network: torch.nn.Module, expected: dict[str, Tensor]) -> None:
    """Every parameter's gradient."""
    ours = dict(network.named_parameters())
    assert ours.keys() == expected.keys()
    for name, parameter in ours.items():
        assert parameter.grad is not None
        close(parameter.grad, expected[name])


def compare_weights(network: torch.nn.Module, expected: dict[str, Tensor]) -> None:
    """Weights to 2e-6, half a hundredth of a step: Adam scales rounding up where gradients are 0.

    Keys' biases are left out: their gradient is zero in theory, so that Adam steps by noise.
    """
    for name, weight in network.state_dict().items():
        ours, reference = weight, expected[name]
        if name.endswith("qkv.bias"):
            ours, reference = (torch.cat([b[:WIDTH], b[2 * WIDTH :]]) for b in (ours, reference))
        close(ours, reference, rtol=0, atol=2e-6)


def test_a_model_update_gives_the_references_weights(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = build(oracle)
    draws = theirs(oracle, "model_draws/posterior")[:-1].flatten(1, 2)
    monkeypatch.setattr(world_model, "sample_classes", replayed(draws))
    metrics = agent.train_model(sampled(oracle))
    close(metrics["model_grad_norm"], theirs(oracle, "model_loss/grad_norm"))
    compare_weights(agent.model, weights(oracle, "after1", "model"))


def imagined(agent: Mamba, oracle: Oracle, patch: pytest.MonkeyPatch) -> ImaginedRollout:
    """A rollout from the reference's starts with its draws of latents, masks and actions."""
    states = observed(agent, oracle, "imagine_draws/posterior", patch)
    patch.setattr(imagination, "sample_classes", replayed(theirs(oracle, "imagine_draws/latent")))
    patch.setattr(imagination, "sample", replayed(theirs(oracle, "imagine_draws/action")))
    available = theirs(oracle, "imagine_draws/available").bool()[:4]
    # a uniform below 0 is below every probability, one above 1 below none
    patch.setattr(torch, "rand", lambda shape, **_: torch.where(available, -1.0, 2.0)
                  if shape[-1] == 7 else torch.zeros(shape))  # fmt: skip
    return imagine(agent.model, agent.policy.actor, starts(states), 5, agent.generator)


def test_imagined_play_is_the_references(oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = build(oracle)
    rollout = imagined(agent, oracle, monkeypatch)
    close(rollout.h, theirs(oracle, "imagine/deter"))
    assert torch.equal(rollout.z, theirs(oracle, "imagine/latent"))
    masked = theirs(oracle, "imagine/masked_logits")[:4].log_softmax(-1)  # (H-1, R, A, U)
    assert (~rollout.avail).all(-1).any()  # a row in which nothing is available
    close(rollout.log_prob, masked.gather(-1, rollout.action[..., None])[..., 0])
    reward = rollout.reward.mean(-1)[..., None, None]
    close(reward, theirs(oracle, "imagine/reward"))
    close(rollout.cont[..., None], theirs(oracle, "imagine/discount"))
    prior = agent.model.transition.prior(rollout.h[1:])
    close(prior, theirs(oracle, "imagine/prior_logits"))
    standard, target = advantages(agent.policy.critic, rollout, agent.config)
    close(agent.policy.critic(rollout.h, rollout.z)[..., None], theirs(oracle, "imagine/value"))
    close(target[..., None], theirs(oracle, "imagine/returns"))
    close(standard.flatten(0, 1)[..., None], theirs(oracle, "imagine/advantage"), atol=5e-6)


def test_five_epochs_give_the_references_losses_gradients_and_weights(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = build(oracle)
    rollout = imagined(agent, oracle, monkeypatch)
    data = rollout.batch(*advantages(agent.policy.critic, rollout, agent.config))
    trained = {"actor": agent.policy.actor, "critic": agent.policy.critic}
    for epoch in range(5):
        close(torch.tensor(agent.policy.entropy_coef), theirs(oracle, "ppo/entropy_weight")[epoch])
        metrics = agent.policy.step(data)
        close(metrics["critic_loss"], theirs(oracle, "ppo/value_loss")[epoch])
        for name in ("actor_loss", "actor_grad_norm", "critic_grad_norm"):
            close(metrics[name], theirs(oracle, f"ppo/{name}")[epoch])
        for part, network in trained.items():
            if epoch == 0:
                compare_gradients(network, weights(oracle, "grad", part))
            if epoch in (0, 4):
                compare_weights(network, weights(oracle, f"after{epoch + 1}", part))


def test_acting_gives_the_references_policy(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One environment's first three steps; the recorded actions are taken as the policy state's."""
    agent = build(oracle)
    policy_state = agent.start(1)
    rows = {"obs": oracle["act/observation"], "avail": oracle["act/available"]}
    given = replayed(theirs(oracle, "act/posterior_draw")[:, None])
    monkeypatch.setattr(agent_module, "sample_classes", given)
    for t in range(3):
        step = seen(rows, t, np.zeros((1, 3), np.float32), first=t == 0)
        rng = np.random.default_rng(0)
        likeliest, policy_state = agent.act(step, policy_state, rng, explore=False)
        close(policy_state.h[0], theirs(oracle, "act/deter")[t])
        logits = agent.policy.actor.logits(policy_state.h, policy_state.z)
        close(logits[0], theirs(oracle, "act/logits")[t])
        masked = theirs(oracle, "act/masked_logits")[t]
        assert np.array_equal(likeliest[0], masked.argmax(-1))
        action = theirs(oracle, "act/action")[[t]].long()
        policy_state = replace(policy_state, action=action)
