"""MAPPO where its rows meet the host's: ends, time-outs, deaths, cuts, and what acting knew."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import Env, EnvSpec, Step
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.toolbox.rollout import Stream
from marlbench.vecenv.synchronous import SyncVectorEnv, cut
from marlbench_mappo.agent import Mappo
from marlbench_mappo.config import MappoConfig
from marlbench_probe.clocks import Counting, Deaths, TimeOut
from marlbench_probe.pixels import Pixels
from tests.algorithms.on_policy import collected, insist_on_real_transitions


def build(env: type[Env], **settings: Any) -> tuple[Mappo, SyncVectorEnv]:
    """A small learner and its copies of a probe."""
    small = {"num_envs": 3, "rollout_steps": 20, "hidden": 8, "epochs": 2} | settings
    copies = SyncVectorEnv(env, small["num_envs"])
    return Mappo(MappoConfig.model_validate(small), copies.spec, seed=0, device="cpu"), copies


def play(
    agent: Mappo, copies: SyncVectorEnv, steps: int
) -> list[tuple[Step, Tensor, NDArray[np.int64]]]:
    """Show so many rows; each with the policy's state before it and the actions taken."""
    seeds = np.arange(copies.num_envs)
    step, policy_state, shown = copies.reset(seeds), agent.start(copies.num_envs), []
    for index in range(steps):
        actions, after = agent.act(step, policy_state, np.random.default_rng(0), explore=True)
        agent.observe(step, actions)
        shown.append((step, policy_state, actions))
        step, policy_state = copies.step(actions, seeds + index), after
    return shown


class OwnStates(Synthetic):
    """Gives each agent a state of its own, and only the last one's has the time in it."""

    def __init__(self) -> None:
        super().__init__(Sizes(state=3, own_states=True, limit=50, death=0.0, end=0.0))

    def _draw_state(self) -> NDArray[np.float32]:
        return np.array([[0, 0, 0], [1, 1, self._time]], np.float32)


def test_a_critic_sees_its_own_agents_state_and_no_other() -> None:
    agent, copies = build(OwnStates)
    play(agent, copies, 21)
    data = collected(agent)
    batch = agent.sequences(data)
    view = batch.view.view(10, 3, 2, 2, 3)  # (L, E, C, T / L, S)
    assert not view[:, :, 0].any()
    assert (view[:, :, 1, :, :2] == 1).all()
    assert view[..., 0, 1, 0, 2].tolist() == list(range(10))  # of the first copy's last agent
    assert batch.obs.shape[:3] == (10, 3 * 2 * 2, 1)  # L, E * C * T / L, G
    played = torch.from_numpy(data.now["obs"][:10, :, 1])  # (L, E, O) of the last agent
    assert torch.equal(batch.obs.view(10, 3, 2, 2, -1)[:, :, 1, 0], played)
    assert agent.train(batch).keys() >= {"value_loss"}


@pytest.mark.parametrize("settings", [{}, {"central_value": False}, {"recurrent": False}])
def test_behaviour_is_what_acting_knew(settings: dict[str, Any]) -> None:
    agent, copies = build(Deaths, **settings)
    shown = play(agent, copies, 15)
    before = agent.rollout.unnoted()
    notes = agent.behaviour({name: rows[:9] for name, rows in before.items()})
    later = agent.behaviour({name: rows[9:] for name, rows in before.items()})
    notes = {name: torch.cat([notes[name], later[name]]) for name in notes}
    for index, (step, policy_state, actions) in enumerate(shown):
        keep = torch.from_numpy(~step.first)
        obs, avail = torch.from_numpy(step.obs)[None], torch.from_numpy(step.avail)[None]
        logits, _ = agent.actor(obs.flatten(1, 2), keep[None].repeat_interleave(2, 1), policy_state)
        masked = logits[0].view(avail[0].shape).masked_fill(~avail[0], -torch.inf)
        log_prob = masked.log_softmax(-1).gather(-1, torch.from_numpy(actions)[..., None])
        # one pass over many rows sums in another order than many passes: float32 rounding
        np.testing.assert_allclose(notes["log_prob"][index], log_prob[..., 0].detach(), atol=1e-6)
        state = notes["actor_state"][index].reshape(policy_state.shape)
        np.testing.assert_allclose(state, policy_state, atol=1e-6)


def test_sampled_actions_are_decided_by_what_is_passed() -> None:
    agent, copies = build(Deaths)
    for step, policy_state, actions in play(agent, copies, 12):
        assert np.array_equal(
            agent.act(step, policy_state, np.random.default_rng(0), explore=True)[0], actions
        )
    again = [
        agent.act(step, policy_state, np.random.default_rng(k), explore=True)[0] for k in range(50)
    ]
    assert len(np.unique(np.stack(again), axis=0)) > 1


def stream(rewards: list[float], ends: str, reached: list[float]) -> Stream:
    """One copy, one agent: `.` goes on, `D` real end, `T` time-out, `X` cut by a crash.

    The value of the row at t is t + 1, in normalised units; of the rows reached as given.
    """
    marks = np.array(list(ends))[:, None]  # (T, 1)
    goes_on = marks == "."
    goes_on[-1] = False
    value = np.arange(1.0, len(ends) + 1, dtype=np.float32)[:, None, None]  # (T, 1, 1)
    after = {
        "reward": np.array(rewards, np.float32)[:, None, None],
        "last": (marks == "D") | (marks == "T"),
        "terminal": marks == "D",
    }
    noted = {"value": torch.from_numpy(value)}
    reached_values = torch.tensor(reached)[:, None, None]  # (T, 1, 1)
    return Stream({}, after, noted, {"value": reached_values}, goes_on)


