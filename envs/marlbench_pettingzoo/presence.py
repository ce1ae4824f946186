"""Who takes part in an episode: what flags and `env.agents` say, which must be the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from marlbench.errors import SpecViolation


def names_of(env: Any) -> list[str]:
    """Give all agents of an environment in their order; a set has none, and is sorted."""
    possible = getattr(env, "possible_agents", None)
    if not possible:
        raise SpecViolation("the environment does not say its possible_agents")
    return sorted(possible) if isinstance(possible, Set) else list(possible)


def listed(env: Any, names: Sequence[str]) -> set[str]:
    """Give the agents in `env.agents`, which must be among the possible ones."""
    there = getattr(env, "agents", None)
    if there is None:
        raise SpecViolation("the environment has no list of agents")
    _require_known("env.agents", there, names)
    return set(there)


@dataclass(frozen=True)
class Arrival:
    """What an environment gave, by agent."""

    observations: Mapping[str, Any]
    infos: Mapping[str, Any]
    rewards: Mapping[str, Any] = field(default_factory=dict)
    acting: Sequence[str] = ()
    """Agents that acted, in their order; nobody on a first step."""
    terminated: Set[str] = frozenset()
    """Those of them that are terminated."""
    ended: Set[str] = frozenset()
    """Those that are terminated or truncated."""

    @property
    def over(self) -> bool:
        """Whether all that acted have ended."""
        return bool(self.acting) and len(self.ended) == len(self.acting)

    @property
    def terminal(self) -> bool:
        """Whether the end is real: nobody was merely cut short."""
        return self.over and len(self.terminated) == len(self.acting)


def begun(given: Any, names: Sequence[str]) -> Arrival:
    """Read what `reset` gave."""
    observations, infos = _parts("reset", given, ("observations", "infos"), names)
    return Arrival(observations, infos)


def answered(given: Any, names: Sequence[str], acting: Iterable[str]) -> Arrival:
    """Read what `step` gave; a flag that is missing is not set."""
    what = ("observations", "rewards", "terminations", "truncations", "infos")
    observations, rewards, terminations, truncations, infos = _parts("step", given, what, names)
    order = [name for name in names if name in set(acting)]
    terminated = {name for name in order if terminations.get(name)}
    truncated = {name for name in order if truncations.get(name)}
    return Arrival(observations, infos, rewards, order, terminated, terminated | truncated)


def _parts(
    verb: str, given: Any, what: Sequence[str], names: Sequence[str]
) -> list[Mapping[str, Any]]:
    if not isinstance(given, tuple) or len(given) != len(what):
        count = len(given) if isinstance(given, tuple) else "no tuple"
        raise SpecViolation(f"{verb} gave {count}, not ({', '.join(what)})")
    return [_by_agent(name, part, names) for name, part in zip(what, given, strict=True)]


def _by_agent(what: str, given: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """Give what is there by agent, nothing for None; keys as `__all__` are no agents'."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise SpecViolation(f"{what} are a {type(given).__name__}, not a dict by agent")
    own = {name: value for name, value in given.items() if not str(name).startswith("__")}
    _require_known(what, own, names)
    return own


def _require_known(what: str, given: Iterable[Any], names: Sequence[str]) -> None:
    for name in given:
        if name not in names:
            raise SpecViolation(f"{what} name {name!r}, which is not among possible_agents")


def require_agreement(arrived: Arrival, there: Set[str]) -> None:
    """Refuse it where flags and `env.agents` contradict each other after a step.

    Who acted has either ended, by a flag, or is still listed; who did not act is gone for good.
    Where all have ended it makes no difference whether they are still listed.
    """
    for name in sorted(there - set(arrived.acting)):
        raise SpecViolation(f"{name} is in env.agents, but had left it or was never there")
    for name in () if arrived.over else arrived.acting:
        if name in arrived.ended and name in there:
            raise SpecViolation(
                f"{name} is terminated or truncated, but still in env.agents: take an agent out "
                "of env.agents in the step that ends it"
            )
        if name not in arrived.ended and name not in there:
            raise SpecViolation(
                f"{name} has left env.agents, but is neither terminated nor truncated: set one of "
                "its flags in the step that ends it"
            )
