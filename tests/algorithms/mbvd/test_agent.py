"""What MBVD promises beyond its numbers: when it learns, what it imagines, what settings change."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.toolbox.episodes import Batch
from marlbench.toolbox.value_learning import ValueAgent
from marlbench.vecenv.synchronous import stack
from marlbench_mbvd import marlbench_algorithms
from marlbench_mbvd.agent import Mbvd
from marlbench_mbvd.config import PRESETS, MbvdConfig
from marlbench_mbvd.losses import transitions
from tests.algorithms.lockstep import Lockstep

SIZES = Sizes()
SMALL: dict[str, Any] = {
    "num_envs": 2,
    "batch_episodes": 4,
    "replay_episodes": 16,
    "hidden": 8,
    "mixer_embed": 4,
    "mixer_hyper": 8,
    "latent": 3,
    "model_hidden": 6,
    "joint_hidden": 5,
}
IMAGES = Sizes(obs_shape=(44, 44, 3), state=None, limit=4)


def built(sizes: Sizes = SIZES, seed: int = 0, **settings: Any) -> ValueAgent[Mbvd]:
    config = MbvdConfig(**{**SMALL, **settings})
    return ValueAgent(Mbvd(config, Synthetic(sizes).spec, seed, "cpu"))


def drawn(agent: ValueAgent[Mbvd], sizes: Sizes = SIZES) -> Batch:
    """A batch of the first episodes that the agent plays."""
    Lockstep(agent, sizes).play_until(1)
    return agent.batch(agent.replay.packed(np.arange(agent.config.batch_episodes)))


def weights(agent: ValueAgent[Mbvd]) -> dict[str, Tensor]:
    learner = agent.learner
    modules = {"online": learner.online, "model": learner.model, "target": learner.target}
    return {
        f"{module}.{name}": weight.clone()
        for module, network in modules.items()
        for name, weight in network.state_dict().items()
    }


def gradients(agent: ValueAgent[Mbvd], terms: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    """Gradients of the named terms' sum, of every weight that they reach."""
    agent.learner.optimiser.zero_grad()
    torch.stack([terms[name] for name in names]).sum().backward()
    learner = agent.learner
    modules = {"online": learner.online, "model": learner.model, "target": learner.target}
    return {
        f"{module}.{name}": weight.grad.clone()
        for module, network in modules.items()
        for name, weight in network.named_parameters()
        if weight.grad is not None and weight.grad.any()
    }


MODEL_TERMS = (
    *("history", "kl", "prior_kl", "previous_latent", "previous_action", "availability"),
)


def test_the_presets_are_settings_and_the_defaults_are_the_papers_table() -> None:
    (entry,) = marlbench_algorithms()
    for preset in PRESETS.values():
        entry.config(**preset)
    table = {"learning_rate": 5e-4, "gamma": 0.99, "target_update_episodes": 200}
    table |= {"max_grad_norm": 10, "batch_episodes": 32, "replay_episodes": 5000}
    table |= {"epsilon_start": 1.0, "epsilon_finish": 0.05, "horizon": 3, "kl_balance": 0.7}
    table |= {"episodes_per_update": 1}
    found = entry.config().model_dump()
    assert {name: found[name] for name in table} == table


@pytest.mark.parametrize(
    "sizes", [Sizes(), Sizes(state=None), Sizes(agents=1), Sizes(agents=5), IMAGES]
)
def test_every_weight_learns_from_every_shape_of_task(sizes: Sizes) -> None:
    agent = built(sizes, batch_episodes=2, target_update_episodes=1000, positive_histories=False)
    before = weights(agent)
    for metrics in Lockstep(agent, sizes).play_until(3):
        assert all(np.isfinite(value) for value in metrics.values())
    moved = {name for name, weight in weights(agent).items() if (weight != before[name]).any()}
    assert moved == {name for name in before if not name.startswith("target")}


