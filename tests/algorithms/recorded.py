"""Episodes recorded from a reference of a value learner, as steps of the host."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Step

__all__ = ["Oracle", "close", "steps_of"]

Oracle = dict[str, NDArray[Any]]


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


def close(ours: Any, theirs: Any, rtol: float, atol: float) -> None:
    """Equal but for what the tolerances allow."""
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=rtol, atol=atol)
