"""Checks between environments and learners: nothing of a wrong shape or value passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from marlbench.errors import SpecViolation
from marlbench.plugin import ActionKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import EnvSpec, Step, VectorEnv

__all__ = [
    "CheckedVectorEnv",
    "SpecViolation",
    "check_actions",
    "check_bounds",
    "check_spec",
    "check_step",
    "require",
    "within_bounds",
]


TAKEN_BACK = "an episode that was won on the way is not won on its last step, where that counts"


class CheckedVectorEnv:
    """A `VectorEnv` that checks what the suite gives and what the learner answers."""

    def __init__(self, inside: VectorEnv) -> None:
        """Stand before these copies."""
        check_spec(inside.spec)
        self.inside = inside
        self.spec = inside.spec
        self.num_envs = inside.num_envs
        self._now: Step | None = None
        self._won = np.zeros(inside.num_envs, np.bool_)  # said in the episodes under way

    def reset(self, seeds: NDArray[np.int64]) -> Step:
        """Begin an episode in every copy, from seeds (E,)."""
        step = self.inside.reset(seeds)
        require(bool(np.all(step.first)), "a copy's reset gave a step that is not first", step)
        return self._pass(step)

    def step(self, actions: NDArray[Any], seeds: NDArray[np.int64]) -> Step:
        """Play joint actions (E, A, *), clipped to the bounds of a box; see `VectorEnv.step`."""
        assert self._now is not None, "step before reset"
        check_actions(actions, self._now, self.spec)
        return self._pass(self.inside.step(within_bounds(actions, self.spec), seeds))

    def close(self) -> None:
        """Free what the simulators hold."""
        self.inside.close()

    def resume(self, inside: VectorEnv, step: Step) -> None:
        """Go on with copies that stand on this step."""
        self.inside, self._now = inside, step

    def _pass(self, step: Step) -> Step:
        check_step(step, self.spec, (self.num_envs,))
        if (key := won_key(self.spec)) is not None:
            self._require_kept_wins(step, step.info.get(key))
        self._now = step
        return step

    def _require_kept_wins(self, step: Step, said: Any) -> None:
        """Refuse an episode that was said to be won and ends as one that was not."""
        if said is None:
            return
        won = np.asarray(said, np.float64) == 1.0  # (E,), NaN of a copy that says nothing
        crashed = np.asarray(step.info.get("crashed", np.zeros_like(won)))
        self._won = np.where(step.first, False, self._won | won)
        lost = self._won & ~won & step.last & ~crashed
        require(not lost.any(), TAKEN_BACK, said)


def check_spec(spec: EnvSpec) -> None:
    """Raise `SpecViolation` unless states, actions and metrics are as `EnvSpec` says."""
    shape = spec.state_shape
    fits = shape is None or len(shape) == 1 or (spec.own_states and shape[0] == spec.num_agents)
    require(fits, f"state_shape is neither (S,) nor ({spec.num_agents}, S)", shape)
    check_bounds(spec)
    names = [metric.name for metric in spec.metrics]
    require(bool(names), "metrics is empty, an episode is scored by at least one", names)
    require(len(names) == len(set(names)), "two metrics have one name", names)
    for metric in spec.metrics:
        worst, best = metric.bounds or (0.0, 1.0)
        ordered = worst < best if metric.higher_is_better else worst > best
        require(ordered, f"the bounds of {metric.name!r} are not (worst, best)", metric.bounds)


def check_bounds(spec: EnvSpec) -> None:
    """Raise `SpecViolation` unless a box has bounds and no no-op, and what is none neither."""
    known = get_args(ActionKind)
    require(spec.actions in known, f"actions is not one of {known}", spec.actions)
    count = spec.num_actions if spec.actions == "box" else 0
    require(len(spec.bounds) == count, f"bounds is not (low, high) {count} times", spec.bounds)
    for low, high in spec.bounds:
        ordered = low < high  # False of nan
        require(ordered, "the bounds of a number are not (low, high), low below", (low, high))
    if spec.actions == "box":
        require(spec.noop is None, "noop is an action's index: a box has none", spec.noop)


def within_bounds(actions: NDArray[Any], spec: EnvSpec) -> NDArray[Any]:
    """Give actions (..., A, *) as they are played: the numbers of a box clipped to its bounds."""
    if spec.actions == "discrete":
        return actions
    low, high = np.array(spec.bounds, np.float32).T  # (U,) each
    return np.clip(actions, low, high)


def check_actions(actions: NDArray[Any], step: Step, spec: EnvSpec) -> None:
    """Raise `SpecViolation` unless actions (E, A, *) can be played on this step.

    Discrete ones are available, numbers finite; what answers a `last` step may be anything.
    """
    shape = (*step.avail.shape[:-2], *spec.action_shape)
    _require_array("actions", actions, shape, spec.action_dtype)
    if spec.actions == "box":
        heard = step.avail & ~np.asarray(step.last)[..., None, None]  # (E, A, U)
        _require_finite("an action", np.where(heard, actions, 0.0))
        return
    within = (actions >= 0) & (actions < step.avail.shape[-1])
    allowed = np.take_along_axis(step.avail, np.where(within, actions, 0)[..., None], -1)[..., 0]
    wrong = ~(within & allowed) & ~np.asarray(step.last)[..., None]  # (E, A)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        offered = np.flatnonzero(step.avail[place]).tolist()
        raise SpecViolation(
            f"the algorithm chose action {int(actions[place])} for (copy, agent) {place}, "
            f"available are {offered}"
        )


def check_step(step: Step, spec: EnvSpec, lead: tuple[int, ...] = ()) -> None:
    """Raise `SpecViolation` unless a step, with leading axes `lead`, is as the spec says."""
    agents = (*lead, spec.num_agents)
    _require_array("obs", step.obs, (*agents, *spec.obs_shape), spec.obs_dtype)
    _require_array("avail", step.avail, (*agents, spec.num_actions), "bool")
    _require_array("alive", step.alive, agents, "bool")
    _require_array("reward", step.reward, agents, "float32")
    for name in ("first", "last", "terminal"):
        _require_flag(name, getattr(step, name), lead)
    if spec.state_shape is not None:
        _require_array("state", step.state, (*lead, *spec.state_shape), "float32")
    _check_values(step, spec)
    if not lead:
        check_win(step, spec)


def check_win(step: Step, spec: EnvSpec) -> None:
    """Raise `SpecViolation` unless the end of a copy's episode says by a bool whether it is won.

    On other steps that may be left out. A number would be read as if it were one.
    """
    key = won_key(spec)
    if key is None or (key not in step.info and not step.last):
        return
    won: Any = step.info.get(key)
    array = isinstance(won, np.ndarray | np.bool_)
    if isinstance(won, bool) or (array and won.dtype == np.bool_ and won.shape == ()):
        return
    said = " ".join(repr(won).split()) if key in step.info else f"only {sorted(step.info)}"
    raise SpecViolation(f"the metric win needs info[{key!r}], a bool, on the last step, not {said}")


def won_key(spec: EnvSpec) -> str | None:
    """Give the key of `Step.info` that says who won, None where winning is no metric."""
    return next((metric.info for metric in spec.metrics if metric.name == "win"), None)


def _check_values(step: Step, spec: EnvSpec) -> None:
    if spec.actions == "discrete":
        chosen = bool(step.avail.any(-1).all())
        require(chosen, "an agent has no available action", step.avail)
    _require_finite("an observation", step.obs)
    _require_finite("a reward", step.reward)
    if step.state is not None:
        _require_finite("a state", step.state)
    require(not np.any(step.terminal & ~np.asarray(step.last)), "terminal but not last", step)
    require(not np.any(np.asarray(step.first) & step.last), "first and last at once", step)
    if spec.reward == "team":
        same = bool((step.reward == step.reward[..., :1]).all())
        require(same, "agents of a team were given different rewards", step.reward)


def _require_finite(name: str, values: NDArray[Any]) -> None:
    if values.dtype == np.uint8 or np.isfinite(values).all():
        return
    place = np.argwhere(~np.isfinite(values))[0].tolist()
    raise SpecViolation(f"{name} is not finite: {values[tuple(place)]} at {place}")


def _require_array(name: str, value: Any, shape: tuple[int, ...], dtype: str) -> None:
    if not isinstance(value, np.ndarray):
        raise SpecViolation(f"{name} is a {type(value).__name__}, not a numpy array: {value!r}")
    if value.shape != shape or value.dtype != dtype:
        raise SpecViolation(
            f"{name} has shape {value.shape} and dtype {value.dtype}, "
            f"the spec says {shape} and {dtype}"
        )


def _require_flag(name: str, value: Any, lead: tuple[int, ...]) -> None:
    if lead:
        _require_array(name, value, lead, "bool")
    elif not isinstance(value, bool | np.bool_):
        raise SpecViolation(f"{name} is {value!r}, not a bool")


def require(holds: bool, sentence: str, value: Any) -> None:
    """Raise `SpecViolation`, in one line, with the offending value unless it holds."""
    if not holds:
        raise SpecViolation(f"{sentence}: {' '.join(repr(value).split())}")
