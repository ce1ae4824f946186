"""Actions of numbers: what passes the door, how it is clipped, and how random play says them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.vecenv.checks import CheckedVectorEnv, SpecViolation, check_actions, check_spec
from marlbench.vecenv.random_play import random_actions, random_steps
from marlbench.vecenv.synchronous import SyncVectorEnv, stack

SIZES = Sizes(kind="box", actions=3)
SPEC: EnvSpec = Synthetic(SIZES).spec
SEEDS = np.arange(3)


class Recording(Synthetic):
    """Notes what it is told to play."""

    def __init__(self) -> None:
        super().__init__(replace(SIZES, death=0.0, end=0.0))
        self.played: list[NDArray[Any]] = []

    def step(self, actions: NDArray[Any]) -> Step:
        """Note, and play."""
        self.played.append(actions)
        return super().step(actions)


def test_shapes_follow_from_the_kind() -> None:
    assert (SPEC.action_shape, SPEC.action_dtype) == ((2, 3), "float32")
    discrete = Synthetic().spec
    assert (discrete.action_shape, discrete.action_dtype) == ((2,), "int64")


def test_what_lies_outside_is_clipped_and_what_lies_on_the_edge_is_kept() -> None:
    copies = SyncVectorEnv(Recording, 1)
    door = CheckedVectorEnv(copies)
    door.reset(SEEDS[:1])
    door.step(np.array([[[-1.0, 2.0, 0.5], [-9.0, 9.0, -0.0]]], np.float32), SEEDS[:1])
    env = copies.envs[0]
    assert isinstance(env, Recording)
    assert env.played[0].tolist() == [[-1.0, 2.0, 0.5], [-1.0, 2.0, 0.0]]


def test_numbers_must_be_finite_unless_nobody_hears_them() -> None:
    step = stack([Synthetic(SIZES).reset(1)])
    said = np.zeros((1, 2, 3), np.float32)
    check_actions(said, step, SPEC)
    said[0, 1, 0] = np.nan  # the first number is always to be said
    with pytest.raises(SpecViolation, match=r"an action is not finite: nan at \[0, 1, 0\]"):
        check_actions(said, step, SPEC)
    check_actions(said, replace(step, last=np.array([True])), SPEC)
    dead = step.avail.copy()
    dead[0, 1] = False
    check_actions(said, replace(step, avail=dead), SPEC)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((1, 2), np.int64), r"shape \(1, 2\) and dtype int64.*says \(1, 2, 3\)"),
        (np.zeros((1, 2, 3)), "dtype float64"),
    ],
)
def test_actions_of_another_shape_are_refused(actions: NDArray[Any], message: str) -> None:
    with pytest.raises(SpecViolation, match=message):
        check_actions(actions, stack([Synthetic(SIZES).reset(1)]), SPEC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bounds": ((-1.0, 1.0),)}, r"bounds is not \(low, high\) 3 times"),
        ({"bounds": ((0.0, 1.0), (1.0, 1.0), (0.0, 1.0))}, r"low below: \(1.0, 1.0\)"),
        ({"bounds": ((0.0, 1.0), (math.nan, 1.0), (0.0, 1.0))}, "low below"),
        ({"noop": 0}, "a box has none"),
        ({"actions": "boxes"}, "actions is not one of"),
    ],
)
def test_a_box_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecViolation, match=message):
        check_spec(replace(SPEC, **change))


def test_bounds_belong_to_boxes() -> None:
    with pytest.raises(SpecViolation, match="bounds is not"):
        check_spec(replace(Synthetic().spec, bounds=((0.0, 1.0),) * 4))


def test_random_numbers_are_those_of_the_space() -> None:
    inf = math.inf
    bounds = ((-1.0, 3.0), (-inf, inf), (2.0, inf), (-inf, 5.0))
    spec = replace(SPEC, num_actions=4, bounds=bounds)
    avail = np.ones((4000, 2, 4), np.bool_)
    avail[:, 1, 0] = False
    step = replace(stack([Synthetic(SIZES).reset(1)]), avail=avail)
    drawn = random_actions(spec, step, np.random.default_rng(0))
    assert (drawn.shape, drawn.dtype.name) == ((4000, 2, 4), "float32")
    assert (drawn[:, 1, 0] == 0).all()  # not the agent's to say
    mean, spread = drawn[:, 0].mean(0), drawn[:, 0].std(0)
    np.testing.assert_allclose(mean, [1.0, 0.0, 3.0, 4.0], atol=0.06)
    np.testing.assert_allclose(spread, [4 / math.sqrt(12), 1.0, 1.0, 1.0], atol=0.06)
    assert drawn[:, 0, 0].min() >= -1.0
    assert drawn[:, 0, 0].max() <= 3.0


def test_random_play_goes_through_boxes_to_the_end() -> None:
    env = Synthetic(SIZES)
    steps = list(random_steps(env, env.reset(3), np.random.default_rng(3)))
    assert steps[-1].last
