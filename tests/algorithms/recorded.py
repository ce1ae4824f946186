"""What was recorded of the public references (`tests/oracles`), in the words of our learners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import Agent, Step
from marlbench.toolbox.normalise import ValueNorm
from marlbench.toolbox.rollout import Rows, Stream

Oracle = dict[str, NDArray[Any]]
FOLDER = Path(__file__).parents[1] / "oracles"


def recorded(name: str) -> Oracle:
    """Every array recorded of one learner's reference."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def close(ours: Any, theirs: Any, rtol: float = 2e-6, atol: float = 1e-6) -> None:
    """Insist that arrays, tensors or numbers are equal but for rounding.

    By default to a few units in the last place, as float32 summed in another order is.
    """
    ours, theirs = (x.detach() if isinstance(x, Tensor) else x for x in (ours, theirs))
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=False)


# --- episodes, of QMIX and MBVD -----------------------------------------------------------------


def show_episodes(agent: Agent, oracle: Oracle) -> None:
    """Show the recorded episodes to a learner, as those of one copy."""
    for episode in range(len(oracle["batch/obs"])):
        for step, action in steps_of(oracle, episode):
            agent.observe(step, action)


def steps_of(oracle: Oracle, episode: int) -> list[tuple[Step, NDArray[np.int64]]]:
    """The steps (1, ...) of a recorded episode, and the actions (1, A) taken on them."""
    batch = {key: oracle[f"batch/{key}"][episode] for key in ("obs", "state", "reward")}
    avail = oracle["batch/avail_actions"][episode].astype(bool)  # (T + 1, A, U)
    length, agents = int(oracle["batch/length"][episode]), avail.shape[1]
    terminal = bool(oracle["batch/terminated"][episode].any())
    rewards = np.concatenate([[[0.0]], batch["reward"]]).astype(np.float32)  # as it arrives
    found = []
    for t in range(length + 1):
        step = Step(
            obs=batch["obs"][t][None],
            avail=avail[t][None],
            alive=np.ones((1, agents), bool),
            reward=np.full((1, agents), rewards[t], np.float32),
            first=np.array([t == 0]),
            last=np.array([t == length]),
            terminal=np.array([t == length and terminal]),
            state=batch["state"][t][None],
        )
        found.append((step, oracle["batch/actions"][episode, t, :, 0].astype(np.int64)[None]))
    return found


def longest_first(oracle: Oracle) -> NDArray[np.int64]:
    """The recorded episodes (B,) in the order in which a replay draws them."""
    return np.argsort(-oracle["batch/length"], kind="stable")


# --- rollouts, of MAPPO and MAT -----------------------------------------------------------------


def load_moments(norm: ValueNorm, oracle: Oracle) -> None:
    """Give a normaliser of values the reference's first moments."""
    norm.mean.copy_(torch.as_tensor(oracle["valuenorm/init/running_mean"][0]))
    norm.mean_square.copy_(torch.as_tensor(oracle["valuenorm/init/running_mean_sq"][0]))
    norm.weight.copy_(torch.as_tensor(oracle["valuenorm/init/debiasing_term"]))


def stream_of(oracle: Oracle, rows: Rows, notes: Rows) -> Stream:
    """The reference's buffer of T steps as our stream: in it are no rows of last steps.

    `rows` and `notes` are fields (T + 1, E, ...) that one learner alone needs.
    """
    buffer = {k.removeprefix("buffer/"): v for k, v in oracle.items() if k.startswith("buffer/")}
    first = buffer["masks"][:, :, 0, 0] == 0  # (T + 1, E)
    value = buffer["value_preds"][..., 0]
    now = {
        "obs": buffer["obs"],
        "avail": buffer["available_actions"] == 1,
        "alive": buffer["active_masks"][..., 0] == 1,
        "action": buffer["actions"][..., 0].astype(np.int64),
        **rows,
    }
    noted = {"log_prob": buffer["action_log_probs"][..., 0], "value": value, **notes}
    after = {
        "reward": buffer["rewards"][..., 0],
        "last": first[1:],
        "terminal": first[1:],
    }
    goes_on = ~first[1:]
    goes_on[-1] = False
    steps = len(goes_on)
    return Stream(
        now={name: field[:steps] for name, field in now.items()},
        next=after,
        noted={name: torch.from_numpy(field[:steps]) for name, field in noted.items()},
        next_noted={"value": torch.from_numpy(value[1:])},
        goes_on=goes_on,
    )


def compare_updates(
    reports: Iterable[Mapping[str, Tensor]],
    norm: ValueNorm,
    oracle: Oracle,
    section: str,
    names: Mapping[str, str],
) -> None:
    """Compare what each update reports and leaves in the normaliser with the reference's updates.

    `names` are the reference's names of reported numbers and ours.
    """
    updates = 0
    for report in reports:  # each is made when it is asked for, by the update itself
        ours = {name: report[own] for name, own in names.items()}
        ours |= {"running_mean": norm.mean, "running_mean_sq": norm.mean_square}
        ours["debiasing_term"] = norm.weight
        for name, value in ours.items():
            close(value, torch.from_numpy(oracle[f"{section}/{name}"])[updates])
        updates += 1
    assert updates == len(oracle[f"{section}/running_mean"])