@pytest.mark.parametrize("sizes", [Sizes(), IMAGES])
def test_a_loaded_agent_goes_on_exactly(sizes: Sizes) -> None:
    settings = {"batch_episodes": 2, "target_update_episodes": 3}
    play = Lockstep(built(sizes, **settings), sizes)
    play.play_until(2)
    twin = Lockstep(built(sizes, seed=9, **settings), sizes)
    twin.agent.load(pickle.loads(pickle.dumps(play.agent.state())))
    twin.envs, twin.now, twin.policy_state, twin.seeds, twin.rng = pickle.loads(
        pickle.dumps((play.envs, play.now, play.policy_state, play.seeds, play.rng))
    )
    assert play.play_until(3) == twin.play_until(3)
    ours, theirs = weights(play.agent), weights(twin.agent)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_seed_alone_decides_weights_and_noise() -> None:
    metrics = [Lockstep(built(seed=seed), SIZES).play_until(2) for seed in (0, 0, 1)]
    assert metrics[0] == metrics[1]
    assert metrics[0] != metrics[2]


def test_one_update_per_episode_from_the_first_full_batch_on() -> None:
    agent = built(batch_episodes=4, target_update_episodes=6)
    play, learnt, copied = Lockstep(agent, SIZES, num_envs=1), [], []
    for _ in range(6):
        play.play_until(1)
        learnt.append(agent.replay.written)
        online, target = agent.learner.online.state_dict(), agent.learner.target.state_dict()
        if all(torch.equal(online[name], target[name]) for name in online):
            copied.append(agent.replay.written)
    assert learnt == [4, 5, 6, 7, 8, 9]
    assert copied == [6]


def test_epsilon_falls_with_the_env_steps_that_were_seen() -> None:
    agent = built(epsilon_start=0.9, epsilon_finish=0.1, epsilon_anneal_steps=16)
    play, seen = Lockstep(agent, SIZES), {0: agent.epsilon}
    while agent.env_steps < 40:
        play.play()
        seen[agent.env_steps] = agent.epsilon
    for steps, epsilon in seen.items():
        assert epsilon == pytest.approx(max(0.9 - 0.05 * steps, 0.1), rel=1e-12)  # float64
    assert sum(0 < steps < 16 for steps in seen) >= 5
    assert sum(steps > 16 for steps in seen) >= 5


def test_acting_explores_while_epsilon_lets_it_and_only_if_asked_to() -> None:
    """Where epsilon falls to 0, asking for it makes a difference before that and none after."""
    agent = built(epsilon_finish=0.0, epsilon_anneal_steps=16, replay_episodes=40)
    play, differed = Lockstep(agent, SIZES), {True: 0, False: 0}
    while agent.env_steps < 60:
        step, exploring = stack(play.now), agent.epsilon > 0
        choices = [
            agent.act(step, play.policy_state, np.random.default_rng(0), explore)[0]
            for explore in (True, False)
        ]
        differed[exploring] += int((choices[0] != choices[1]).any())
        play.play()
    assert differed[True] > 0
    assert differed[False] == 0


def test_td_lambda_weighs_longer_returns_in_the_target() -> None:
    """From each episode's end: what is foreseen after a step is mixed with what came after it."""
    agents = {lambda_: built(td_lambda=lambda_) for lambda_ in (0.0, 0.6)}
    batch = drawn(agents[0.0])
    generator = torch.Generator().manual_seed(0)
    foresight = torch.randn(
        len(batch.obs), agents[0.0].learner.online.utility.state_features, generator=generator
    )
    best = batch.avail.int().argmax(-1)
    found = {}
    for lambda_, agent in agents.items():
        inputs = agent.learner.online.utility.inputs(batch.obs, batch.last_action)
        target = agent.learner.targets(
            batch, agent.learner.target_pass(batch, inputs), best, foresight
        )
        padded = torch.zeros(batch.valid.numel())
        padded[batch.places] = target[:, 0]
        found[lambda_] = padded.view(batch.valid.shape[:2]).T.tolist()  # (B, T)
    assert found[0.0] != found[0.6]
    rewards, lengths = batch.reward[..., 0].T.tolist(), batch.valid.sum(0)[:, 0].tolist()
    for reward, one_step, mixed, length in zip(rewards, *found.values(), lengths, strict=True):
        assert mixed[length - 1] == one_step[length - 1]
        for t in reversed(range(length - 1)):
            expected = 0.4 * one_step[t] + 0.6 * (reward[t] + 0.99 * mixed[t + 1])
            assert mixed[t] == pytest.approx(expected, rel=1e-5, abs=1e-5)  # float32
    assert max(lengths) > 2


