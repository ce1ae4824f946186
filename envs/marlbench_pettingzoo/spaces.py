"""Observation and action spaces of unequal agents, padded to one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from operator import itemgetter
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from marlbench.errors import SpecViolation
from marlbench.plugin import ActionKind

MASK, CONTENT = "action_mask", "observation"
"""Keys of an observation that is a mapping of what is seen and what may be done."""
CHANNELS = (1, 3, 4)
"""Numbers of channels that an image on its last axis may have whatever its size is."""

Space = spaces.Space[Any]


class Observations:
    """Observation spaces of A agents: images as (height, width, channels), all else flat.

    Of a mapping with images in it the images are channels one behind the other, and every number of
    its other parts is a plane behind them, from 0 at the lower bound to 255 at the upper. Agents
    that see less than others are padded with zeros; what does not fit an agent's own space is
    refused by its name.
    """

    def __init__(self, agents: Mapping[str, Space], images: bool = True) -> None:
        self._names = list(agents)
        self._stated = list(agents.values())
        self._each = [content_space(space) for space in self._stated]
        for name, space in zip(self._names, self._each, strict=True):
            if (odd := unreadable(space)) is not None:
                raise SpecViolation(f"{name} sees {odd}, which has no vector: wrap the environment")
        leaves = [list(map(itemgetter(0), parted(space))) for space in self._each]
        self.image = images and any(is_image(leaf) for each in leaves for leaf in each)
        self.dtype = "uint8" if self.image else "float32"
        self.shape: tuple[int, ...] = (max(map(spaces.flatdim, self._each)),)
        if self.image:
            for name, each in zip(self._names, leaves, strict=True):
                require_bounds(name, each)
            shapes = [picture_shape(leaf) for each in leaves for leaf in each if is_image(leaf)]
            planes = max(sum(map(planes_of, each)) for each in leaves)
            self.shape = (max(s[0] for s in shapes), max(s[1] for s in shapes), planes)

    def place(self, agent: int, observation: Any, row: NDArray[Any]) -> None:
        """Write an agent's observation into its row (*O) of zeros."""
        name, space = self._names[agent], self._each[agent]
        seen = content(self._stated[agent], observation)
        if (wrong := misfit(space, seen)) is not None:
            raise SpecViolation(f"{name}'s observation {wrong}")
        if self.image:
            self._draw(agent, parted(space, seen), row)
            return
        flat = spaces.flatten(space, seen)
        row[: len(flat)] = flat

    def _draw(self, agent: int, leaves: Sequence[tuple[Space, Any]], row: NDArray[Any]) -> None:
        """Write parts (space, what is seen) into an image (H, W, C): pictures, then planes."""
        begin = 0
        for leaf, seen in leaves:
            if is_image(leaf):
                drawn = picture(self._names[agent], np.asarray(seen))
                high, wide, channels = drawn.shape
                row[:high, :wide, begin : begin + channels] = drawn
                begin += channels
        for leaf, seen in leaves:
            if not is_image(leaf):
                values = levels(leaf, seen)
                row[:, :, begin : begin + len(values)] = values
                begin += len(values)


