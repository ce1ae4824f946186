"""What QMIX promises beyond its numbers: when it learns, what it remembers, what it refuses."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from marlbench.plugin import EnvSpec, Step
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.toolbox import utility as utility_module
from marlbench.toolbox.episodes import capacity
from marlbench.toolbox.value_learning import ValueAgent
from marlbench.vecenv.synchronous import stack
from marlbench_qmix import marlbench_algorithms
from marlbench_qmix.agent import Qmix
from marlbench_qmix.config import PRESETS, QmixConfig
from tests.algorithms.lockstep import Lockstep

SIZES = Sizes()
SMALL = QmixConfig(batch_episodes=4, replay_episodes=16, hidden=8, mixer_embed=4, mixer_hyper=8)


def built(config: QmixConfig = SMALL, sizes: Sizes = SIZES, seed: int = 0) -> ValueAgent[Qmix]:
    return ValueAgent(Qmix(config, Synthetic(sizes).spec, seed, "cpu"))


def scripted(lengths: list[int], reward: float = 1.0, **flags: bool) -> list[Step]:
    """One copy's steps: episodes of these lengths that end as the flags of the last step say."""
    steps = []
    for length in lengths:
        for t in range(length + 1):
            last = t == length
            crashed = np.array([last and flags.get("crashed", False)])
            steps.append(
                Step(
                    obs=np.full((1, 2, 3), t, np.float32),
                    avail=np.ones((1, 2, 4), bool),
                    alive=np.ones((1, 2), bool),
                    reward=np.full((1, 2), reward * (t > 0), np.float32),
                    first=np.array([t == 0]),
                    last=np.array([last]),
                    terminal=np.array([last and flags.get("terminal", False)]),
                    info={"crashed": crashed},
                )
            )
    return steps


def watcher(**settings: Any) -> ValueAgent[Qmix]:
    """An agent for `scripted` steps, with one episode per batch."""
    spec = EnvSpec(2, (3,), 4, 9, reward=settings.pop("reward", "team"))
    config = {"batch_episodes": 1, "replay_episodes": 8, **settings}
    return ValueAgent(Qmix(QmixConfig(**config), spec, 0, "cpu"))


ACTION = np.zeros((1, 2), np.int64)


def test_the_catalogue_offers_three_mixers_of_one_page() -> None:
    entries = {entry.name: entry for entry in marlbench_algorithms()}
    assert {name: dict(entry.defaults) for name, entry in entries.items()} == {
        "qmix": {},
        "vdn": {"mixer": "sum"},
        "iql": {"mixer": "none"},
    }
    for entry in entries.values():
        for preset in entry.presets.values():
            entry.config(**{**entry.defaults, **preset})  # every key is a setting


@pytest.mark.parametrize("mixer", ["monotonic", "sum", "none"])
@pytest.mark.parametrize(
    "sizes",
    [Sizes(), Sizes(state=None), Sizes(own_states=True), Sizes(agents=1), Sizes(agents=5)],
)
def test_every_mixer_learns_from_every_shape_of_task(mixer: Any, sizes: Sizes) -> None:
    agent = built(SMALL.model_copy(update={"mixer": mixer}), sizes)
    before = {name: weight.clone() for name, weight in agent.learner.online.state_dict().items()}
    for metrics in Lockstep(agent, sizes, num_envs=2).play_until(2):
        assert all(np.isfinite(value) for value in metrics.values())
    moved = {
        name
        for name, weight in agent.learner.online.state_dict().items()
        if (weight != before[name]).any()
    }
    assert moved == set(before)  # every weight has a gradient


def test_images_go_through_the_trunk_and_its_features_are_the_state() -> None:
    sizes = Sizes(obs_shape=(44, 44, 3), state=None, limit=3)
    agent = built(SMALL.model_copy(update={"batch_episodes": 2}), sizes)
    before = {name: weight.clone() for name, weight in agent.learner.online.state_dict().items()}
    assert agent.replay.ring["obs"].dtype == np.uint8
    Lockstep(agent, sizes, num_envs=2).play_until(1)
    after = agent.learner.online.state_dict()
    assert any((after[name] != before[name]).any() for name in after if "trunk" in name)
    assert after["mixer.hyper_b1.weight"].shape[1] == 2 * SMALL.image_features


def test_images_read_in_parts_give_the_same_values_and_gradients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = built(sizes=Sizes(obs_shape=(44, 44, 3), state=None))
    utility = agent.learner.online.utility
    images = torch.randint(0, 256, (5, 2, 44, 44, 3), dtype=torch.uint8)
    weights = torch.randn(5, 2, SMALL.image_features)
    gradients = []
    for at_once in (10, 4):
        monkeypatch.setattr(utility_module, "NUMBERS_AT_ONCE", at_once * 44 * 44 * 3)
        loss = (utility.embed(images) * weights).sum()
        gradients.append(torch.autograd.grad(loss, list(utility.trunk.parameters())))
    for whole, parts in zip(*gradients, strict=True):
        # float32: the same sums over images in another order
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)