def test_target_networks_read_pictures_by_a_trunk_of_their_own() -> None:
    """Step by step, as they would play; their mixer's state is what that trunk makes of it."""
    agent, generator = built(IMAGES), torch.Generator().manual_seed(0)
    batch, online, target = (
        drawn(agent, IMAGES),
        agent.learner.online.utility,
        agent.learner.target.utility,
    )
    h, results = torch.zeros(batch.sizes[0], 2, agent.config.hidden), []
    with torch.no_grad():
        for weight in target.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
        seen = online.embed(batch.obs)
        found = agent.learner.target_pass(batch, online.inputs(seen, batch.last_action))
        rows = (batch.obs.split(batch.sizes), batch.last_action.split(batch.sizes))
        for obs, last_action in zip(*rows, strict=True):
            q, h = target(obs, last_action, h[: len(obs)])
            results.append((h, q, target.trunk(obs).flatten(1)))
    for ours, parts in zip(found, zip(*results, strict=True), strict=True):
        # float32: sums of many pixels in another order, values up to 8
        torch.testing.assert_close(ours, torch.cat(parts), rtol=1e-4, atol=1e-4)
    assert (found.state - seen.flatten(1)).abs().max() > 0.1  # the online ones see something else


def test_two_layers_of_the_latent_model_are_as_wide_as_joint_hidden_says() -> None:
    model = built(joint_hidden=7).learner.model
    for layers in (model.joint_encoder, model.latent_decoder):
        assert layers.first.out_features == layers.last.in_features == 7
    narrow = (model.prior_encoder, model.history_decoder, model.availability_decoder)
    assert {layers.first.out_features for layers in narrow} == {SMALL["model_hidden"]}


def test_imagining_follows_the_mean_of_the_prior_under_greedy_play() -> None:
    agent = built(horizon=2)
    latent, action = torch.randn(5, 2 * 3), torch.randint(0, 2, (5, 2))
    latents, actions = agent.learner.imagine(latent, action)
    assert [len(latents), len(actions)] == [3, 2]
    model = agent.learner.model
    expected = model.prior(latent, action).mean
    # float32: the same product, alone and with that of the variance
    torch.testing.assert_close(latents[1], expected, rtol=1e-5, atol=1e-6)
    q = agent.learner.online.utility.values(model.histories(latents[1]))
    likely = model.availability(latents[1]).sigmoid() >= 0.5
    for row in range(5):
        for each in range(2):
            offered = likely[row, each].nonzero().flatten().tolist() or [agent.spec.noop]
            best = max(offered, key=lambda a: q[row, each, a].item())
            assert actions[1][row, each] == best


@pytest.mark.parametrize(("noop", "offered"), [(2, [2]), (None, [0, 1, 2, 3])])
def test_where_nothing_is_likely_available_the_noop_is(
    noop: int | None, offered: list[int]
) -> None:
    spec = EnvSpec(2, (3,), 4, 5, noop=noop)
    agent = ValueAgent(Mbvd(MbvdConfig(**SMALL), spec, 0, "cpu"))
    last = agent.learner.model.availability_decoder.last
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(-1.0)
        found = agent.learner.imagined_availability(torch.randn(1, 6))
        assert found[0, 0].nonzero().flatten().tolist() == offered
        last.bias[1] = 0.0  # a probability of one half
        assert agent.learner.imagined_availability(torch.randn(1, 6))[0, 1].tolist() == [
            *(False, True, False, False)
        ]


def test_foresight_reads_the_trajectory_from_its_end() -> None:
    agent = built()
    latents = [torch.randn(4, 6) for _ in range(3)]
    encoder = agent.learner.model.trajectory_encoder
    h = torch.zeros(4, encoder.hidden_size)
    for latent in reversed(latents):
        h = encoder(latent, h)
    # float32: a few sums in another order
    torch.testing.assert_close(agent.learner.model.foresight(latents), h, rtol=1e-5, atol=1e-6)


