"""The learner as the host knows it: schedule, decentralised acting, exact resume."""

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.ppo import ImaginedRollout
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.config import Config
from marlbench_dmawm.imagination import Start, imagine
from marlbench_dmawm.networks import Actor
from marlbench_dmawm.world_model import WorldModel

Play = Callable[[int, int], Iterator[Step]]


def trained(
    config: Config, spec: EnvSpec, steps: Play, moments: int
) -> tuple[Dmawm, list[dict[str, float]]]:
    agent, policy_state, updates = Dmawm(config, spec, 0, "cpu"), None, []
    policy_state = agent.start(config.num_envs)
    for step, _ in zip(steps(config.num_envs, 0), range(moments), strict=False):
        actions, policy_state = agent.act(
            step, policy_state, np.random.default_rng(0), explore=True
        )
        agent.observe(step, actions)
        if metrics := agent.update():
            updates.append(metrics)
    return agent, updates


def test_one_training_step_per_so_many_env_steps_behind_the_warm_up(
    config: Config, spec: EnvSpec, steps: Play
) -> None:
    agent, updates = trained(config, spec, steps, moments=40)
    due = (agent.env_steps - config.warmup) // config.train_every + 1
    assert agent.updates == len(updates) == due
    assert all(np.isfinite(value) for metrics in updates for value in metrics.values())


def test_the_paper_trains_12344_times(spec: EnvSpec) -> None:
    """One per 32 env steps behind 5000 of 400 000, the first at the 5000th."""
    agent = Dmawm(Config(deter=8, units=8, decoder_units=8, buffer=100), spec, 0, "cpu")
    for env_steps, due in ((4999, 0), (5000, 1), (5031, 1), (5032, 2), (400_000, 12_344)):
        agent.env_steps = env_steps
        assert agent.due == due


def test_last_steps_are_no_env_steps(config: Config, spec: EnvSpec, steps: Play) -> None:
    agent, _ = trained(config, spec, steps, moments=15)
    stream = zip(steps(config.num_envs, 0), range(15), strict=False)
    assert agent.env_steps == sum(int((~step.last).sum()) for step, _ in stream)


@pytest.mark.parametrize("explore", [True, False])
def test_an_agents_actions_and_states_are_bit_identical_whatever_the_others_see(
    config: Config, spec: EnvSpec, steps: Play, explore: bool
) -> None:
    agent, _ = trained(config, spec, steps, moments=30)
    rng = np.random.default_rng(0)
    policy_state = other_state = agent.start(8)
    for step, _ in zip(steps(8, 1), range(12), strict=False):
        obs = step.obs.copy()
        obs[:, 1:] = 100 * rng.standard_normal(obs[:, 1:].shape)
        actions, policy_state = agent.act(step, policy_state, np.random.default_rng(0), explore)
        other, other_state = agent.act(
            replace(step, obs=obs), other_state, np.random.default_rng(0), explore
        )
        np.testing.assert_array_equal(actions[:, 0], other[:, 0])
        assert torch.equal(policy_state.h[:, 0], other_state.h[:, 0])
        avail = torch.from_numpy(step.avail)
        ours = agent.policy.actor(policy_state.h, policy_state.z, avail).log_probs
        theirs = agent.policy.actor(other_state.h, other_state.z, avail).log_probs
        assert torch.equal(ours[:, 0], theirs[:, 0])  # the whole distribution
        assert not torch.equal(policy_state.h[:, 1], other_state.h[:, 1]) or step.first.all()


def test_acting_takes_the_very_states_that_training_reconstructs(
    config: Config, spec: EnvSpec, steps: Play
) -> None:
    """From an episode's first step on: same h as `observe` gives, for the same samples."""
    agent = Dmawm(config, spec, 0, "cpu")
    stream = steps(2, 3)
    episode = [next(stream) for _ in range(5)]
    policy_state, states = agent.start(2), []
    for step in episode:
        _, policy_state = agent.act(step, policy_state, np.random.default_rng(0), explore=True)
        states.append(policy_state)
    module = agent.model.agent
    h = module.first_state().expand(2, spec.num_agents, -1)
    for before, after in itertools.pairwise(states):
        torch.testing.assert_close(before.h, h)
        h = module.next(before.h, before.z, before.action)
        torch.testing.assert_close(after.h, h)


def test_a_first_step_forgets_what_came_before(config: Config, spec: EnvSpec, steps: Play) -> None:
    agent = Dmawm(config, spec, 0, "cpu")
    policy_state = agent.start(2)
    for step, _ in zip(steps(2, 4), range(6), strict=False):
        _, policy_state = agent.act(step, policy_state, np.random.default_rng(0), explore=True)
    anew = next(steps(2, 5))
    fresh = agent.start(2)
    actions, left = agent.act(anew, policy_state, np.random.default_rng(0), explore=True)
    again, right = agent.act(anew, fresh, np.random.default_rng(0), explore=True)
    np.testing.assert_array_equal(actions, again)
    assert torch.equal(left.h, right.h)