@pytest.mark.parametrize("bootstrap", [False, True])
def test_advantages_by_hand_at_every_kind_of_border(bootstrap: bool) -> None:
    spec = EnvSpec(num_agents=1, obs_shape=(2,), num_actions=2, episode_limit=9)
    settings = {"rollout_steps": 10, "gamma": 0.5, "gae_lambda": 0.5}
    config = MappoConfig(bootstrap_timeouts=bootstrap, **settings)
    agent = Mappo(config, spec, seed=0, device="cpu")
    agent.value_norm.weight.fill_(1.0)
    agent.value_norm.mean_square.fill_(1.0)  # mean 0, deviation 1: values are in units of reward
    data = stream([1, 2, 3, 4, 5, 6], ".DT.X.", [2, 100, 100, 5, 100, 100])
    advantage, value = agent.advantages(data)
    timeout = 50.0 if bootstrap else 0.0
    expected = [
        1 + 0.5 * 2 - 1 + 0.25 * 0,  # the next advantage is 0
        2 - 2,  # a death is worth nothing
        3 + timeout - 3,
        4 + 0.5 * 5 - 4 + 0.25 * 50,
        5 + 0.5 * 100 - 5,  # a crash is no end: what the row was worth
        6 + 0.5 * 100 - 6,  # nor is the end of the rollout
    ]
    assert advantage.flatten().tolist() == expected
    assert value.flatten().tolist() == [1, 2, 3, 4, 5, 6]


def test_a_rollout_holds_real_transitions_of_the_host_and_no_others() -> None:
    agent, copies = build(Counting)
    play(agent, copies, 40)
    data = collected(agent)
    insist_on_real_transitions(data)
    assert (data.now["state"][..., 0] == data.now["obs"][..., 0, 0]).all()  # the time


def test_a_crash_is_no_transition() -> None:
    agent, copies = build(TimeOut, num_envs=1)
    step = copies.reset(np.zeros(1, int))
    actions = np.zeros((1, 2), int)
    agent.observe(step, actions)
    agent.observe(copies.step(actions, np.zeros(1, int)), actions)
    assert agent.rollout.complete.tolist() == [1]
    agent.observe(cut_all(copies, step), actions)
    assert agent.rollout.complete.tolist() == [1]


def cut_all(copies: SyncVectorEnv, step: Step) -> Step:
    """The row by which the host says that a copy crashed."""
    row = cut(copies._now[0])
    fields = ("obs", "avail", "alive", "reward", "state")
    flags = {name: np.array([getattr(row, name)]) for name in ("first", "last", "terminal")}
    arrays = {name: np.asarray(getattr(row, name))[None] for name in fields}
    return Step(**arrays, **flags, info={"crashed": np.ones(1, bool)})


def test_dead_agents_count_for_the_value_but_not_for_the_policy() -> None:
    agent, copies = build(Deaths)
    play(agent, copies, 60)
    batch = agent.sequences(collected(agent))
    dead = ~batch.alive
    assert dead.any()
    policy, _ = agent.policy_loss(batch)
    value = agent.value_loss(batch)
    batch.advantage[dead] += 100
    batch.log_prob[dead] -= 5
    batch.target[dead] += 100
    torch.testing.assert_close(agent.policy_loss(batch)[0], policy, rtol=0, atol=0)
    assert agent.value_loss(batch) > value


def test_chunks_keep_every_stream_in_order() -> None:
    agent, copies = build(Counting, chunk=5)
    play(agent, copies, 40)
    data = collected(agent)
    batch = agent.sequences(data)
    assert batch.obs.shape == (5, 3 * 4, 2, 3)  # L, E * T / L, A, O
    for copy in range(3):
        for piece in range(4):
            ours = batch.obs[:, copy * 4 + piece].numpy()
            assert np.array_equal(ours, data.now["obs"][piece * 5 : piece * 5 + 5, copy])
            kept = batch.actor_state[0, copy * 4 + piece].numpy()
            assert np.array_equal(kept, data.noted["actor_state"][piece * 5, copy].numpy())


@pytest.mark.parametrize("central_value", [True, False])
def test_images_are_learnt_from(central_value: bool) -> None:
    settings = {"rollout_steps": 4, "chunk": 2, "num_envs": 2, "central_value": central_value}
    agent, copies = build(Pixels, **settings)
    assert copies.spec.obs_dtype == "uint8"
    before = [p.clone() for network in (agent.actor, agent.critic) for p in network.parameters()]
    play(agent, copies, 12)
    assert agent.update() is not None
    after = [p for network in (agent.actor, agent.critic) for p in network.parameters()]
    assert not any(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_minibatches_use_every_chunk_once() -> None:
    agent, copies = build(Counting, minibatches=2, chunk=5)
    play(agent, copies, 40)
    batch = agent.sequences(collected(agent))
    parts = list(agent.minibatches(batch))
    assert [len(part) for part in parts] == [6, 6]
    together = torch.cat([part.target for part in parts], 1).flatten().sort().values
    assert torch.equal(together, batch.target.flatten().sort().values)


def test_a_chunk_that_does_not_divide_the_rollout_is_refused() -> None:
    with pytest.raises(ValueError, match="rollout_steps=30 must be a multiple of chunk=7"):
        MappoConfig(rollout_steps=30, chunk=7)
    MappoConfig(rollout_steps=30, chunk=7, recurrent=False)
