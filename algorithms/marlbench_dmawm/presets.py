"""What each preset changes of DMAWM's settings."""

from __future__ import annotations

from typing import Any

__all__ = ["PRESETS"]

AUTHORS: dict[str, Any] = {
    "num_envs": 16,
    "train_every": 8,
    "model_grad_norm": 1000.0,
    "predictor_layers": 0,
    "bootstrap_timeouts": False,
    "share_reward": True,
    "eyes": "deep",
}

QUICK: dict[str, Any] = {
    "warmup": 1000,
    "train_every": 16,
    "pretrain": 300,
    "buffer": 50_000,
    "batch": 32,
    "length": 12,
    "deter": 64,
    "latents": 16,
    "classes": 16,
    "units": 128,
    "posterior_layers": 1,
    "symlog_input": True,
    "layers": 1,
    "heads": 4,
    "feedforward": 2,
    "agent_index": True,
    "decoder_units": 128,
    "bins": 127,
    "beta_dec": 10.0,
    "small_rewards": 5.0,
    "model_lr": 3e-3,
    "horizon": 4,
    "rollouts": 128,
    "gamma": 0.95,
    "epochs": 3,
    "minibatch": 512,
    "entropy_coef": 0.02,
    "actor_lr": 7e-4,
    "critic_lr": 1e-3,
    "policy_units": 128,
}

PICTURES: dict[str, Any] = {
    "warmup": 2000,
    "train_every": 8,
    "pretrain": 2500,
    "batch": 8,
    "length": 6,
    "deter": 128,
    "latents": 32,
    "classes": 16,
    "units": 512,
    "policy_units": 512,
    "decoder_units": 512,
    "decoder_layers": 1,
    "predictor_layers": 1,
    "beta_rep": 0.05,
    "model_lr": 1e-3,
    "centre_images": True,
    "image_obs": 0.05,
    "image_reward": 10.0,
    "horizon": 8,
}

PRESETS: dict[str, dict[str, Any]] = {
    "authors": AUTHORS,
    "authors-pictures": {"bootstrap_timeouts": True},
    "quick": QUICK,
    "pictures": PICTURES,
    "smoke": {
        **QUICK,
        "warmup": 200,
        "pretrain": 5,
        "train_every": 64,
        "batch": 4,
        "deter": 32,
        "latents": 8,
        "classes": 8,
        "units": 32,
        "policy_units": 32,
        "decoder_units": 32,
        "horizon": 5,
        "rollouts": 32,
    },
}
"""`authors` is the authors' code where it contradicts the paper's text, `quick` learns small tasks
in minutes on a CPU core, `smoke` shows in seconds that all works.

`pictures`, over `quick`, is for tasks that are seen: more latents, wider maps, small batches; over
`authors` it is that there an end is only a border.
"""
