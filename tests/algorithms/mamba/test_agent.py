"""The learner as the host knows it, and what its model is made of."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.latents import LatentState, class_rows
from marlbench_mamba import world_model
from marlbench_mamba.agent import Mamba
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.imagination import imagine
from marlbench_mamba.replay import Batch

Play = Callable[[int, int], Iterator[Step]]


def trained(
    config: MambaConfig, spec: EnvSpec, steps: Play, moments: int
) -> tuple[Mamba, list[dict[str, float]]]:
    agent, updates = Mamba(config, spec, 0, "cpu"), []
    policy_state = agent.start(config.num_envs)
    for step, _ in zip(steps(config.num_envs, 0), range(moments), strict=False):
        actions, policy_state = agent.act(
            step, policy_state, np.random.default_rng(0), explore=True
        )
        agent.observe(step, actions)
        if metrics := agent.update():
            updates.append(metrics)
    return agent, updates


def filled(config: MambaConfig, spec: EnvSpec, steps: Play, moments: int = 25) -> Mamba:
    """A learner that has seen steps enough and learnt nothing."""
    agent = Mamba(config, spec, 0, "cpu")
    for step, _ in zip(steps(config.num_envs, 0), range(moments), strict=False):
        agent.observe(step, step.avail.argmax(-1))
    return agent


def test_where_the_index_is_hidden_agents_that_know_the_same_come_to_the_same_state(
    config: MambaConfig, spec: EnvSpec
) -> None:
    for told, same in ((replace(spec, agent_index="hidden"), True), (spec, False)):
        agent = Mamba(config, told, 0, "cpu")
        before = agent.start(1)
        h = agent.model.next(before.h, before.z, before.action)  # (1, A, D)
        assert torch.allclose(h[:, 0], h[:, 1], atol=1e-7) == same  # sums of float32 in any order


def gradient_steps(agent: Mamba) -> tuple[int, int]:
    """Gradient steps of the model and of the actor, as Adam counts them."""
    both = (agent.optimiser, agent.policy.actor_optimiser)
    model, actor = (int(next(iter(adam.state.values()))["step"]) for adam in both)
    return model, actor


def ended(steps: Iterator[Step], moments: int) -> tuple[list[int], list[int]]:
    """Lengths of the episodes that end, and the moment at which each does."""
    found = [
        (int(length), moment)
        for step, moment in zip(steps, range(moments), strict=False)
        for length in step.obs[step.last][:, 0, 0]
    ]
    return [length for length, _ in found], [moment for _, moment in found]


def test_every_episode_is_learnt_from_once_the_replay_holds_enough(
    config: MambaConfig, spec: EnvSpec, steps: Play
) -> None:
    agent, updates = trained(config, spec, steps, moments=40)
    lengths, moments = ended(steps(4, 0), 40)
    rows = np.cumsum([length + 2 * (length % 2 == 0) for length in lengths])
    filled = moments[int(np.argmax(rows >= config.min_buffer))]  # copies end together
    assert agent.updates == sum(moment >= filled for moment in moments)
    assert all(np.isfinite(value) for metrics in updates for value in metrics.values())


def test_updates_may_be_counted_in_steps(config: MambaConfig, spec: EnvSpec, steps: Play) -> None:
    config = config.model_copy(update={"update_steps": 10, "min_buffer": 7})
    agent, _ = trained(config, spec, steps, moments=30)
    lengths, _ = ended(steps(4, 0), 30)
    assert len(agent.replay) > 7
    total = sum(lengths[1:])  # in these steps the first is shorter than `min_buffer`
    assert lengths[0] + 2 * (lengths[0] % 2 == 0) < 7
    assert agent.updates == total // 10


def test_the_paper_learns_so_often(spec: EnvSpec, steps: Play) -> None:
    """60 model and 4 agent updates after every episode from 500 steps on."""
    agent = Mamba(MambaConfig(buffer=1000, deter=8, hidden=8), spec, 0, "cpu")
    counts: dict[str, int] = {"model": 0, "agent": 0}

    def count(name: str) -> Any:
        def learn(batch: Any) -> dict[str, Any]:
            assert batch.reward.shape == (19, 40, 3)
            counts[name] += 1
            return {}

        return learn

    agent.train_model, agent.train_agent = count("model"), count("agent")  # type: ignore[method-assign]
    episodes, rows = 0, 0
    for step, _ in zip(steps(1, 0), range(700), strict=False):
        agent.observe(step, np.ones((1, 3), np.int64))
        if step.last[0]:
            length = int(step.obs[0, 0, 0])
            rows += length + 2 * (length % 2 == 0)
            episodes += rows >= 500
        agent.update()
    assert episodes > 10
    assert counts == {"model": 60 * episodes, "agent": 4 * episodes}


def test_agents_hear_each_other_when_they_play_and_when_they_imagine(
    config: MambaConfig, spec: EnvSpec, steps: Play
) -> None:
    agent = Mamba(config, spec, 0, "cpu")
    stream = steps(2, 1)
    policy_state = other = agent.start(2)
    for step, t in zip(stream, range(3), strict=False):
        obs = step.obs.copy()
        obs[:, 1:] += 10 * (t == 0)  # the others see something else, once
        _, policy_state = agent.act(step, policy_state, np.random.default_rng(0), explore=True)
        _, other = agent.act(replace(step, obs=obs), other, np.random.default_rng(0), explore=True)
    assert not torch.equal(policy_state.h[:, 0], other.h[:, 0])
    h, z = torch.randn(5, 3, config.deter), torch.randint(config.classes, (5, 3, config.latents))
    moved = z.clone()
    moved[:, 1:] = (z[:, 1:] + 1) % config.classes
    action = torch.zeros(5, 3, dtype=torch.long)
    after = [agent.model.next(h, x, action) for x in (z, moved)]
    first = [x[:, 0] for x in after]
    assert not torch.equal(*first)


def test_acting_takes_the_very_states_that_training_reconstructs(
    config: MambaConfig, spec: EnvSpec, steps: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An episode played, then given as a window: the same h (1e-5: float32, other products).

    A window begins with an action, but no h and no z before it: so does the play it is held to.
    """
    agent = Mamba(config, spec, 0, "cpu")
    model, transition = agent.model, agent.model.transition
    played = list(itertools.islice(steps(1, 2), 5))  # none but the first is a first step
    actions = torch.randint(5, (5, 1, 3), generator=torch.Generator().manual_seed(0))
    drawn = torch.randint(config.classes, (4, 1, 3, config.latents))
    nothing = torch.zeros(3, config.deter)
    with torch.no_grad():
        h = transition.step(nothing, class_rows(actions[0, 0, :, None], transition.weight_a))
        expected = [h]
        for z, action in zip(drawn, actions[1:], strict=True):
            before = LatentState(h[None], z, action)
            h = agent.filter(played[1], before, torch.zeros(1, 3, config.latents))[0][0]
            expected.append(h)
    flags = torch.zeros(5, 1)
    obs = torch.from_numpy(np.stack([step.obs for step in played]))  # (T, 1, A, O)
    batch = Batch(
        obs=obs, avail=torch.ones(5, 1, 3, 5, dtype=torch.bool), real=1 - flags, last=flags,
        action=actions, reward=torch.zeros(5, 1, 3), cont=1 - flags,
    )  # fmt: skip
    draws = iter(drawn.flatten(1, 2))
    monkeypatch.setattr(world_model, "sample_classes", lambda *_: next(draws))
    with torch.no_grad():
        states = model.observe(batch, torch.zeros(4, 1, 3, config.latents))
    torch.testing.assert_close(states.h[:, 0], torch.stack(expected), rtol=0, atol=1e-5)
    with torch.no_grad():
        inferred = model.infer(states.h[:-1], batch.obs[:-1])  # (T-1, 1, A, K, C)
    torch.testing.assert_close(states.probs, inferred, rtol=0, atol=1e-5)
    assert (states.h[1:] - states.h[:-1]).abs().amax() > 0.1  # they are not all alike