def test_a_task_of_no_known_shape_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"observations of shape \(4, 4\): want \(features,\) or"):
        Qmix(SMALL, EnvSpec(2, (4, 4), 3, 5), 0, "cpu")


def test_actions_stay_available_and_the_dead_do_nothing() -> None:
    sizes = Sizes(agents=5, death=0.3)
    play = Lockstep(built(sizes=sizes), sizes, num_envs=3)
    for _ in range(60):  # the task asserts that actions are available
        play.play()


def test_acting_is_a_function_of_step_and_policy_state() -> None:
    agent, sizes = built(), Sizes()
    play = Lockstep(agent, sizes, num_envs=3)
    for _ in range(5):
        play.play()
    step, policy_state = stack(play.now), play.policy_state
    torch_state, numpy_state = torch.get_rng_state(), str(np.random.get_state())
    first, _ = agent.act(step, policy_state, np.random.default_rng(0), explore=True)
    agent.act(step, agent.start(3), np.random.default_rng(0), explore=False)
    second, after = agent.act(
        step, pickle.loads(pickle.dumps(policy_state)), np.random.default_rng(0), explore=True
    )
    np.testing.assert_array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert str(np.random.get_state()) == numpy_state
    draws = [
        agent.act(step, policy_state, np.random.default_rng(n), explore=True)[0] for n in range(20)
    ]
    assert len({draw.tobytes() for draw in draws}) > 1  # what is drawn is what was passed
    np.testing.assert_array_equal(after.action, second)


def test_a_first_step_forgets_the_episode_before() -> None:
    agent, sizes = built(), Sizes()
    play = Lockstep(agent, sizes, num_envs=2)
    for _ in range(4):
        play.play()
    step = stack(play.now)
    begin = replace(step, first=np.array([True, False]))
    _, fresh = agent.act(begin, agent.start(2), np.random.default_rng(0), explore=False)
    _, after = agent.act(begin, play.policy_state, np.random.default_rng(0), explore=False)
    np.testing.assert_array_equal(after.hidden[0], fresh.hidden[0])
    assert (after.hidden[1] != fresh.hidden[1]).any()


def test_epsilon_falls_with_the_env_steps_that_were_seen() -> None:
    agent = watcher(epsilon_anneal_steps=10)
    seen = {0: agent.epsilon}
    for step in scripted([5, 5, 5]):
        agent.observe(step, ACTION)
        seen[agent.env_steps] = agent.epsilon
    found = [seen[steps] for steps in (0, 5, 10, 15)]
    np.testing.assert_allclose(found, [1.0, 0.525, 0.05, 0.05], rtol=1e-12)  # float64


def test_updates_come_by_finished_episodes_from_the_first_full_batch_on() -> None:
    agent = watcher(batch_episodes=4, episodes_per_update=2)
    learnt = []
    for step in scripted([1] * 9):
        agent.observe(step, ACTION)
        if agent.update():
            learnt.append(agent.replay.written)
    assert learnt == [4, 6, 8]


def test_a_fraction_of_an_episode_per_update_gives_several_updates() -> None:
    agent = watcher(batch_episodes=2, episodes_per_update=0.25)
    updates = {0: 0}  # by finished episodes, as Adam counts them
    for step in scripted([1] * 4):
        agent.observe(step, ACTION)
        agent.update()
        adam = next(iter(agent.learner.optimiser.state.values()), {"step": 0})
        updates[agent.replay.written] = int(adam["step"])
    assert updates == {0: 0, 1: 0, 2: 1, 3: 5, 4: 9}


def test_target_networks_are_copied_every_so_many_episodes() -> None:
    agent = watcher(episodes_per_update=1, target_update_episodes=3)
    copied = []
    for step in scripted([2] * 7, terminal=True):
        agent.observe(step, ACTION)
        if agent.update():
            online, target = agent.learner.online.state_dict(), agent.learner.target.state_dict()
            if all(torch.equal(online[name], target[name]) for name in online):
                copied.append(agent.replay.written)
    assert copied == [3, 6]


def test_an_end_bootstraps_nothing_and_a_time_out_does() -> None:
    targets = {}
    for terminal in (True, False):
        agent = watcher()
        for step in scripted([3], terminal=terminal):
            agent.observe(step, ACTION)
        batch = agent.batch(agent.replay.packed(np.arange(1)))
        assert (batch.discount[:, 0, 0] == 0).tolist() == [False, False, terminal]
        inputs = agent.learner.online.utility.inputs(batch.obs, batch.last_action)
        q = agent.learner.online.utility.unroll(inputs, batch.sizes).detach()
        targets[terminal] = agent.learner.targets(batch, inputs, q)[-1].item()
    assert targets[True] == 1.0  # the last reward alone
    assert targets[False] != 1.0


