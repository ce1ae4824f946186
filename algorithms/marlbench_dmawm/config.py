"""DMAWM's settings: defaults by the paper's text, then the authors' code, then DreamerV3's."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from marlbench.plugin import AlgorithmConfig


class Config(AlgorithmConfig):
    """Every setting of DMAWM, with its source.

    `paper` is the text; `code` the authors' code, Creativityisall/Dreamer_Partner_Modeling@4a25924,
    folder codes/; `ours` is in neither.
    """

    former_names: ClassVar[Mapping[str, str]] = {"entropy": "entropy_coef", "lambda_": "gae_lambda"}

    # When to learn
    warmup: int = Field(default=5000, ge=0)
    """Env steps before the first training step [paper, section 5.1]."""
    train_every: int = Field(default=32, ge=1)
    """Env steps per training step of model and policy [paper, section 5.1; code: 8]."""
    pretrain: int = Field(default=0, ge=0)
    """Training steps of the model alone when the warm-up ends [ours; 0: the paper]."""
    buffer: int = Field(default=250_000, ge=1)
    """Env steps that the replay holds, all copies together [paper, Table 2]."""
    replay_gib: float = Field(default=24.0, gt=0)
    """Memory that caps `buffer`; pages are taken as steps come, up to this [ours]."""
    batch: int = Field(default=16, ge=1)
    """Sequences per model batch [paper, Table 2]."""
    length: int = Field(default=64, ge=2)
    """Steps per sequence, episodes packed behind each other [paper, Table 2; code]."""

    # Agent module
    deter: int = Field(default=512, ge=1)
    """Size D of the deterministic state h, also the width of the transformers [code]."""
    latents: int = Field(default=32, ge=1)
    """Categoricals K of the stochastic state z [paper, Table 2]."""
    classes: int = Field(default=32, ge=2, le=256)
    """Classes C of each categorical [paper, Table 2]."""
    units: int = Field(default=1024, ge=1)
    """Width of encoder, recurrent input and posterior [code]."""
    encoder_layers: int = Field(default=2, ge=1)
    """Hidden layers of the encoder of vectors [code]."""
    posterior_layers: int = Field(default=2, ge=1)
    """Hidden layers of the posterior [code]."""
    symlog_input: bool = False
    """Whether vectors are squashed by symlog before the encoder, as their targets are [code]."""
    unimix: float = Field(default=0.01, ge=0, lt=1)
    """Share of the uniform in posterior and prior [code]."""

    # Environment module
    predictor: Literal["transformer", "mlp"] = "transformer"
    """What foresees z and the other components; mlp: each agent by itself [section 5.3: -IP]."""
    layers: int = Field(default=3, ge=1)
    """Blocks of each of the three transformers [paper, Table 2]."""
    heads: int = Field(default=8, ge=1)
    """Attention heads of the transformers [paper, Table 2]."""
    feedforward: int = Field(default=4, ge=1)
    """Width of a block's feed-forward map as a multiple of D [code]."""
    agent_index: bool = False
    """Whether the transformers are told the agents' indices [code: not]."""
    predictor_layers: int = Field(default=2, ge=0)
    """Hidden layers of the predictor's map to logits [paper, A.3: an MLP; code: 0]."""
    decoder_units: int = Field(default=1024, ge=1)
    """Width of predictor head and decoders [paper, Table 2]."""
    decoder_layers: int = Field(default=2, ge=1)
    """Hidden layers of the decoders [paper, Table 2]."""
    bins: int = Field(default=255, ge=3)
    """Bins of the two-hot reward and value, at symexp(-20..20); odd [code]."""

    # Model loss
    beta_dyn: float = Field(default=0.8, ge=0)
    """Weight of the dynamics loss [paper, Table 2: KL balancing cross entropy weight]."""
    beta_rep: float = Field(default=0.2, ge=0)
    """Weight of the representation loss [paper, Table 2: KL balancing entropy weight]."""
    beta_dec: float = Field(default=1.0, ge=0)
    """Weight of the decoder loss [code]."""
    free_nats: float = Field(default=1.0, ge=0)
    """Free bits per agent and step on the KL summed over categoricals [code]."""
    model_lr: float = Field(default=1e-4, gt=0)
    """Adam's learning rate for the world model [paper, Table 2]."""
    model_eps: float = Field(default=1e-5, gt=0)
    """Adam's epsilon for the world model [code]."""
    model_grad_norm: float = Field(default=100.0, gt=0)
    """Gradient norm at which the model is clipped [paper, Table 2; code: 1000]."""
    small_rewards: float = Field(default=0.0, ge=0)
    """Weight in Eq. 6 of rewards far below a bin, in a unit of theirs; 0: as all others [ours]."""

    # Where observations are pictures
    eyes: Literal["cells", "deep"] = "cells"
    """The CNN: two padded convolutions [ours], or four down to 2 x 2 places [code]."""
    centre_images: bool = False
    """Whether pictures are read as what sets them apart from the warm-up's mean [code: not]."""
    image_obs: float = Field(default=1.0, ge=0)
    """Weight of a picture's term in Eq. 6, a sum over all its pixels [ours; 1: the paper]."""
    image_reward: float = Field(default=1.0, ge=0)
    """Weight of the reward's term in Eq. 6 beside pictures [ours; 1: the paper]."""

    # Absent agents and ends
    absorbing_state: bool = True
    """Off: absence is predicted, absent agents are left out of predictions [section 5.3: -AS]."""
    tail: int = Field(default=2, ge=0)
    """Absorbing steps appended to a terminated episode [code]."""
    absent_return: Literal["team", "ends"] = "team"
    """Whether an absent agent's return and weight are its team's [code], or end [section 4.2]."""
    bootstrap_timeouts: bool = True
    """Whether a time-out is stored as going on, not as an end [ours; code: not in StarCraft]."""
    share_reward: bool = False
    """Whether agents learn from the mean of individual rewards [ours; code: always]."""

    # Policy learning in imagination
    horizon: int = Field(default=16, ge=1)
    """Imagined steps per rollout [paper, Table 2]."""
    rollouts: int = Field(default=1024, ge=1)
    """Rollouts per training step, from the model batch's own states [paper, section 5.1]."""
    gamma: float = Field(default=0.99, gt=0, le=1)
    """Discount factor [paper, Table 2]."""
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    """Lambda of the advantage estimates [paper, Table 2]."""
    epochs: int = Field(default=5, ge=1)
    """Passes of PPO over the imagined batch [paper, Table 2]."""
    minibatch: int = Field(default=0, ge=0)
    """Joint states per PPO update, 0: all at once [code]."""
    clip: float = Field(default=0.2, gt=0)
    """PPO's clip [paper, Table 2]."""
    entropy_coef: float = Field(default=0.01, ge=0)
    """Weight of the entropy bonus [paper, Table 2]."""
    actor_lr: float = Field(default=3e-5, gt=0)
    """Adam's learning rate for the actor [paper, Table 2]."""
    critic_lr: float = Field(default=3e-5, gt=0)
    """Adam's learning rate for the critic [paper, Table 2]."""
    policy_eps: float = Field(default=1e-8, gt=0)
    """Adam's epsilon for actor and critic [code]."""
    max_grad_norm: float = Field(default=100.0, gt=0)
    """Gradient norm at which actor and critic are each clipped [paper, Table 2]."""
    policy_units: int = Field(default=256, ge=1)
    """Width of actor and critic head [code]."""
    actor_layers: int = Field(default=2, ge=1)
    """Hidden layers of the actor [code]."""
    critic: Literal["transformer", "mlp"] = "transformer"
    """What the value is read from: all agents' h, or the agent's own h and z [section 5.3: -TC]."""
    critic_layers: int = Field(default=1, ge=1)
    """Hidden layers of the critic's head, behind transformer or reader [code]."""

    @model_validator(mode="after")
    def sizes_fit(self) -> Self:
        """Refuse sizes that no network can be built of."""
        if self.bins % 2 == 0:
            raise ValueError(f"bins is odd, so that 0 is one of them: got {self.bins}")
        if self.deter % self.heads:
            raise ValueError(f"heads divides deter: got {self.heads} and {self.deter}")
        return self