def test_each_agents_last_action_is_decoded_by_weights_of_its_own() -> None:
    decoders = built(Sizes(agents=3)).learner.model.action_decoders
    x = torch.randn(4, decoders.first.in_features)
    found = decoders(x)
    hidden = decoders.first.out_features // 3
    for each in range(3):
        rows = slice(each * hidden, (each + 1) * hidden)
        inner = (x @ decoders.first.weight[rows].t() + decoders.first.bias[rows]).relu()
        expected = inner @ decoders.weight[each] + decoders.bias[each]
        torch.testing.assert_close(found[:, each], expected, rtol=1e-5, atol=1e-6)  # float32


def test_the_td_error_reaches_the_latent_model_through_foresight_and_no_target_network() -> None:
    agent = built()
    batch = drawn(agent)
    reached = gradients(agent, agent.learner.loss(batch, agent.learner.noise(batch)), "td")
    assert "model.trajectory_encoder.weight_ih" in reached
    assert "model.prior_encoder.first.weight" in reached
    assert "model.posterior_head.mean.weight" in reached
    assert "online.mixer.hyper_b1.weight" in reached
    decoders = ("target", "model.history_decoder", "model.availability", "model.latent_decoder")
    assert not any(name.startswith(decoders) for name in reached)


@pytest.mark.parametrize(
    ("history", "gradient", "reaches"),
    [
        ("target", True, False),
        ("target", False, False),
        ("online", True, True),
        ("online", False, False),
    ],
)
def test_whether_the_models_losses_shape_the_agents_own_network(
    history: str, gradient: bool, reaches: bool
) -> None:
    agent = built(history=history, history_gradient=gradient)
    batch = drawn(agent)
    reached = gradients(agent, agent.learner.loss(batch, agent.learner.noise(batch)), *MODEL_TERMS)
    assert ("online.utility.gru.weight_hh" in reached) == reaches
    assert not any(name.startswith("target") for name in reached)


def test_a_gradient_into_target_networks_makes_no_difference() -> None:
    rows = [
        Lockstep(built(history_gradient=gradient), SIZES).play_until(3)
        for gradient in (True, False)
    ]
    assert rows[0] == rows[1]


def test_decoded_histories_are_negative_only_if_they_may() -> None:
    latent = torch.randn(50, 6)
    assert (built().learner.model.histories(latent) >= 0).all()
    assert (built(positive_histories=False).learner.model.histories(latent) < 0).any()


def test_the_prior_learns_real_steps_and_if_so_set_one_past_the_end() -> None:
    agent = built()
    batch = drawn(agent)
    rows, of_step = transitions(batch, past_end=False)
    assert torch.equal(rows, batch.steps)
    assert of_step.tolist() == list(range(len(rows)))
    rows, of_step = transitions(batch, past_end=True)
    longest = batch.sizes[-1]  # episodes that have a row at the last time
    assert len(rows) == len(batch.steps) + batch.sizes[0] - longest
    assert torch.equal(rows[of_step], batch.steps)
    loss = {}
    for past_end in (True, False):
        agent = built(past_end=past_end)
        batch = drawn(agent)
        loss[past_end] = agent.learner.loss(batch, agent.learner.noise(batch))
    assert loss[True]["prior_kl"] != loss[False]["prior_kl"]


def test_a_replay_that_cannot_hold_a_batch_is_refused_in_one_line() -> None:
    spec = EnvSpec(7, (44, 44, 3), 8, 1000, obs_dtype="uint8")
    with pytest.raises(ValueError, match="holds 13 episodes of this task, fewer than batch"):
        ValueAgent(Mbvd(MbvdConfig(replay_gib=0.5), spec, 0, "cpu"))


def test_smoke_learns_within_its_first_evaluation_interval() -> None:
    sizes = Sizes(end=0.0, death=0.0, limit=100)
    config = MbvdConfig(**PRESETS["smoke"])
    agent = ValueAgent(Mbvd(config, Synthetic(sizes).spec, 0, "cpu"))
    Lockstep(agent, sizes, agent.config.num_envs).play_until(1)
    assert agent.env_steps <= 300
