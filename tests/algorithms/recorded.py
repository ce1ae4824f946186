"""What was recorded from public references (tests/oracles), as our learners take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import Step
from marlbench.toolbox.normalise import ValueNorm
from marlbench.toolbox.rollout import Stream

__all__ = ["Oracle", "close", "load_moments", "recorded", "steps_of", "stream", "theirs"]

Oracle = dict[str, NDArray[Any]]


def recorded(name: str) -> Any:
    """A fixture: all arrays of a file of recorded numbers, read once for a module of tests."""

    @pytest.fixture(scope="module")
    def oracle() -> Oracle:
        with np.load(Path(__file__).parents[1] / "oracles" / f"{name}.npz") as file:
            return dict(file)

    return oracle


def steps_of(oracle: Oracle, episode: int) -> list[tuple[Step, NDArray[np.int64]]]:
    """One copy's steps of a recorded episode, with the actions (1, A) taken at each."""
    batch = {key: oracle[f"batch/{key}"][episode] for key in ("obs", "state", "reward")}
    avail = oracle["batch/avail_actions"][episode].astype(bool)
    length = int(oracle["batch/length"][episode])
    terminal = bool(oracle["batch/terminated"][episode].any())
    rewards = np.concatenate([[[0.0]], batch["reward"]]).astype(np.float32)  # as it arrives
    found = []
    for t in range(length + 1):
        step = Step(
            obs=batch["obs"][t][None],
            avail=avail[t][None],
            alive=np.ones((1, avail.shape[1]), bool),
            reward=np.full((1, avail.shape[1]), rewards[t], np.float32),
            first=np.array([t == 0]),
            last=np.array([t == length]),
            terminal=np.array([t == length and terminal]),
            state=batch["state"][t][None],
        )
        found.append((step, oracle["batch/actions"][episode, t, :, 0].astype(np.int64)[None]))
    return found


def stream(oracle: Oracle, **more: NDArray[Any]) -> Stream:
    """A reference's rollout buffer as our stream, which has no rows of last steps."""
    buffer = {k.removeprefix("buffer/"): v for k, v in oracle.items() if k.startswith("buffer/")}
    first = buffer["masks"][:, :, 0, 0] == 0  # (T + 1, E)
    value = buffer["value_preds"][..., 0]
    now = {
        "obs": buffer["obs"],
        "avail": buffer["available_actions"] == 1,
        "alive": buffer["active_masks"][..., 0] == 1,
        "action": buffer["actions"][..., 0].astype(np.int64),
        "log_prob": buffer["action_log_probs"][..., 0],
        "value": value,
        "first": first,
        **more,
    }
    after = {
        "reward": buffer["rewards"][..., 0],
        "value": value[1:],
        "last": first[1:],
        "terminal": first[1:],
    }
    goes_on = ~first[1:]
    goes_on[-1] = False
    steps = len(goes_on)
    return Stream({name: field[:steps] for name, field in now.items()}, after, goes_on)


def load_moments(norm: ValueNorm, oracle: Oracle) -> None:
    """Give a value normaliser the reference's moments of the start."""
    norm.mean.copy_(torch.as_tensor(oracle["valuenorm/init/running_mean"][0]))
    norm.mean_square.copy_(torch.as_tensor(oracle["valuenorm/init/running_mean_sq"][0]))
    norm.weight.copy_(torch.as_tensor(oracle["valuenorm/init/debiasing_term"]))


def theirs(oracle: Oracle, key: str) -> Tensor:
    """A recorded array."""
    return torch.from_numpy(oracle[key])


def close(ours: Any, theirs: Any, rtol: float = 2e-6, atol: float = 1e-6) -> None:
    """Equal but for float32 summed in another order, a few units in the last place."""
    found = torch.as_tensor(ours).detach()
    torch.testing.assert_close(
        found, torch.as_tensor(theirs), rtol=rtol, atol=atol, check_dtype=False
    )
