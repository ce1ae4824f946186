"""The scores of what was imagined against what came, each from arrays alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.imagination import Imagination
    from marlbench.plugin import EnvSpec
    from marlbench.training.recording import Episodes, Pieces

__all__ = ["ahead", "bands", "mean_obs", "observation_errors", "squared_errors", "surprise"]


def bands(horizon: int) -> list[tuple[int, int]]:
    """Give the steps ahead that are scored together, first and last.

    >>> bands(24)
    [(1, 2), (3, 4), (5, 8), (9, 16), (17, 24)]
    """
    found, first, last = [], 1, 2
    while first <= horizon:
        found.append((first, min(last, horizon)))
        first, last = last + 1, 2 * last
    return found


def squared_errors(x: NDArray[Any], y: NDArray[Any], spec: EnvSpec) -> NDArray[np.float64]:
    """Give the mean (...) over features of squared differences of observations (..., *O).

    Pixels count from 0 to 1.
    """
    scale = 255.0 if spec.obs_dtype == "uint8" else 1.0
    apart = (x.astype(np.float32) - y.astype(np.float32)) / scale
    features = tuple(range(-len(spec.obs_shape), 0))
    return np.square(apart).mean(features, dtype=np.float64)


def mean_obs(episodes: Episodes) -> NDArray[np.float64]:
    """Give the mean observation (A, *O) of each agent over the steps on which it is alive."""
    obs, alive = episodes.steps.obs, episodes.steps.alive  # (N, A, *O), (N, A)
    total = np.stack([obs[there, a].sum(0, dtype=np.float64) for a, there in enumerate(alive.T)])
    number = np.maximum(alive.sum(0), 1)  # (A,)
    return total / number.reshape(-1, *[1] * (total.ndim - 1))


def observation_errors(
    imagined: Imagination, pieces: Pieces, mean: NDArray[Any], spec: EnvSpec
) -> dict[str, list[list[float]]] | None:
    """Give the squared error of observations by agent and step ahead: A lists of H numbers.

    Beside it what two guesses would get that know no model: the last observation seen, and the
    agent's mean (A, *O) over these episodes. Agents that are dead do not count.
    """
    if imagined.obs is None:
        return None
    counts = pieces.came.alive & pieces.there[..., None]  # (H, B, A)
    last = pieces.seen.obs[-1]  # (B, A, *O)
    pairs = list(zip(imagined.obs, pieces.came.obs, strict=True))  # H times (B, A, *O)
    errors = {
        "imagined": [squared_errors(guess, obs, spec) for guess, obs in pairs],
        "last_seen": [squared_errors(last, obs, spec) for _, obs in pairs],
        "mean": [squared_errors(mean, obs, spec) for _, obs in pairs],
    }
    return {name: mean_over(np.stack(each), counts).T.tolist() for name, each in errors.items()}


def mean_over(values: NDArray[Any], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give the mean (H, A) of values (H, B, A) over the pieces that count; NaN where none does."""
    number = counts.sum(1)
    total = np.where(counts, values, 0.0).sum(1)
    return np.where(number, total / np.maximum(number, 1), np.nan)


def surprise(imagined: Imagination, pieces: Pieces) -> float | None:
    """Give the mean KL in nats of the last seen step, over the agents that are alive at it."""
    return None if imagined.kl is None else float(imagined.kl[pieces.seen.alive[-1]].mean())


def ahead(imagined: Imagination, pieces: Pieces, first: int, last: int) -> dict[str, Any]:
    """Give the scores of the steps `first` to `last` ahead: reward, continuation and masks.

    Of reward and masks what concerns agents that were alive at the step before, who had a say in
    them. `goes_on` is the accuracy of the guess that no step is an end, `avail_last_seen` that of
    the last mask seen. Where all rewards are equal they have no R2.
    """
    k = slice(first - 1, last)
    acted, there, came = pieces.acted[k], pieces.there[k], pieces.came
    row: dict[str, Any] = {"first": first, "last": last, "steps": int(there.sum())}
    if imagined.reward is not None:
        row |= explained(imagined.reward[k][acted], came.reward[k][acted])
    if imagined.cont is not None:
        goes_on = ~came.terminal[k][there]
        row["cont_accuracy"] = agreement(imagined.cont[k][there] > 0.5, goes_on)
        row["goes_on"] = agreement(np.ones_like(goes_on), goes_on)
    if imagined.avail is not None:
        avail = came.avail[k]
        seen = np.broadcast_to(pieces.seen.avail[-1], avail.shape)
        row["avail_accuracy"] = agreement(imagined.avail[k][acted] > 0.5, avail[acted])
        row["avail_last_seen"] = agreement(seen[acted], avail[acted])
    return row


def explained(guess: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Give the mean squared error of rewards and R2, the share of their variance it explains."""
    if not truth.size:
        return {"reward_error": np.nan, "reward_r2": np.nan}
    guess, truth = guess.astype(np.float64), truth.astype(np.float64)
    error, variance = float(np.square(guess - truth).mean()), float(truth.var())
    return {"reward_error": error, "reward_r2": 1 - error / variance if variance else np.nan}


def agreement(guess: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Give the share of what is guessed right; NaN where there is nothing to guess."""
    return float((guess == truth).mean()) if truth.size else np.nan