def test_a_loaded_agent_goes_on_exactly(config: Config, spec: EnvSpec, steps: Play) -> None:
    agent, _ = trained(config, spec, steps, moments=25)
    other = Dmawm(config, spec, 99, "cpu")
    other.seed = 0
    other.load(copy.deepcopy(agent.state()))
    states = [agent.start(config.num_envs), other.start(config.num_envs)]
    for step, _ in zip(steps(config.num_envs, 7), range(12), strict=False):
        results = []
        for k, learner in enumerate((agent, other)):
            actions, states[k] = learner.act(
                step, states[k], np.random.default_rng(0), explore=True
            )
            learner.observe(step, actions)
            results.append((actions.tolist(), learner.update()))
        assert results[0] == results[1]
    for ours, theirs in zip(agent.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_mean_picture_of_the_warm_up_is_kept_and_saved(
    config: Config, spec: EnvSpec, steps: Play
) -> None:
    config = config.model_copy(update={"centre_images": True})
    images = replace(spec, obs_shape=(24, 20, 3), obs_dtype="uint8")
    agent, other = (Dmawm(config, images, seed, "cpu") for seed in (0, 99))
    rng, stored = np.random.default_rng(0), []
    for step, _ in zip(steps(config.num_envs, 0), range(22), strict=False):
        seen = rng.integers(256, size=(*step.alive.shape, *images.obs_shape), dtype=np.uint8)
        agent.observe(replace(step, obs=seen), step.avail.argmax(-1))
        stored.append(seen * step.alive[..., None, None, None])  # what is gone is black
        if agent.update() is not None:
            break
    module, mean = agent.model.agent, np.mean(stored, (0, 1, 2)) / 255
    # float32 keeps 24 bits of float64 means within [0, 1]
    np.testing.assert_allclose(module.mean_image, mean, atol=1e-7)
    obs = torch.from_numpy(stored[3][:1])  # (1, A, *O)
    torch.testing.assert_close(module.target(obs), (obs / 255 - module.mean_image))
    assert agent.update() is None, "what comes later does not move it"
    other.load(copy.deepcopy(agent.state()))
    assert torch.equal(other.model.agent.mean_image, module.mean_image)
    assert torch.equal(other.model.agent.embed(obs), module.embed(obs))
    for _ in range(3):
        ours, theirs = (
            {name: float(value) for name, value in learner.train().items()}
            for learner in (agent, other)
        )
        assert ours == theirs


def test_fewer_rollouts_are_drawn_among_states_with_an_agent_left(
    config: Config, spec: EnvSpec, steps: Play
) -> None:
    agent, _ = trained(config, spec, steps, moments=25)
    for _ in range(20):
        start = agent.imagination_start(agent.sample_batch())
        assert len(start.h) == config.rollouts
        assert (start.weight.amax(-1) > 0).all()


def test_as_many_rollouts_as_rows_are_the_batch_itself(
    config: Config, spec: EnvSpec, steps: Play
) -> None:
    config = config.model_copy(update={"rollouts": config.batch * config.length})
    agent, _ = trained(config, spec, steps, moments=25)
    batch, before = agent.sample_batch(), agent.generator.get_state()
    start = agent.imagination_start(batch)
    agent.generator.set_state(before)
    states = agent.encode(batch)
    assert torch.equal(start.h, states.h.detach().flatten(0, 1))
    assert torch.equal(start.avail, batch.avail.flatten(0, 1))
    left = batch.present.any(-1, keepdim=True).expand_as(batch.present)
    assert torch.equal(start.weight, (batch.seen * left).flatten(0, 1))


def test_rollouts_begin_at_what_the_trained_model_makes_of_the_batch(
    config: Config, spec: EnvSpec, steps: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a learning rate of 1e-3 and more the states before the gradient step are other ones."""
    rows = config.batch * config.length
    agent, _ = trained(config.model_copy(update={"rollouts": rows}), spec, steps, moments=25)
    starts: list[Start] = []

    def watched(model: WorldModel, actor: Actor, start: Start, *rest: Any) -> ImaginedRollout:
        starts.append(start)
        return imagine(model, actor, start, *rest)

    monkeypatch.setattr("marlbench_dmawm.agent.imagine", watched)
    before = agent.model.agent.first_state()
    agent.train()
    after = agent.model.agent.first_state()
    h = starts[0].h[0, 0]  # of a window's first row
    torch.testing.assert_close(h, after)
    assert (h - before).abs().max() > 1e-4  # Adam's first steps are about the rate of 1e-3


def test_a_run_that_moves_between_devices_goes_on_with_new_draws(
    config: Config, spec: EnvSpec, steps: Play
) -> None:
    agent, _ = trained(config, spec, steps, moments=12)
    state = agent.state() | {"generator": ("cuda", torch.zeros(16, dtype=torch.uint8))}
    first, second = Dmawm(config, spec, 0, "cpu"), Dmawm(config, spec, 0, "cpu")
    for learner in (first, second):
        learner.load(copy.deepcopy(state))
    ours, theirs = (torch.rand(3, generator=learner.generator) for learner in (first, second))
    assert torch.equal(ours, theirs)
