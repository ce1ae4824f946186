"""MAT's attention against plain attention, and its decoding against one pass."""

import pytest
import torch
from torch import Tensor

from marlbench_mat.attention import Attention, SymbolAttention
from marlbench_mat.networks import Decoder, Encoder

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
