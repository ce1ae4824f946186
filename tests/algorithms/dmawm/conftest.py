"""Small settings, a made-up batch and made-up steps that DMAWM's tests share."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from marlbench.plugin import EnvSpec, Step
from marlbench_dmawm.absorbing import Batch
from marlbench_dmawm.config import Config
from marlbench_dmawm.networks import Actor, Critic
from marlbench_dmawm.world_model import WorldModel


@pytest.fixture
def config() -> Config:
    return Config(
        num_envs=4,
        warmup=40,
        train_every=8,
        buffer=2000,
        batch=3,
        length=7,
        deter=16,
        latents=3,
        classes=4,
        units=12,
        policy_units=12,
        layers=2,
        heads=4,
        feedforward=2,
        decoder_units=10,
        bins=21,
        horizon=4,
        rollouts=9,
        epochs=2,
        minibatch=20,
        model_lr=1e-3,
        actor_lr=1e-3,
        critic_lr=1e-3,
    )


@pytest.fixture
def networks(config: Config, spec: EnvSpec) -> tuple[WorldModel, Actor, Critic]:
    """Untrained networks in float64 whose outputs are not nearly nothing."""
    torch.manual_seed(0)
    model, actor, critic = WorldModel(config, spec), Actor(config, spec), Critic(config, spec)
    for network in (model.environment.reward, critic.out, actor.out):
        weight = list(network.parameters())[-2]
        torch.nn.init.normal_(weight, std=0.3)
    return model.double(), actor.double(), critic.double()


@pytest.fixture
def batch(spec: EnvSpec, config: Config) -> Batch:
    """Random float64 windows: one has a row to leave out, one is joined of two episodes."""
    rng = np.random.default_rng(0)
    shape = (config.length, config.batch, spec.num_agents)
    avail = rng.random((*shape, spec.num_actions)) < 0.6
    avail[..., 1] = True
    cont = (rng.random(shape) < 0.9).astype(float)
    cont[4:, 1] = 0
    seen, told, joined = np.ones(shape), np.ones(shape), np.zeros(shape[:2], bool)
    joined[0], joined[3, 2] = True, True
    told[0, 1:] = 0  # the first window alone begins where its episode does
    seen[6, 1], told[6, 1] = 0, 0
    return Batch(
        obs=torch.from_numpy(3 * rng.standard_normal((*shape, *spec.obs_shape))),
        avail=torch.from_numpy(avail),
        reward=torch.from_numpy(5 * rng.standard_normal(shape)),
        cont=torch.from_numpy(cont),
        present=torch.from_numpy(cont),
        action=torch.from_numpy(rng.integers(0, spec.num_actions, shape)),
        seen=torch.from_numpy(seen),
        told=torch.from_numpy(told),
        among=torch.ones(shape, dtype=torch.bool),
        joined=torch.from_numpy(joined),
    )


@pytest.fixture
def steps(spec: EnvSpec) -> Callable[[int, int], Iterator[Step]]:
    """Make-believe play of E copies: deaths, ends and time-outs in episodes of 5 to 9 steps."""

    def play(num_envs: int, seed: int) -> Iterator[Step]:
        rng = np.random.default_rng(seed)
        age, life = np.zeros(num_envs, int), rng.integers(5, 10, num_envs)
        alive = np.ones((num_envs, spec.num_agents), bool)
        while True:
            first, last = age == 0, age == life - 1
            alive &= (rng.random(alive.shape) < 0.9) | first[:, None]
            avail = rng.random((*alive.shape, spec.num_actions)) < 0.5
            avail[..., 0], avail[..., 1] = ~alive, alive
            avail[~alive, 1:] = False
            obs = rng.standard_normal((*alive.shape, *spec.obs_shape)) * alive[..., None]
            reward = np.repeat(rng.standard_normal((num_envs, 1)), spec.num_agents, 1)
            yield Step(
                obs=obs.astype(np.float32),
                avail=avail,
                alive=alive.copy(),
                reward=(reward * ~first[:, None]).astype(np.float32),
                first=first,
                last=last,
                terminal=last & (rng.random(num_envs) < 0.5),
            )
            age = np.where(last, 0, age + 1)
            life = np.where(last, rng.integers(5, 10, num_envs), life)
            alive |= last[:, None]

    return play
