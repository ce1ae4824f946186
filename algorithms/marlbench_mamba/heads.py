"""MAMBA's four heads: what an agent's states tell of what is seen, can be done, and came of it.

Head          told of      gives
observation   z_t, h_t     what is seen, as the decoder draws it
availability  z_t, h_t     logits that actions are available
reward        z_t, h_t+1   reward of the action taken at t
end           z_t, h_t+1   logit that the episode goes on after it

h_t+1 is the first state that knows the action. The heads' first layers are one map (`StateReader`),
in this order, so that what reads z, or one h, is one product for several heads. No one else slices.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox.latents import class_rows, straight_through_rows
from marlbench.toolbox.linear import linear, product
from marlbench.toolbox.vision import ImageDecoder, ImageEncoder
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.networks import Dense, StateReader

__all__ = ["Heads", "ImagineHeads", "Told"]


class Told(NamedTuple):
    """What the heads say."""

    obs: Tensor
    """(..., A, *O), images around [0, 1]."""
    features: Tensor
    """(..., A, F) of the decoder; they tell the action that led here, too."""
    avail: Tensor
    """(..., A, U) logits."""
    reward: Tensor
    """(..., A)."""
    cont: Tensor
    """(..., A) logits."""


class Heads(nn.Module):
    """All four, for the model's loss; `for_imagining` gives those that imagined play asks."""

    def __init__(self, config: MambaConfig, spec: EnvSpec) -> None:
        super().__init__()
        self.width = config.hidden
        self.reader = StateReader(config, heads=4)
        self.decoder = Decoder(config, spec)
        self.avail = Head(config, spec.num_actions)
        self.reward = Head(config, 1)
        self.cont = Head(config, 1)

    def forward(self, h: Tensor, after: Tensor, z: Tensor, probs: Tensor) -> Told:
        """Told of h and the h after it (..., A, D) each, and z (..., A, K), straight through.

        `probs` (..., A, K, C) are those that z was drawn from.
        """
        reader, half = self.reader, 2 * self.width
        from_z = straight_through_rows(z, probs, reader.weight_z)  # (..., A, 4 F)
        from_h = linear(h, reader.weight_h[:half], reader.bias[:half])
        from_after = linear(after, reader.weight_h[half:], reader.bias[half:])
        now, then = from_z.split(half, -1)
        to_obs, to_avail = (now + from_h).chunk(2, -1)
        to_reward, to_cont = (then + from_after).chunk(2, -1)
        reward, cont = self.reward(to_reward).squeeze(-1), self.cont(to_cont).squeeze(-1)
        obs, features = self.decoder(to_obs)
        return Told(obs, features, self.avail(to_avail), reward, cont)

    def obs(self, h: Tensor, z: Tensor) -> Tensor:
        """What is seen (..., *O) in states h (..., D), z (..., K), as the decoder draws it."""
        reader, width = self.reader, self.width
        read = linear(h, reader.weight_h[:width], reader.bias[:width])
        return self.decoder(read + class_rows(z, reader.weight_z[:, :width].contiguous()))[0]

    def for_imagining(self) -> ImagineHeads:
        """Give the heads of imagined play, for as long as the weights stay as they are."""
        return ImagineHeads(self)


class ImagineHeads:
    """Availability, then reward and end, each with its own share of the reader's weights."""

    def __init__(self, heads: Heads) -> None:
        reader, width = heads.reader, heads.width
        self.heads = heads
        self.by_avail = reader.weight_z[:, width : 2 * width].contiguous()  # (K*C, F)
        self.by_outcome = reader.weight_z[:, 2 * width :].contiguous()  # (K*C, 2 F)
        _, *self.from_h = reader.weight_h.split([width, width, 2 * width])
        _, *self.bias = reader.bias.split([width, width, 2 * width])

    def avail(self, h: Tensor, z: Tensor) -> Tensor:
        """Logits (..., U) of what is available in states h (..., D), z (..., K)."""
        read = product(h.flatten(0, -2), self.from_h[0], self.bias[0]).view(*h.shape[:-1], -1)
        return self.heads.avail(read + class_rows(z, self.by_avail))

    def outcome(self, after: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Reward and probability of going on (...) of z (..., K) and the h (..., D) after it."""
        read = product(after.flatten(0, -2), self.from_h[1], self.bias[1])
        both = read.view(*after.shape[:-1], -1) + class_rows(z, self.by_outcome)
        to_reward, to_cont = both.chunk(2, -1)  # (..., F) each
        reward = self.heads.reward(to_reward).squeeze(-1)
        return reward, self.heads.cont(to_cont).squeeze(-1).sigmoid()


class Head(nn.Module):
    """What follows a reader's first layer: ELU, a hidden layer with ELU, a linear output."""

    def __init__(self, config: MambaConfig, outputs: int) -> None:
        super().__init__()
        self.hidden = Dense(config.hidden, config.hidden)
        self.out = Dense(config.hidden, outputs)

    def forward(self, read: Tensor) -> Tensor:
        """(..., F) to (..., outputs)."""
        return self.out(F.elu(self.hidden(F.elu(read))))


class Decoder(nn.Module):
    """What follows a reader's first layer to draw observations; its features tell the action."""

    def __init__(self, config: MambaConfig, spec: EnvSpec) -> None:
        super().__init__()
        width, images = config.hidden, spec.obs_dtype == "uint8"
        self.hidden = nn.ModuleList([Dense(width, width), Dense(width, width)])
        outputs = ImageEncoder(spec.obs_shape).features if images else spec.obs_shape[0]
        self.out = Dense(width, outputs)
        self.images = ImageDecoder(spec.obs_shape) if images else None

    def forward(self, read: Tensor) -> tuple[Tensor, Tensor]:
        """(..., F) to observations (..., *O), pixels around [0, 1], and features (..., F)."""
        features = F.relu(read)
        for layer in self.hidden:
            features = layer.relu(features)  # type: ignore[operator]
        out = self.out(features)
        return self.images(out) if self.images else out, features
