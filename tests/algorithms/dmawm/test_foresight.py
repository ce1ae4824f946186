"""What the model foresees under given actions: the verbs of training, in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from marlbench.imagination import Imagination
from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.latents import latent_kl
from marlbench.training.foresight import Effort, fresh_episodes, judge
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.seeding import TrainingSeeds, step_rng
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.config import Config
from marlbench_dmawm.presets import PRESETS
from tests.training.test_foresight import Relay

CONTEXT, HORIZON, PIECES = 3, 4, 5


def agent_of(**changes: Any) -> Dmawm:
    """A small one on the relay."""
    return Dmawm(Config(**{**PRESETS["smoke"], "num_envs": 4, **changes}), Relay().spec, 0, "cpu")


def piece(spec: EnvSpec) -> tuple[Step, NDArray[np.int64]]:
    """Steps (C, B, ...) with numbers in them, all agents there, and actions."""
    rng = np.random.default_rng(1)
    steps, agents = (CONTEXT, PIECES), (CONTEXT, PIECES, spec.num_agents)
    flags = np.zeros(steps, bool)
    first = flags.copy()
    first[0] = True
    seen = Step(
        obs=rng.normal(size=(*agents, *spec.obs_shape)).astype(np.float32),
        avail=np.ones((*agents, spec.num_actions), bool),
        alive=np.ones(agents, bool),
        reward=np.zeros(agents, np.float32),
        first=first,
        last=flags,
        terminal=flags,
    )
    shape = (CONTEXT + HORIZON - 1, PIECES, spec.num_agents)
    return seen, rng.integers(spec.num_actions, size=shape)


@pytest.mark.parametrize("absorbing", [True, False])
def test_the_verbs_of_training_in_turn(absorbing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the likeliest z everywhere: h of all before, z of the prior, heads of h."""
    agent = agent_of(absorbing_state=absorbing)
    for head in (agent.model.environment.reward, agent.model.environment.predictor_out):
        torch.nn.init.normal_(list(head.parameters())[-1], std=0.5)  # they start at nothing
    for place in ("agent", "imagination"):
        monkeypatch.setattr(
            f"marlbench_dmawm.{place}.sample_classes", lambda probs, uniform: probs.argmax(-1)
        )
    monkeypatch.setattr(
        "marlbench_dmawm.foresight.drawn", lambda rng, shape, device: torch.zeros(shape)
    )
    seen, actions = piece(agent.spec)
    found = agent.imagine(seen, actions, np.random.default_rng(0))
    module, env = agent.model.agent, agent.model.environment
    taken = torch.from_numpy(actions)
    with torch.no_grad():
        h = module.first_state().expand(PIECES, agent.spec.num_agents, -1)
        for t in range(CONTEXT):
            log_q = module.infer(h, module.embed(torch.from_numpy(seen.obs[t])))
            z = log_q.argmax(-1)
            kl = latent_kl(log_q, env.prior(h))
            h = module.next(h, z, taken[t])
        for k in range(HORIZON):
            z = env.prior(h).argmax(-1)
            context = env.context(h)
            reward = agent.model.twohot.mean(env.reward(context))
            cont = env.cont(context).squeeze(-1).sigmoid()
            drawn = module.as_seen(env.decode(h, z))
            cont = cont.mean(-1) if absorbing else cont.amax(-1)
            for ours, theirs in (
                (found.obs, drawn),
                (found.reward, reward),
                (found.cont, cont),
                (found.avail, env.avail(context).sigmoid()),
            ):
                assert ours is not None
                np.testing.assert_allclose(ours[k], theirs.numpy(), rtol=1e-4, atol=1e-5)
            if k + 1 < HORIZON:
                h = module.next(h, z, taken[CONTEXT + k])
    assert found.kl is not None
    np.testing.assert_allclose(found.kl, kl.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("images", [True, False])
def test_what_is_seen_again_is_what_is_decoded(images: bool, spec: EnvSpec) -> None:
    if images:
        spec = replace(spec, obs_shape=(16, 16, 3), obs_dtype="uint8")
    module = Dmawm(Config(**PRESETS["smoke"]), spec, 0, "cpu").model.agent
    obs = torch.arange(int(np.prod(spec.obs_shape))).view(spec.obs_shape) % 256
    obs = obs.to(torch.uint8) if images else obs.float() - 2
    torch.testing.assert_close(
        module.as_seen(module.target(obs)), obs.float(), rtol=1e-4, atol=1e-4
    )


def trained(agent: Dmawm, updates: int) -> Dmawm:
    """Let it learn the model alone, from random play."""
    env = CheckedVectorEnv(SyncVectorEnv(Relay, 4))
    seeds, rng = TrainingSeeds.of_run(0, 4), np.random.default_rng(0)
    step = env.reset(seeds.take(np.ones(4, bool)))
    for _ in range(400):
        actions = np.where(step.avail, rng.random(step.avail.shape), -1).argmax(-1)
        agent.observe(step, actions)
        step = env.step(actions, seeds.take(step.last))
    for _ in range(updates):
        agent.train_model(agent.sample_batch())
    return agent


EFFORT = Effort(episodes=16, context=2, horizon=3, pieces=64, draws=4)


def scores(agent: Dmawm) -> dict[str, Any]:
    episodes = fresh_episodes(agent, CheckedVectorEnv(SyncVectorEnv(Relay, 4)), (0, 0), EFFORT)
    return judge(agent, episodes, agent.spec, 0, EFFORT)


def test_with_an_mlp_for_a_predictor_what_others_do_is_never_imagined() -> None:
    apart, coupled = scores(agent_of(predictor="mlp")), scores(agent_of())
    assert apart["coherence"]["influence"] == apart["coherence"]["score"] == 0
    assert coupled["coherence"]["influence"] > 0


@pytest.mark.slow
def test_what_another_agent_does_is_learnt_to_appear() -> None:
    """Every agent is shown what the one before it did: nothing but the coupling can foresee it."""
    settings = {"length": 12, "batch": 16, "deter": 64, "units": 64, "decoder_units": 64}
    coupled = scores(trained(agent_of(**settings, agent_index=True), 500))
    assert coupled["coherence"]["score"] > 0.2
    imagined, mean = (
        np.mean([a[0] for a in coupled["observation"][n]]) for n in ("imagined", "mean")
    )
    assert imagined < 0.5 * mean
    assert coupled["ahead"][0]["reward_r2"] > 0.5


def test_it_draws_from_the_hosts_generator_alone() -> None:
    agent = agent_of()
    seen, actions = piece(agent.spec)

    def imagined(seed: int) -> Imagination:
        return agent.imagine(seen, actions, step_rng(seed, "imagination", 0))

    one, same, other = (imagined(seed) for seed in (1, 1, 2))
    assert one.obs is not None
    assert same.obs is not None
    assert other.obs is not None
    np.testing.assert_array_equal(one.obs, same.obs)
    assert not np.array_equal(one.obs, other.obs)
