"""The names that `smacv2.env` has."""

from smacv2.env.starcraft2.wrapper import StarCraftCapabilityEnvWrapper

__all__ = ["StarCraftCapabilityEnvWrapper"]
