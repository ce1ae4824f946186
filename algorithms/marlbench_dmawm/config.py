"""DMAWM's settings: the defaults are the paper's Table 2, what it leaves open says its source."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from marlbench.plugin import AlgorithmConfig


class Config(AlgorithmConfig):
    """Every setting of DMAWM.

    `dv3t` is the public PyTorch DreamerV3, whose learning rates and batch Table 2 shares; `MAMBA`
    the public MAMBA, whose agent and buffer it shares.
    """

    # When to learn
    warmup: int = Field(default=5000, ge=0)
    """Env steps before the first training step [paper, section 5.1]."""
    train_every: int = Field(default=32, ge=1)
    """Env steps per training step of model and policy [paper, section 5.1]."""
    pretrain: int = Field(default=0, ge=0)
    """Training steps of the model alone when the warm-up ends [open; dv3t trains all 100 times]."""
    buffer: int = Field(default=250_000, ge=1)
    """Env steps that the replay holds, all copies together [paper, Table 2]."""
    replay_gib: float = Field(default=24.0, gt=0)
    """Memory that caps `buffer`; pages are taken as steps come, up to this [ours]."""
    batch: int = Field(default=16, ge=1)
    """Sequences per model batch [paper, Table 2]."""
    length: int = Field(default=64, ge=2)
    """Steps per sequence [paper, Table 2]."""

    # Agent module
    deter: int = Field(default=256, ge=1)
    """Size D of the deterministic state h, also the width of the transformers [open; MAMBA]."""
    latents: int = Field(default=32, ge=1)
    """Categoricals K of the stochastic state z [paper, Table 2]."""
    classes: int = Field(default=32, ge=2, le=256)
    """Classes C of each categorical [paper, Table 2]."""
    units: int = Field(default=512, ge=1)
    """Width of encoder, recurrent input, posterior and actor [open; dv3t]."""
    encoder_layers: int = Field(default=2, ge=1)
    """Hidden layers of the observation encoder [open; dv3t]."""
    symlog_obs: bool = True
    """Whether observations are squashed by symlog before encoding and as targets [open; dv3t]."""
    unimix: float = Field(default=0.01, ge=0, lt=1)
    """Share of the uniform in posterior, prior and policy [open; dv3t]."""

    latent_temperature: float = Field(default=1.0, gt=0)
    """Temperature at which z is drawn of posterior and prior; KL and gradient stay at 1 [ours]."""

    # Environment module
    layers: int = Field(default=3, ge=1)
    """Blocks of each of the three transformers [paper, Table 2]."""
    heads: int = Field(default=8, ge=1)
    """Attention heads of the transformers [paper, Table 2]."""
    feedforward: int = Field(default=4, ge=1)
    """Width of a block's feed-forward map as a multiple of D [open; Vaswani et al.]."""
    decoder_units: int = Field(default=1024, ge=1)
    """Width of predictor head and decoders [paper, Table 2]."""
    decoder_layers: int = Field(default=2, ge=1)
    """Hidden layers of predictor head and decoders [paper, Table 2]."""
    bins: int = Field(default=255, ge=3)
    """Bins of the two-hot reward and value, at symexp(-20..20); odd [open; DreamerV3]."""

    # Model loss
    beta_dyn: float = Field(default=0.8, ge=0)
    """Weight of the dynamics loss [paper, Table 2: KL balancing cross entropy weight]."""
    beta_rep: float = Field(default=0.2, ge=0)
    """Weight of the representation loss [paper, Table 2: KL balancing entropy weight]."""
    beta_dec: float = Field(default=1.0, ge=0)
    """Weight of the decoder loss [open; DreamerV3]."""
    free_nats: float = Field(default=1.0, ge=0)
    """Free bits per agent and step on the KL summed over categoricals [open; DreamerV3]."""
    model_lr: float = Field(default=1e-4, gt=0)
    """Adam's learning rate for the world model [paper, Table 2]."""
    model_eps: float = Field(default=1e-8, gt=0)
    """Adam's epsilon for the world model [open; dv3t]."""
    max_grad_norm: float = Field(default=100.0, gt=0)
    """Gradient norm at which model, actor and critic are each clipped [paper, Table 2]."""

    # Where observations are pictures
    image_obs: float = Field(default=1.0, ge=0)
    """Weight of a picture's term in Eq. 6, a sum over all its pixels [ours; 1: the paper]."""
    image_reward: float = Field(default=1.0, ge=0)
    """Weight of the reward's term in Eq. 6 beside pictures [ours; 1: the paper]."""

    # Absorbing state
    tail: int = Field(default=4, ge=1)
    """Absorbing steps appended to a terminated episode [open; MAMBA has 2]."""
    death_ends: Literal["agent", "episode"] = "agent"
    """Whether an absent agent's continuation is 0, or only that of all at the end [section 4.2]."""

    # Policy learning in imagination
    horizon: int = Field(default=16, ge=1)
    """Imagined steps per rollout [paper, Table 2]."""
    rollouts: int = Field(default=1024, ge=1)
    """Rollouts per training step, from the model batch's own states [paper, section 5.1]."""
    gamma: float = Field(default=0.99, gt=0, le=1)
    """Discount factor [paper, Table 2]."""
    lambda_: float = Field(default=0.95, ge=0, le=1)
    """Lambda of the advantage estimates [paper, Table 2]."""
    epochs: int = Field(default=5, ge=1)
    """Passes of PPO over the imagined batch [paper, Table 2]."""
    minibatch: int = Field(default=2048, ge=1)
    """Joint states per PPO update [open; MAMBA has 2000]."""
    clip: float = Field(default=0.2, gt=0)
    """PPO's clip [paper, Table 2]."""
    entropy: float = Field(default=0.01, ge=0)
    """Weight of the entropy bonus [paper, Table 2]."""
    actor_lr: float = Field(default=3e-5, gt=0)
    """Adam's learning rate for the actor [paper, Table 2]."""
    critic_lr: float = Field(default=3e-5, gt=0)
    """Adam's learning rate for the critic [paper, Table 2]."""
    policy_eps: float = Field(default=1e-5, gt=0)
    """Adam's epsilon for actor and critic [open; dv3t]."""
    actor_layers: int = Field(default=2, ge=1)
    """Hidden layers of the actor [open; dv3t]."""
    critic_layers: int = Field(default=1, ge=1)
    """Hidden layers of the critic's head, behind its transformer [open; MAMBA]."""

    @model_validator(mode="after")
    def sizes_fit(self) -> Self:
        """Refuse sizes that no network can be built of."""
        if self.bins % 2 == 0:
            raise ValueError(f"bins is odd, so that 0 is one of them: got {self.bins}")
        if self.deter % self.heads:
            raise ValueError(f"heads divides deter: got {self.heads} and {self.deter}")
        return self


