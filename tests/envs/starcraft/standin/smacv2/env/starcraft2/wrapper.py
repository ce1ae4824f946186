"""`StarCraftCapabilityEnvWrapper`: draws what each episode needs, and its known faults."""

from __future__ import annotations

from typing import Any

from smacv2.env.starcraft2.distributions import DISTRIBUTIONS
from smacv2.env.starcraft2.starcraft2 import CannotResetException, StarCraft2Env


class StarCraftCapabilityEnvWrapper:
    """Changes the configuration that it is given; gives None where a reset needs a second try."""

    def __init__(self, **kwargs: Any) -> None:
        self.distribution_config = kwargs["capability_config"]
        self.env_key_to_distribution_map: dict[str, Any] = {}
        for key, config in self.distribution_config.items():
            if key not in ("n_units", "n_enemies"):
                config["env_key"] = key
                config["n_units"] = self.distribution_config["n_units"]
                config["n_enemies"] = self.distribution_config["n_enemies"]
                made = DISTRIBUTIONS[config["dist_type"]](config)
                self.env_key_to_distribution_map[key] = made
        self.env = StarCraft2Env(**kwargs)

    def reset(self) -> Any:
        """Draw and begin; forgets to return after the exception."""
        try:
            drawn: dict[str, Any] = {}
            for distribution in self.env_key_to_distribution_map.values():
                drawn = {**drawn, **distribution.generate()}
            return self.env.reset(drawn)
        except CannotResetException:
            self.reset()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)