class Actions:
    """Discrete action spaces of A agents, with a no-op at the end if agents can leave.

    With `joint`, an action of several parts (MultiDiscrete, MultiBinary, a Tuple of Discrete) is
    one number, its last part counting fastest.
    """

    kind: ActionKind = "discrete"
    bounds: tuple[tuple[float, float], ...] = ()

    def __init__(self, agents: Mapping[str, Space], leaving: bool, joint: bool = False) -> None:
        self._names, self._spaces = list(agents), list(agents.values())
        self._parts: list[tuple[int, ...]] = []
        for name, space in agents.items():
            sizes = parts(space)
            if sizes is None:
                raise SpecViolation(f"{name} acts by {space}, not Discrete: wrap the environment")
            if not joint and not isinstance(space, spaces.Discrete):
                raise SpecViolation(
                    f"{name} acts by {space}: --set suite.joint_actions=true numbers its "
                    f"{prod(sizes)} combinations as one discrete action"
                )
            self._parts.append(sizes)
        self._sizes = [prod(sizes) for sizes in self._parts]
        self.count = max(self._sizes) + leaving
        self.can_leave = leaving
        self.noop = self.count - 1 if leaving else None

    def rest(self, row: NDArray[np.bool_]) -> None:
        """Write into a row (U,) of False what an agent may do that is gone, or waits."""
        row[self.noop] = True

    def native(self, agent: int, action: Any) -> Any:
        """Give the environment's own form of an agent's action, a number."""
        space, action = self._spaces[agent], int(action)
        if isinstance(space, spaces.Discrete):
            return int(space.start) + action
        chosen = np.unravel_index(action, self._parts[agent])
        if isinstance(space, spaces.Tuple):
            starts = [each.start for each in space.spaces if isinstance(each, spaces.Discrete)]
            return tuple(int(start + k) for start, k in zip(starts, chosen, strict=True))
        start = space.start if isinstance(space, spaces.MultiDiscrete) else 0
        return (np.reshape(chosen, space.shape or ()) + start).astype(space.dtype)

    def allow(self, agent: int, mask: Any, row: NDArray[np.bool_], ended: bool) -> None:
        """Write what a living agent may do into its row (U,) of False.

        On the step that ends its episode nothing is chosen any more, and an empty mask is none.
        """
        name, size = self._names[agent], self._sizes[agent]
        if mask is None:
            row[:size] = True
            return
        said = np.asarray(mask)
        if said.shape != (size,):
            raise SpecViolation(f"{name}'s {MASK} has shape {said.shape}, its actions are {size}")
        if not np.isin(said, (0, 1)).all():
            raise SpecViolation(f"{name}'s {MASK} is neither 0 nor 1: {said.tolist()}")
        row[:size] = said.astype(np.bool_)
        if not row.any():
            if not ended:
                raise SpecViolation(f"{name}'s {MASK} allows nothing, though it lives on")
            row[:size] = True


def parts(space: Space) -> tuple[int, ...] | None:
    """Give how many values each part of an action has, None if it is not made of numbers."""
    if isinstance(space, spaces.Discrete):
        return (int(space.n),)
    if isinstance(space, spaces.MultiDiscrete):
        return tuple(int(n) for n in space.nvec.ravel())
    if isinstance(space, spaces.MultiBinary):
        return (2,) * prod(space.shape)
    if isinstance(space, spaces.Tuple) and space.spaces:
        inner = [parts(each) for each in space.spaces if isinstance(each, spaces.Discrete)]
        whole = len(inner) == len(space.spaces)
        return tuple(sizes[0] for sizes in inner if sizes) if whole else None
    return None


def content_space(space: Space) -> Space:
    """Give the space of what is seen, without the mask of what may be done.

    A mapping with one other key is what stands there, whatever the key's name.
    """
    if not isinstance(space, spaces.Dict):
        return space
    seen = {key: inner for key, inner in space.spaces.items() if key != MASK}
    if not seen:
        raise SpecViolation(f"an agent sees nothing but its {MASK}: {space}")
    if MASK in space.spaces and len(seen) == 1:
        return next(iter(seen.values()))
    return spaces.Dict(seen)


def content(stated: Space, observation: Any) -> Any:
    """Give what is seen of an observation of this space, without the mask."""
    if not isinstance(observation, Mapping):
        return observation
    if not isinstance(stated, spaces.Dict):  # the mask is given, and not told of in the space
        return observation.get(CONTENT)
    if MASK not in stated.spaces:
        return observation
    seen = [key for key in stated.spaces if key != MASK]
    if len(seen) == 1:
        return observation.get(seen[0])
    return {key: observation.get(key) for key in seen}


def unreadable(space: Space) -> Space | None:
    """Give the first part of a space that is no vector of fixed length, if there is one."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        inner = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        return next((odd for each in inner if (odd := unreadable(each)) is not None), None)
    numbers = spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary
    return None if isinstance(space, numbers) else space


def misfit(space: Space, seen: Any) -> str | None:
    """Say in which way what is seen is not what its space says, None if it fits.

    The numbers of a Box may lie outside of its bounds: rounding takes them there.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(seen, Mapping):
            return f"is {kind(seen)}, its space says {space}"
        if lack := sorted(set(space.spaces) - set(seen)):
            return f"lacks {', '.join(lack)}"
        each = (misfit(inner, seen[key]) for key, inner in space.spaces.items())
        return next(filter(None, each), None)
    if isinstance(space, spaces.Tuple):
        if not isinstance(seen, Sequence) or len(seen) != len(space.spaces):
            return f"is {kind(seen)}, its space says {space}"
        return next(filter(None, map(misfit, space.spaces, seen)), None)
    if seen is None or np.shape(seen) != (space.shape or ()):
        return f"is {kind(seen)}, its space says shape {space.shape}"
    if not isinstance(space, spaces.Box) and not space.contains(seen):
        return f"is {seen!r}, which is not in {space}"
    return None


