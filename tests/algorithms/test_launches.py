"""What an update launches and waits for, held to stored numbers: counts, which no load moves.

Torch's own choice of kernels is in the numbers, so that a new version may move them a little; what
must not happen is that a change of ours moves them up unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from marlbench.host import load_catalogue
from marlbench.testing.launches import Launches, launches
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.testing.trial import Subject, Trial
from marlbench.toolbox.ppo import PPOBatch
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


class NoiseOnMeta(TorchFunctionMode):
    """Makes on the device `meta` what is drawn, and what is made where a generator is.

    Torch has no generators for it.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, without a generator."""
        named = dict(kwargs or {})
        named.pop("generator", None)
        if "device" in named:
            named["device"] = "meta"
        return func(*args, **named)


@pytest.mark.parametrize("name", ["dmawm", "mamba"])
def test_a_training_step_runs_on_meta_where_every_read_raises(name: str) -> None:
    """So nothing in it waits for numbers, whatever it would call to read them.

    Plain gradient descent stands for Adam, of which torch has no fused form there.
    """
    trial = Subject.of(CATALOGUE.algorithms[name], None).trial()
    trial.learn(updates=1)
    agent: Any = trial.agent
    for owner, network, optimiser in (
        (agent, "model", "optimiser"),
        (agent.policy, "actor", "actor_optimiser"),
        (agent.policy, "critic", "critic_optimiser"),
    ):
        moved = getattr(owner, network).to("meta")
        setattr(owner, optimiser, torch.optim.SGD(moved.parameters(), 1e-3))
    agent.device = "meta"
    metrics: dict[str, torch.Tensor] = {}
    with NoiseOnMeta():
        for _, found in agent.phases():
            metrics |= found
    assert len(metrics) > 10
    assert {metric.device.type for metric in metrics.values()} == {"meta"}
    with pytest.raises(RuntimeError, match="meta"):
        float(metrics["model_loss"])


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
