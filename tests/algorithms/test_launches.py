"""What an update launches and waits for, held to stored numbers: counts, which no load moves.

Torch's own choice of kernels is in the numbers, so that a new version may move them a little; what
must not happen is that a change of ours moves them up unseen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from marlbench.host import load_catalogue
from marlbench.plugin import Agent
from marlbench.testing.launches import Launches, launches
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.testing.trial import Subject, Trial
from marlbench.toolbox import optimisers
from marlbench.toolbox.ppo import PPOBatch
from marlbench.vecenv.random_play import random_actions
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.config import Config
from marlbench_dmawm.imagination import advantages, imagine
from tests.algorithms.lockstep import Lockstep

CATALOGUE = load_catalogue()
MOST = {
    "dmawm": 3083,
    "ippo": 3588,
    "iql": 545,
    "mamba": 3586,
    "mappo": 3590,
    "mat": 1062,
    "mbvd": 1487,
    "qmix": 613,
    "vdn": 547,
}
"""Operations of one update with the preset `smoke`, as measured (torch 2.13, CPU)."""


def second_update(trial: Trial) -> Launches:
    """Count the second update, so that optimisers hold their state."""
    trial.learn(updates=1)
    metrics: list[object] = []
    while True:
        trial.move()
        found = launches(lambda: metrics.append(trial.agent.update()))
        if metrics[-1] is not None:
            return found


@pytest.mark.parametrize("name", CATALOGUE.algorithms)
def test_an_update_waits_for_nothing_but_its_metrics_and_launches_no_more(name: str) -> None:
    """`to_floats` is the one read: all metrics leave the device together, at the end."""
    found = second_update(Subject.of(CATALOGUE.algorithms[name], None).trial())
    assert dict(found.syncs) == {"tolist": 1}
    assert found.operations.total() <= MOST[name], found.operations.most_common(8)


def test_every_learner_has_a_number() -> None:
    assert sorted(CATALOGUE.algorithms) == sorted(MOST)


SIZES = Sizes(agents=5)
NARROW: dict[str, Any] = {
    "batch": 2, "deter": 16, "latents": 4, "classes": 4, "units": 16, "decoder_units": 16,
    "policy_units": 16, "bins": 21, "rollouts": 128, "warmup": 200, "buffer": 400,
}  # fmt: skip
"""Widths do not change what is launched: with these, `paper`'s loops take a second."""


MODEL_AND_IMAGINATION, PPO = 11_564, 1_270
"""Operations of one training step with `paper`'s loops, as measured (torch 2.13, CPU)."""


def test_dmawm_launches_no_more_at_papers_shapes() -> None:
    """64 steps, 16 imagined ones, 3 blocks, 5 epochs; the metrics are not yet read."""
    agent = Dmawm(Config(**NARROW), Synthetic(SIZES).spec, 0, "cpu")
    Lockstep(agent, SIZES, agent.config.num_envs).play_until(1)
    batch = agent.sample_batch()

    def model_and_imagination() -> PPOBatch:
        agent.train_model(batch)
        start, horizon = agent.imagination_start(batch), agent.config.horizon
        rollout = imagine(agent.model, agent.policy.actor, start, horizon, agent.generator)
        return rollout.batch(*advantages(agent.policy.critic, rollout, agent.config, agent.spec))

    data: list[PPOBatch] = []
    counted = launches(lambda: data.append(model_and_imagination()))
    ppo = launches(lambda: agent.policy.learn(data[0], agent.generator))
    assert not counted.syncs + ppo.syncs
    assert counted.operations.total() <= MODEL_AND_IMAGINATION, counted.operations.most_common(8)
    assert ppo.operations.total() <= PPO, ppo.operations.most_common(8)


class OnMeta(TorchFunctionMode):
    """Makes and draws everything on the device `meta`, for which torch has no generators."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, without a generator."""
        named = dict(kwargs or {})
        named.pop("generator", None)
        if named.get("device") is not None:
            named["device"] = "meta"
        return func(*args, **named)


class AnyGenerator(torch.Generator):
    """A CPU's generator wherever one is asked for, since there is none on `meta`."""

    def __new__(cls, device: str = "cpu") -> Any:
        """Give it."""
        return cls.__base__()  # type: ignore[misc]


def descent(weights: Iterable[torch.Tensor], lr: float = 1e-3, **_: object) -> torch.optim.SGD:
    """Give plain gradient descent in Adam's place, of which torch has no fused form on `meta`."""
    return torch.optim.SGD(weights, lr)


def learn(agent: Agent, trial: Trial) -> None:
    """Show an agent random play until it has learnt."""
    rng, step = np.random.default_rng(0), trial.step
    metrics = None
    while metrics is None:
        actions = random_actions(trial.env.spec, step, rng)
        agent.observe(step, actions)
        step = trial.env.step(actions, rng.integers(2**31, size=len(actions)))
        metrics = agent.update()


UNMEASURED = {"dmawm": {"small_rewards": 0.0}}
"""How large rewards are is read once a run, when the warm-up ends."""


@pytest.mark.parametrize("name", CATALOGUE.algorithms)
def test_an_update_runs_on_meta_up_to_its_metrics(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There every read raises, whatever it is called: the first is that of all metrics."""
    entry = CATALOGUE.algorithms[name]
    subject = Subject.of(entry, UNMEASURED.get(name))
    trial = subject.trial()
    monkeypatch.setattr(torch, "Generator", AnyGenerator)
    adam = optimisers.Adam
    for module in list(sys.modules.values()):  # of learners, which the trial has imported
        if vars(module).get("Adam") is adam:
            monkeypatch.setattr(module, "Adam", descent)
    agent = entry.build(subject.config(trial.env.num_envs), trial.env.spec, 1, "meta")
    with OnMeta(), pytest.raises(NotImplementedError, match="copy out of meta") as raised:
        learn(agent, trial)
    places = [each.name for each in raised.traceback if "marlbench" in str(each.path)]
    assert places[-1] == "to_floats"


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.sum()),
        lambda x: bool(x.any()),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x[x > 1],
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: torch.equal(x, x),
        lambda x: x.repeat_interleave(x.long()),
    ],
)
def test_every_way_to_wait_is_seen_once(read: Callable[[torch.Tensor], object]) -> None:
    assert launches(lambda: read(torch.tensor([1.0, 2.0]))).syncs.total() == 1


def test_an_upload_and_a_choice_of_rows_wait_for_nothing() -> None:
    x, index = torch.ones(3), torch.tensor([0, 2])
    counted = launches(lambda: x[index] + torch.where(x > 0, x, 0.0)[:2].view(2, 1))
    assert not counted.syncs
    assert counted.operations["index"] == counted.operations["add"] == 1
    assert counted.operations["view"] == 0  # launches no kernel
