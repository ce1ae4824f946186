"""What the model foresees under given actions: how the host judges it, beside Figure 4."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from marlbench.imagination import Imagination
from marlbench_dmawm.absorbing import ends
from marlbench_dmawm.imagination import foreseen
from marlbench_dmawm.world_model import WorldModel

__all__ = ["foresee"]


@torch.no_grad()
def foresee(
    model: WorldModel,
    start: tuple[Tensor, Tensor],
    actions: Tensor,
    present: Tensor,
    rng: np.random.Generator,
) -> Imagination:
    """Go on from h (B, A, D), z (B, A, K) under actions (H, B, A, *); z is drawn of the prior.

    `present` (B, A) bool says who is there at the start; where absence is no state, who is gone
    is drawn from the continuations, as in imagined play.
    """
    h, z = start
    env = model.environment
    there = None if model.config.absorbing_state else present
    rows: list[tuple[Tensor, ...]] = []
    for action in actions:
        h = model.agent.next(h, z, action)  # (B, A, D)
        z, context = foreseen(env, h, there, drawn(rng, z.shape, h.device))
        cont = env.cont(context).squeeze(-1).sigmoid()  # (B, A)
        if there is not None:
            cont = cont * there
            there = drawn(rng, cont.shape, h.device) < cont
        # an episode goes on for the team; where agents end one by one, for whoever is left
        goes_on = cont.amax(-1) if ends(model.config) else cont.mean(-1)  # (B,)
        seen = model.agent.as_seen(env.decode(h, z))
        reward = model.reward_unit * model.twohot.mean(env.reward(context))
        rows.append((seen, reward, goes_on, env.avail(context).sigmoid()))
    obs, rewards, conts, avail = (
        torch.stack(each).cpu().numpy() for each in zip(*rows, strict=True)
    )
    return Imagination(obs, rewards, conts, avail, kl=None)


def drawn(rng: np.random.Generator, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Uniform numbers of the host's generator."""
    return torch.from_numpy(rng.random(shape, dtype=np.float32)).to(device)
