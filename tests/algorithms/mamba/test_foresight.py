"""What the model foresees under given actions: the verbs of training, in time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from marlbench_mamba.agent import Mamba
from marlbench_mamba.config import PRESETS, MambaConfig
from marlbench_mamba.foresight import divergence
from tests.algorithms.dmawm.test_foresight import CONTEXT, HORIZON, PIECES, piece
from tests.training.test_foresight import Relay


def test_the_verbs_of_training_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The likeliest z everywhere; reward and end of an action by the z that it was taken in."""
    agent = Mamba(MambaConfig(**PRESETS["smoke"]), Relay().spec, 0, "cpu")
    for place in ("agent", "foresight"):
        monkeypatch.setattr(
            f"marlbench_mamba.{place}.sample_classes", lambda probs, uniform: probs.argmax(-1)
        )
    seen, actions = piece(agent.spec)
    found = agent.imagine(seen, actions, np.random.default_rng(0))
    model, taken = agent.model, torch.from_numpy(actions)
    empty = agent.start(PIECES)
    with torch.no_grad():
        fresh = torch.ones(PIECES, 1, 1, dtype=torch.bool)
        h = model.next(empty.h, empty.z, empty.action, fresh=fresh)
        for t in range(CONTEXT):
            posterior = model.infer(h, torch.from_numpy(seen.obs[t]))
            z, prior, before = posterior.argmax(-1), model.foresee(h), h
            h = model.next(h, z, taken[t])
        for k in range(HORIZON):
            after = model.foresee(h).argmax(-1)
            told = model.heads(before, h, z, torch.zeros_like(posterior))
            now = model.heads(h, h, after, torch.zeros_like(posterior))
            for ours, theirs in (
                (found.reward, told.reward),
                (found.cont, told.cont.sigmoid().mean(-1)),
                (found.obs, now.obs),
                (found.avail, now.avail.sigmoid()),
            ):
                assert ours is not None
                np.testing.assert_allclose(ours[k], theirs.numpy(), rtol=1e-4, atol=1e-5)
            if k + 1 < HORIZON:
                before, z = h, after
                h = model.next(h, z, taken[CONTEXT + k])
    logs = posterior.log() - prior.log()
    assert found.kl is not None
    np.testing.assert_allclose(found.kl, (posterior * logs).sum((-2, -1)), rtol=1e-4, atol=1e-5)


def test_divergence_counts_what_cannot_be_as_hardly_likely() -> None:
    sure = torch.tensor([[[1.0, 0.0]]])
    half = torch.tensor([[[0.5, 0.5]]])
    torch.testing.assert_close(divergence(sure, half), torch.tensor([2.0]).log())
    assert divergence(half, sure).isfinite().all()
