"""Environments in which agents act in turn, made such that all act at once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from marlbench.errors import SpecViolation


def maker(module: ModuleType, name: str) -> Any:
    """Give what a module makes its environment with: its `parallel_env`, else its `env`.

    None if there is none of this name.
    """
    named = vars(module)
    return named.get(name) if name else named.get("parallel_env") or named.get("env")


def at_once(env: Any) -> Any:
    """Give an environment in which all agents act at once, others being converted by PettingZoo."""
    from pettingzoo.utils import AECEnv, aec_to_parallel, turn_based_aec_to_parallel

    if not isinstance(env, AECEnv):
        return env
    together = env.metadata.get("is_parallelizable", False)
    return aec_to_parallel(env) if together else turn_based_aec_to_parallel(env)


class Turns:
    """Whose turn it is in an environment; where there are turns, the others may only wait."""

    def __init__(self, env: Any, can_wait: bool) -> None:
        from pettingzoo.utils.conversions import turn_based_aec_to_parallel_wrapper

        taken = isinstance(env, turn_based_aec_to_parallel_wrapper)
        if taken and not can_wait:
            raise SpecViolation("agents take turns: with leaving=true they have a no-op to wait by")
        self._env = env.aec_env if taken else None

    def waits(self, name: str) -> bool:
        """Whether this agent has to wait for another."""
        return self._env is not None and bool(self._env.agent_selection != name)