def kind(value: Any) -> str:
    """Say what a value is in a word, arrays and numbers with their shape."""
    if isinstance(value, np.ndarray | np.generic | int | float):
        return f"of shape {np.shape(value)}"
    return "missing" if value is None else f"a {type(value).__name__}"


def is_image(space: Space) -> bool:
    """Whether observations are images of bytes, with their channels last or first."""
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3


def picture_shape(space: Space) -> tuple[int, ...]:
    """Give (height, width, channels) of an image space."""
    shape = tuple(space.shape or ())
    return (*shape[1:], shape[0]) if channels_first(shape) else shape


def channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an image of three axes has its channels on the first one.

    So it has where there are 1 or 3 on that and not on the last; other numbers (frames in a row,
    say) are taken for channels where they are fewer than the pixels of both sides, 16 or more.

    >>> [channels_first(shape) for shape in ((3, 8, 6), (4, 84, 84), (84, 84, 4), (4, 5, 26))]
    [True, True, False, False]
    """
    if len(shape) != 3 or shape[-1] in CHANNELS:
        return False
    return shape[0] in (1, 3) or (shape[0] < min(shape[1:]) and min(shape[1:]) >= 16)


def parted(space: Space, seen: Any = None) -> list[tuple[Space, Any]]:
    """Give the parts of a space that is a Dict or Tuple, all the way down, with what is seen."""
    if isinstance(space, spaces.Dict):
        inner = [(each, seen and seen[key]) for key, each in space.spaces.items()]
    elif isinstance(space, spaces.Tuple):
        inner = [(each, seen and seen[k]) for k, each in enumerate(space.spaces)]
    else:
        return [(space, seen)]
    return [leaf for each, value in inner for leaf in parted(each, value)]


def planes_of(leaf: Space) -> int:
    """Give how many channels a part takes: those of a picture, or one for each number."""
    return picture_shape(leaf)[-1] if is_image(leaf) else spaces.flatdim(leaf)


def require_bounds(name: str, leaves: Sequence[Space]) -> None:
    """Refuse numbers beside an image that have no bounds to be brightnesses between."""
    for leaf in leaves:
        if isinstance(leaf, spaces.Box) and not is_image(leaf) and not leaf.is_bounded():
            raise SpecViolation(
                f"{name} sees {leaf} beside an image, where numbers are planes between bounds, and "
                "it has none: --set suite.images=false gives all as numbers in a row"
            )


def levels(leaf: Space, seen: Any) -> NDArray[np.uint8]:
    """Give the numbers of a part as brightnesses: 0 at the lower bound, 255 at the upper."""
    flat = np.asarray(spaces.flatten(leaf, seen), np.float64)
    low, high = np.zeros(len(flat)), np.ones(len(flat))
    if isinstance(leaf, spaces.Box):
        low, high = (each.astype(np.float64).ravel() for each in (leaf.low, leaf.high))
    share = (flat - low) / np.where(high > low, high - low, 1.0)
    return np.rint(255 * np.clip(share, 0.0, 1.0)).astype(np.uint8)


def picture(name: str, seen: NDArray[Any]) -> NDArray[np.uint8]:
    """Give an image (height, width, channels) as bytes; refused where bytes cannot hold it."""
    whole = np.issubdtype(seen.dtype, np.integer) and seen.min() >= 0 and seen.max() <= 255
    if seen.dtype != np.uint8 and not whole:
        raise SpecViolation(f"{name}'s image is {seen.dtype}, its space says bytes")
    return (np.moveaxis(seen, 0, -1) if channels_first(seen.shape) else seen).astype(np.uint8)


def mask_of(observation: Any, info: Mapping[str, Any]) -> Any:
    """Give an agent's action mask from where PettingZoo's environments put it, or None."""
    inside = observation.get(MASK) if isinstance(observation, Mapping) else None
    return info.get(MASK) if inside is None else inside