def test_a_first_step_forgets_what_came_before(
    config: MambaConfig, spec: EnvSpec, steps: Play
) -> None:
    agent = Mamba(config, spec, 0, "cpu")
    policy_state = agent.start(2)
    for step, _ in zip(steps(2, 4), range(3), strict=False):
        _, policy_state = agent.act(step, policy_state, np.random.default_rng(0), explore=True)
    anew = next(steps(2, 5))
    fresh = agent.start(2)
    actions, left = agent.act(anew, policy_state, np.random.default_rng(0), explore=True)
    again, right = agent.act(anew, fresh, np.random.default_rng(0), explore=True)
    np.testing.assert_array_equal(actions, again)
    assert torch.equal(left.h, right.h)


def test_dropout_is_for_model_updates_alone(
    config: MambaConfig, spec: EnvSpec, steps: Play
) -> None:
    """Drawn anew for every step by the agent's own generator, and never for the policy's sake."""
    config = config.model_copy(update={"dropout": 0.3})
    agent, given = filled(config, spec, steps), []

    def watch(_: object, received: tuple[Any, ...]) -> None:
        given.append(received[1])

    agent.model.transition.attention.register_forward_pre_hook(watch)
    everyones = torch.get_rng_state()
    agent.learn()
    assert torch.equal(torch.get_rng_state(), everyones)
    in_model_updates = config.model_updates * (config.length - 1)
    factors = [keep for keep in given[:in_model_updates] if keep is not None]
    assert len(factors) == in_model_updates
    assert len(torch.stack(factors).unique(dim=0)) == in_model_updates
    dropped = torch.stack(factors) == 0
    spread = (0.3 * 0.7 / dropped.numel()) ** 0.5
    assert abs(dropped.float().mean().item() - 0.3) <= 5 * spread  # five standard deviations
    of_the_policy = given[in_model_updates:]
    assert len(of_the_policy) == config.length - 1 + config.horizon - 1
    assert all(keep is None for keep in of_the_policy)


