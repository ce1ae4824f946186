"""Refuses actions that the masks forbid, naming the first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def refuse_unavailable(
    actions: NDArray[np.int64], avail: NDArray[np.bool_], ignored: NDArray[np.bool_]
) -> None:
    """Raise ValueError unless masks (E, A, U) allow actions (E, A); not for ignored copies (E,)."""
    if actions.shape != avail.shape[:-1]:
        raise ValueError(f"skirmish wants actions {avail.shape[:-1]}, got {actions.shape}")
    known = (actions >= 0) & (actions < avail.shape[-1])  # (E, A)
    index = np.where(known, actions, 0)[..., None]
    allowed = known & np.take_along_axis(avail, index, -1)[..., 0]  # (E, A)
    allowed |= ignored[:, None]
    if not allowed.all():
        env, agent = np.argwhere(~allowed)[0]
        action = actions[env, agent]
        raise ValueError(f"action {action} of agent {agent} in copy {env} is not available")
