"""MAT's attention against plain attention, its decoding, and where its rows meet the host's."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from marlbench.plugin import Env
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_mat.agent import Mat, weighed
from marlbench_mat.attention import Attention, SymbolAttention
from marlbench_mat.config import MatConfig
from marlbench_mat.networks import Decoder, Encoder
from marlbench_probe.clocks import Counting, Deaths
from marlbench_probe.pixels import Pixels

WIDTH, AGENTS = 8, 5


def scattered(module: torch.nn.Module) -> None:
    """Weights and biases that matter, in double precision (tolerances: its default, 1e-7)."""
    torch.manual_seed(0)
    module.double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)


def plain(attention: Attention, source: Tensor, x: Tensor, causal: bool) -> Tensor:
    """Attention of (N, A, D) as the formula has it, head by head and token by token."""
    weights, biases = attention.maps.weight.chunk(3), attention.maps.bias.chunk(3)
    inputs = (x, source, source)
    q, k, v = (i @ w.T + b for i, w, b in zip(inputs, weights, biases, strict=True))
    size = WIDTH // attention.heads
    mixed = torch.zeros_like(q)
    for head in range(attention.heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(x.shape[1]):
            seen = slice(0, i + 1 if causal else None)
            scores = (k[:, seen, part] * q[:, i : i + 1, part]).sum(-1) / size**0.5  # (N, seen)
            share = scores.softmax(-1).unsqueeze(-1)
            mixed[:, i, part] = (share * v[:, seen, part]).sum(1)
    return mixed @ attention.project.weight.T + attention.project.bias


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_what_the_formula_says(heads: int, causal: bool) -> None:
    attention = Attention(WIDTH, heads, AGENTS, causal)
    scattered(attention)
    source, x = torch.randn(2, 3, AGENTS, WIDTH, dtype=torch.double)
    torch.testing.assert_close(attention(source, x), plain(attention, source, x, causal))
    torch.testing.assert_close(attention(x, x), plain(attention, x, x, causal))


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_among_symbols_is_attention_among_their_tokens(heads: int) -> None:
    attention = SymbolAttention(WIDTH, heads, AGENTS, causal=True)
    scattered(attention)
    symbols = torch.randn(4, WIDTH, dtype=torch.double)
    which = torch.randint(4, (6, AGENTS))
    own = torch.nn.functional.one_hot(which, 4)
    log_count = own.cumsum(1).double().log().flatten(0, 1)
    ours = attention.mixed(attention.tables(symbols), own.flatten(0, 1).double(), log_count)
    tokens = symbols[which]
    expected = plain(attention, tokens, tokens, causal=True)
    torch.testing.assert_close(ours.view_as(expected), expected)
    torch.testing.assert_close(attention(tokens, tokens), expected)


@pytest.mark.parametrize(("layers", "heads"), [(1, 1), (2, 2), (3, 1)])
def test_decoding_gives_the_logits_of_one_pass(layers: int, heads: int) -> None:
    decoder = Decoder(6, AGENTS, WIDTH, layers, heads)
    scattered(decoder)
    representation = torch.randn(7, AGENTS, WIDTH, dtype=torch.double)
    actions, seen = torch.randint(6, (7, AGENTS)), []

    def choose(logits: Tensor, agent: int) -> Tensor:
        seen.append(logits)
        return actions[:, agent]

    assert torch.equal(decoder.decode(decoder.prepared(), representation, choose), actions)
    torch.testing.assert_close(torch.stack(seen, 1), decoder(actions, representation))


def test_an_agent_depends_on_the_actions_of_those_before_it_and_on_no_others() -> None:
    decoder = Decoder(6, AGENTS, WIDTH, layers=2, heads=1)
    scattered(decoder)
    representation = torch.randn(1, AGENTS, WIDTH, dtype=torch.double)
    actions = torch.zeros(1, AGENTS, dtype=torch.long)
    logits = decoder(actions, representation)
    for agent in range(AGENTS):
        other = actions.clone()
        other[0, agent] = 3
        same = (decoder(other, representation) == logits).all(-1)[0]
        assert same.tolist() == [earlier <= agent for earlier in range(AGENTS)]


def test_a_representation_depends_on_every_agents_observation() -> None:
    encoder = Encoder((4,), AGENTS, WIDTH, layers=1, heads=1)
    scattered(encoder)
    obs = torch.randn(1, AGENTS, 4, dtype=torch.double)
    other = obs.clone()
    other[0, 2, 0] += 1
    assert (encoder.representation(obs) != encoder.representation(other)).all(-1).all()


def build(env: type[Env], **settings: Any) -> tuple[Mat, SyncVectorEnv]:
    """A small learner and its copies of a probe."""
    small = {"num_envs": 3, "rollout_steps": 20, "embedding": 8, "epochs": 2} | settings
    copies = SyncVectorEnv(env, small["num_envs"])
    return Mat(MatConfig.model_validate(small), copies.spec, seed=0, device="cpu"), copies


def play(agent: Mat, copies: SyncVectorEnv, steps: int) -> None:
    """Show so many rows."""
    seeds = np.arange(copies.num_envs)
    step, memory = copies.reset(seeds), agent.start(copies.num_envs)
    for index in range(steps):
        actions, memory = agent.act(step, memory, np.random.default_rng(0), explore=True)
        agent.observe(step, actions)
        step = copies.step(actions, seeds + index)


def test_sampled_actions_are_decided_by_the_randomness_passed() -> None:
    agent, copies = build(Deaths)
    step = copies.reset(np.arange(3))
    draws = [
        agent.act(step, None, np.random.default_rng(k), explore=True)[0]
        for k in (0, 1, 2, 3, 0, 1, 2, 3)
    ]
    assert np.array_equal(draws[:4], draws[4:])
    assert len(np.unique(np.stack(draws), axis=0)) > 1


def test_actions_are_drawn_with_the_policys_probabilities() -> None:
    agent, copies = build(Deaths)
    scattered(agent.transformer)
    agent.transformer.float()
    step = copies.reset(np.arange(3))
    draws = np.stack(
        [agent.act(step, None, np.random.default_rng(k), explore=True)[0][0] for k in range(3000)]
    )
    pairs, counts = np.unique(draws, axis=0, return_counts=True)
    for pair, count in zip(pairs, counts, strict=True):
        batch = {
            "obs": torch.from_numpy(step.obs[:1]),
            "avail": torch.from_numpy(step.avail[:1]),
            "action": torch.from_numpy(pair)[None],
        }
        log_probs, _ = agent.evaluate(batch)
        chance = log_probs[0].gather(-1, torch.from_numpy(pair)[:, None]).sum().exp().item()
        spread = (chance * (1 - chance) / 3000) ** 0.5
        assert abs(count / 3000 - chance) < 5 * spread  # five standard deviations


def test_a_rollout_holds_real_transitions_of_the_host_and_no_others() -> None:
    agent, copies = build(Counting)
    play(agent, copies, 40)
    agent.rollout.note(agent.behaviour(agent.rollout.unnoted()))
    data = agent.rollout.take(["reward", "value", "last", "terminal"])
    time = data.now["obs"][..., 0]  # (T, E, A): the step of the episode
    assert np.array_equal(data.next["reward"], time + 1)
    seed = data.now["obs"][..., 0, 2]
    assert np.array_equal(data.next["last"], time[..., 0] + 1 == 3 + seed % 5)


@pytest.mark.parametrize("bootstrap", [False, True])
def test_only_a_time_out_depends_on_the_setting(bootstrap: bool) -> None:
    agent, copies = build(Counting, bootstrap_timeouts=bootstrap)
    play(agent, copies, 40)
    agent.rollout.note(agent.behaviour(agent.rollout.unnoted()))
    data = agent.rollout.take(["reward", "value", "last", "terminal"])
    before, value = agent.advantages(data)
    data.next["value"][data.next["last"]] += 1
    after, _ = agent.advantages(data)
    timeout = data.next["last"] & ~data.next["terminal"]
    assert timeout.any()
    assert data.next["terminal"].any()
    moved = (before != after)[..., 0].numpy()
    assert np.array_equal(moved[data.next["last"]], timeout[data.next["last"]] & bootstrap)
    assert value.shape == (20, 3, 2)


def test_dead_agents_count_for_the_value_but_not_for_the_policy() -> None:
    agent, copies = build(Deaths)
    play(agent, copies, 60)
    agent.rollout.note(agent.behaviour(agent.rollout.unnoted()))
    batch = weighed(agent.batch(agent.rollout.take(["reward", "value", "last", "terminal"])))
    dead = ~batch["alive"]
    assert dead.any()
    before = agent.loss(batch)[1]
    batch["advantage"][dead] += 100
    batch["log_prob"][dead] -= 5
    batch["target"][dead] += 100
    after = agent.loss(batch)[1]
    assert torch.equal(after["policy_loss"], before["policy_loss"])
    assert torch.equal(after["entropy"], before["entropy"])
    assert after["value_loss"] > before["value_loss"]


def test_images_are_learnt_from() -> None:
    agent, copies = build(Pixels, rollout_steps=4, num_envs=2)
    before = [p.clone() for p in agent.encoder.parameters()]
    play(agent, copies, 12)
    assert agent.update() is not None
    moved = [not torch.equal(*p) for p in zip(before, agent.encoder.parameters(), strict=True)]
    assert sum(moved) >= len(moved) - 1


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="embedding=10 must be a multiple of heads=3"):
        MatConfig(embedding=10, heads=3)