def test_a_crash_cuts_the_episode_before_the_step_that_was_never_answered() -> None:
    agent = watcher()
    for step in scripted([4], crashed=True):
        agent.observe(step, ACTION)
    episodes = agent.replay.packed(np.arange(1))
    assert episodes.length.tolist() == [3]
    assert not episodes.terminal[0]
    assert agent.env_steps == 3
    for step in scripted([1], crashed=True):
        agent.observe(step, ACTION)
    assert agent.replay.written == 1  # nothing is left of a crash at the first step


def test_individual_rewards_are_summed_and_a_team_reward_counts_once() -> None:
    for kind, expected in (("individual", 2.0), ("team", 1.0)):
        agent = watcher(reward=kind)
        for step in scripted([2]):
            agent.observe(step, ACTION)
        batch = agent.batch(agent.replay.packed(np.arange(1)))
        assert batch.reward.flatten().tolist() == [expected, expected]


def test_rewards_belong_to_the_action_before_them() -> None:
    agent = watcher()
    for t, step in enumerate(scripted([3])):
        marked = replace(step, reward=np.full((1, 2), 10.0 * t, np.float32))
        agent.observe(marked, np.full((1, 2), t % 4))
    batch = agent.batch(agent.replay.packed(np.arange(1)))
    assert batch.reward[:, 0, 0].tolist() == [10.0, 20.0, 30.0]
    assert batch.action[batch.steps, 0].tolist() == [0, 1, 2]
    assert batch.last_action[:, 0].tolist() == [4, 0, 1, 2]  # 4: none


def test_independent_learners_learn_each_from_its_own_value() -> None:
    agent = watcher(mixer="none")
    for step in scripted([3, 2]):
        agent.observe(step, ACTION)
    batch = agent.batch(agent.replay.packed(np.arange(2)))
    inputs = agent.learner.online.utility.inputs(batch.obs, batch.last_action)
    q = agent.learner.online.utility.unroll(inputs, batch.sizes).detach()
    assert agent.learner.targets(batch, inputs, q).shape == (5, 2)
    chosen = q.gather(-1, batch.action[..., None]).squeeze(-1)[batch.steps]
    error = chosen - agent.learner.targets(batch, inputs, q)
    loss, _ = agent.learner.loss(batch)
    # float32, the same mean in another order
    assert loss.item() == pytest.approx(0.5 * error.square().mean().item(), rel=1e-6)


@pytest.mark.parametrize("sizes", [Sizes(), Sizes(obs_shape=(44, 44, 3), state=None, limit=4)])
def test_a_loaded_agent_goes_on_exactly(sizes: Sizes) -> None:
    config = SMALL.model_copy(update={"batch_episodes": 2, "target_update_episodes": 3})
    play = Lockstep(built(config, sizes), sizes, num_envs=2)
    play.play_until(2)
    twin = Lockstep(built(config, sizes, seed=9), sizes, num_envs=2)
    twin.agent.load(play.agent.state())
    twin.envs, twin.now, twin.policy_state, twin.seeds, twin.rng = pickle.loads(
        pickle.dumps((play.envs, play.now, play.policy_state, play.seeds, play.rng))
    )
    assert play.play_until(3) == twin.play_until(3)
    ours, theirs = play.agent.learner.online.state_dict(), twin.agent.learner.online.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_seed_alone_decides_the_weights() -> None:
    weights = [built(seed=seed).learner.online.state_dict() for seed in (0, 0, 1)]
    name = "utility.input.weight"
    assert torch.equal(weights[0][name], weights[1][name])
    assert not torch.equal(weights[0][name], weights[2][name])


def test_the_replay_is_capped_by_bytes_and_must_hold_a_batch() -> None:
    spec = EnvSpec(7, (44, 44, 3), 8, 1000, obs_dtype="uint8")
    episode = 1001 * (7 * 44 * 44 * 3 + 7 * 8 + 7 * 2 + 4)  # obs, avail, action, reward
    for gib in (24.0, 6.0):
        assert capacity(spec, 5000, gib, least=128) == int(gib * 2**30) // episode
    assert capacity(EnvSpec(3, (30,), 9, 60), 5000, 24.0, least=128) == 5000
    with pytest.raises(ValueError, match="holds 26 episodes of this task, fewer than batch"):
        ValueAgent(Qmix(QmixConfig(replay_gib=1.0), spec, 0, "cpu"))


def test_smoke_learns_within_its_first_evaluation_interval() -> None:
    sizes = Sizes(end=0.0, death=0.0, limit=100)
    agent = built(QmixConfig(**PRESETS["smoke"]), sizes)
    play = Lockstep(agent, sizes, agent.config.num_envs)
    play.play_until(1)
    assert agent.env_steps <= 300