def test_every_update_of_model_and_policy_draws_a_batch_of_its_own(
    config: MambaConfig, spec: EnvSpec, steps: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config.model_copy(update={"model_updates": 3, "agent_updates": 2})
    agent = filled(config, spec, steps)
    learnt: list[tuple[str, bytes]] = []

    def watch(name: str) -> Callable[[Batch], dict[str, torch.Tensor]]:
        train = getattr(agent, name)

        def learn(batch: Batch) -> dict[str, torch.Tensor]:
            learnt.append((name, batch.obs.numpy().tobytes()))
            return train(batch)

        return learn

    for name in ("train_model", "train_agent"):
        monkeypatch.setattr(agent, name, watch(name))
    agent.learn()
    assert [name for name, _ in learnt] == ["train_model"] * 3 + ["train_agent"] * 2
    assert len({obs for _, obs in learnt}) == 5


def test_the_model_alone_learns_ahead_of_the_first_update_and_never_again(
    config: MambaConfig, spec: EnvSpec, steps: Play
) -> None:
    config = config.model_copy(update={"pretrain": 3, "num_envs": 1, "min_buffer": 7})
    agent = Mamba(config, spec, 0, "cpu")
    taken = {}  # by updates: gradient steps of the model, and of the actor
    for step, _ in zip(steps(1, 0), range(35), strict=False):
        agent.observe(step, step.avail.argmax(-1))
        agent.update()
        if agent.updates:
            taken[agent.updates] = gradient_steps(agent)
    assert len(taken) >= 3
    joint_states = (config.length - 2) * config.batch * (config.horizon - 1)
    assert joint_states == 36  # two minibatches
    assert taken == {n: (3 + 2 * n, 2 * config.epochs * n) for n in range(1, len(taken) + 1)}
    other = Mamba(config, spec, 0, "cpu")
    other.load(copy.deepcopy(agent.state()))
    other.learn()
    assert gradient_steps(other)[0] == gradient_steps(agent)[0] + 2


def test_the_gain_scales_the_actors_last_layer_and_nothing_else(
    config: MambaConfig, spec: EnvSpec
) -> None:
    plain, scaled = (
        Mamba(config.model_copy(update={"actor_gain": gain}), spec, 0, "cpu")
        for gain in (1.0, 0.25)
    )
    ours, theirs = plain.policy.actor.state_dict(), scaled.policy.actor.state_dict()
    for name, weight in ours.items():
        gain = 0.25 if name.startswith("out.") else 1.0
        assert weight.any()
        assert torch.equal(theirs[name], gain * weight), name
    for module, other in ((plain.model, scaled.model), (plain.policy.critic, scaled.policy.critic)):
        for pair in zip(module.parameters(), other.parameters(), strict=True):
            assert torch.equal(*pair)


def test_actions_are_drawn_with_the_policys_probabilities(
    config: MambaConfig, spec: EnvSpec, steps: Play
) -> None:
    """Of many copies of one first step, whose z differ in what is drawn for them."""
    config = config.model_copy(update={"deter": 4})
    agent = Mamba(config, spec, 0, "cpu")
    with torch.no_grad():
        agent.policy.actor.reader.weight_z.zero_()  # one policy whatever z is drawn
    step = next(steps(1, 6))
    names = ("obs", "avail", "alive", "reward", "first", "last", "terminal")
    copies: dict[str, Any] = {name: np.repeat(getattr(step, name), 20_000, 0) for name in names}
    many = replace(step, **copies)
    actions, policy_state = agent.act(
        many, agent.start(20_000), np.random.default_rng(0), explore=True
    )
    with torch.no_grad():
        avail = torch.from_numpy(step.avail)
        policy = agent.policy.actor(policy_state.h[:1], policy_state.z[:1], avail).exp()[
            0
        ]  # (A, U)
    for a in range(3):
        share = np.bincount(actions[:, a], minlength=5) / 20_000
        chance = policy[a].numpy()
        spread = np.sqrt(chance * (1 - chance) / 20_000)
        assert (np.abs(share - chance) <= 5 * spread).all()  # five standard deviations


def test_imagined_masks_are_drawn_as_likely_as_predicted(
    config: MambaConfig, spec: EnvSpec
) -> None:
    agent = Mamba(config, spec, 0, "cpu")
    h = torch.randn(1, 3, config.deter).expand(5000, -1, -1).contiguous()
    z = torch.zeros(5000, 3, config.latents, dtype=torch.long)
    rollout = imagine(agent.model, agent.policy.actor, (h, z), 2, agent.generator)
    with torch.no_grad():
        probs = torch.full((1, 3, config.latents, config.classes), 1 / config.classes)
        chance = agent.model.heads(h[:1], h[:1], z[:1], probs).avail.sigmoid()[0]  # (A, U)
    share = rollout.avail[0].float().mean(0)
    spread = (chance * (1 - chance) / 5000).sqrt()
    assert ((share - chance).abs() <= 5 * spread).all()  # five standard deviations
    taken = rollout.avail.gather(-1, rollout.action[..., None])[..., 0]
    assert (taken | ~rollout.avail.any(-1)).all()


def test_a_loaded_agent_goes_on_exactly(config: MambaConfig, spec: EnvSpec, steps: Play) -> None:
    agent, _ = trained(config, spec, steps, moments=25)
    other = Mamba(config, spec, 99, "cpu")
    other.seed = 0
    other.load(copy.deepcopy(agent.state()))
    policy_states = [agent.start(4), other.start(4)]
    for step, _ in zip(steps(4, 7), range(12), strict=False):
        results = []
        for k, learner in enumerate((agent, other)):
            actions, policy_states[k] = learner.act(
                step, policy_states[k], np.random.default_rng(0), explore=True
            )
            learner.observe(step, actions)
            results.append((actions.tolist(), learner.update()))
        assert results[0] == results[1]
    for ours, theirs in zip(agent.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_images_are_seen_and_drawn(config: MambaConfig, spec: EnvSpec, steps: Play) -> None:
    spec = replace(spec, obs_shape=(22, 26, 3), obs_dtype="uint8")
    rng = np.random.default_rng(0)

    def pictures(num_envs: int, seed: int) -> Iterator[Step]:
        for step in steps(num_envs, seed):
            yield replace(
                step, obs=rng.integers(256, size=(num_envs, 3, 22, 26, 3), dtype=np.uint8)
            )

    agent = Mamba(config, spec, 0, "cpu")
    before = [parameter.clone() for parameter in agent.model.parameters()]
    agent, updates = trained(config, spec, pictures, moments=25)
    assert updates
    moved = [not torch.equal(*p) for p in zip(before, agent.model.parameters(), strict=True)]
    assert sum(moved) >= len(moved) - 1


def test_the_transition_runs_once_per_step_and_never_for_a_reward(
    config: MambaConfig, spec: EnvSpec, steps: Play
) -> None:
    """T times over a batch of windows; once more between any two imagined states."""
    agent, _ = trained(config, spec, steps, moments=25)
    runs = 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    agent.model.transition.attention.register_forward_hook(count)
    agent.train_model(agent.batch())
    assert runs == config.length - 1
    agent.train_agent(agent.batch())
    assert runs == 2 * (config.length - 1) + config.horizon - 1


@pytest.mark.parametrize("wrong", [{"heads": 3}, {"min_buffer": 20}, {"buffer": 499}])
def test_sizes_that_do_not_fit_are_refused_before_a_run(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        MambaConfig(**wrong)
