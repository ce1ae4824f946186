"""Every random number of a run comes from its one seed; evaluation's come from none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Purpose = Literal[
    "agent",
    "training episodes",
    "global generators",
    "training steps",
    "evaluation steps",
    "imagination",
]

_PURPOSES: dict[Purpose, int] = {
    "agent": 1,
    "training episodes": 2,
    "global generators": 3,
    "training steps": 4,
    "evaluation steps": 5,
    "imagination": 6,
}
_EVALUATION = 0x6D61726C  # "marl": entropy of no run's seed, the same for every run


def purpose_seed(seed: int, purpose: Purpose) -> int:
    """Give the seed (31 bits) of one purpose of a run."""
    return _draw(seed, (_PURPOSES[purpose],))


def step_rng(
    seed: int, purpose: Literal["training steps", "evaluation steps", "imagination"], *place: int
) -> np.random.Generator:
    """Give the randomness of one vector step of a run: decided by seed, purpose and place alone.

    The place of a training step is its number; of an evaluation step the kind and place of the
    evaluation, whether the policy is sampled, and its number there; of imagination its draw.
    """
    key = (_PURPOSES[purpose], *place)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def training_seed(seed: int, copy: int, episode: int) -> int:
    """Give the even seed of a copy's k-th training episode."""
    return _draw(seed, (_PURPOSES["training episodes"], copy, episode)) & ~1


def evaluation_seed(occasion: tuple[int, int], copy: int, episode: int, replay: int = 0) -> int:
    """Give the odd seed of a copy's k-th evaluation episode, of its replays after crashes.

    The same for every algorithm and run on an occasion (its kind and place); odd, so that no
    training episode has it.
    """
    return _draw(_EVALUATION, (*occasion, copy, episode, replay)) | 1


def further_seed(seed: int, attempt: int) -> int:
    """Give the seed to try when an episode of this seed crashed as it began; parity is kept."""
    return (_draw(seed, (attempt,)) & ~1) | (seed & 1)


@dataclass
class TrainingSeeds:
    """The next training episode's seed of every copy."""

    seed: int
    begun: NDArray[np.int64]
    """(E,) episodes that each copy has begun."""

    @classmethod
    def of_run(cls, seed: int, num_envs: int) -> TrainingSeeds:
        """Begin with every copy's first episode."""
        return cls(seed, np.zeros(num_envs, dtype=np.int64))

    def take(self, begins: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Give seeds (E,), fresh ones for the copies that begin an episode, else zeros."""
        seeds = np.zeros(len(self.begun), dtype=np.int64)
        for copy in np.flatnonzero(begins):
            seeds[copy] = training_seed(self.seed, int(copy), int(self.begun[copy]))
        self.begun += begins
        return seeds


def _draw(entropy: int, key: tuple[int, ...]) -> int:
    """Give 31 bits: simulators take no more."""
    sequence = np.random.SeedSequence(entropy, spawn_key=key)
    return int(sequence.generate_state(1)[0] >> 1)
