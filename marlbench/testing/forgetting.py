"""Does a reset forget: the same seed begins the same episode, whatever was played before it."""

from __future__ import annotations

import math
import time
from itertools import islice

from marlbench.plugin import Env
from marlbench.testing.sameness import step_difference
from marlbench.testing.verdict import require
from marlbench.vecenv.random_play import random_episode

__all__ = ["compare_resets"]

SEEDS = 24
"""Of the episodes that are begun: of a fault that shows in a quarter of them one in 1000 stays."""
WHOLE = 3
"""So many of them are compared to their end, the others in their first `BEGINNING` steps."""
BEGINNING = 4
LEAST, SECONDS = 5, 5.0
"""It goes on so long after so many seeds: resets may take seconds, the first ones compile."""
LEFT_AFTER = (None, 3, None, 0)
"""Steps after which the episode before is left, in turn; None: it is played to its end."""


def compare_resets(little: Env, much: Env) -> int:
    """Begin episodes of equal seeds with two new copies, `much` after others have been played.

    Before each, it plays one of another seed, or the very one that follows, to its end or not.
    `little` has played the beginnings alone, so of the first it knows nothing. Gives how many were
    begun; raises `Unkept` where two differ.
    """
    until = math.inf
    for seed in range(SEEDS):
        if seed == LEAST:
            until = time.monotonic() + SECONDS
        if time.monotonic() > until:
            return seed
        before = seed if seed % 3 == 2 else 50 + seed  # the very first is another's
        left_after = LEFT_AFTER[seed % len(LEFT_AFTER)]
        _play(much, before, None if left_after is None else left_after + 1)
        length = None if seed < WHOLE else BEGINNING
        one, other = (list(islice(random_episode(env, seed), length)) for env in (little, much))
        place = step_difference(one, other)
        how = "was played" if left_after is None else "was left"
        said = f"after an episode that {how} (seed {before}), that of seed {seed} differs at"
        require(place is None, f"{said} {place}")
    return SEEDS


def _play(env: Env, seed: int, steps: int | None) -> None:
    for _ in islice(random_episode(env, seed), steps):
        pass