QUICK: dict[str, Any] = {
    "warmup": 1000,
    "pretrain": 300,
    "buffer": 50_000,
    "batch": 32,
    "length": 12,
    "deter": 64,
    "latents": 16,
    "classes": 16,
    "units": 128,
    "layers": 1,
    "heads": 4,
    "feedforward": 2,
    "decoder_units": 128,
    "bins": 127,
    "beta_dec": 10.0,
    "model_lr": 3e-3,
    "death_ends": "episode",
    "horizon": 8,
    "rollouts": 128,
    "gamma": 0.95,
    "epochs": 3,
    "minibatch": 512,
    "actor_lr": 7e-4,
    "critic_lr": 1e-3,
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
    "latent_temperature": 0.1,
    "decoder_units": 512,
    "decoder_layers": 1,
    "beta_rep": 0.05,
    "model_lr": 1e-3,
    "image_obs": 0.05,
    "image_reward": 10.0,
    "entropy": 0.02,
}

PRESETS: dict[str, dict[str, Any]] = {
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
        "decoder_units": 32,
        "horizon": 5,
        "rollouts": 32,
    },
}
"""`quick` learns small tasks in minutes on a CPU core, `smoke` shows in seconds that all works.

`pictures`, over `quick`, is for tasks that are seen: more latents, wider maps, small batches.
"""
