"""The real simulator, without the learning libraries that its package loads for its bots."""

from __future__ import annotations

import random
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec, module_from_spec
from itertools import cycle, islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench_meltingpot.config import Config
from marlbench_meltingpot.lua_folder import sorted_folder
from marlbench_meltingpot.tasks import PAPER_PLAYERS

__all__ = ["Episode", "Substrate"]

BUILDER = "meltingpot.utils.substrates.builder"
LARGE, NATIVE = 88, 4
"""Side of the pictures that can be had smaller; pixels along a cell that make them so, else 8."""


@cache
def module(name: str) -> ModuleType:
    """Import a module of Melting Pot; RuntimeError if it, or something it needs, is missing.

    The package itself is not executed: it would import TensorFlow for bots that play scenarios.
    """
    try:
        if "meltingpot" not in sys.modules:
            found = find_spec("meltingpot")
            if found is None:
                raise ImportError("no module named 'meltingpot'")
            sys.modules["meltingpot"] = module_from_spec(found)
        with warnings.catch_warnings():  # of what simulators import, about its own future
            warnings.simplefilter("ignore", DeprecationWarning)
            return import_module(name)
    except ImportError as error:
        raise RuntimeError(
            f"cannot import {name} ({error}): marlbench env check meltingpot"
        ) from None


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Let Python's own generator, which some substrates draw their map from, begin at a seed."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


class Substrate:
    """A substrate by name with its players: what it is, and how its episodes begin."""

    def __init__(self, task: str, config: Config) -> None:
        self.task, self.config = task, config
        self._definition = module("meltingpot.configs.substrates").get_config(task)
        self.players = config.players or PAPER_PLAYERS.get(task) or len(self._own_roles)
        side = self._definition.timestep_spec.observation["RGB"].shape[0]
        smaller = side == LARGE and config.image != "full"
        self.halved = smaller and config.image == "half"
        self._pixels = NATIVE if smaller and config.image == "native" else None
        self.side = side // 2 if smaller else side
        self._settings(0)  # tells now whether so many can play

    @property
    def num_actions(self) -> int:
        """U; action 0 does nothing."""
        return len(self._definition.action_set)

    @property
    def simulator(self) -> str:
        """What is simulated, and what of it a picture or an episode depends on."""
        names = ("dm-meltingpot", "dmlab2d")
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
        drawn = f"{self.side}x{self.side}" + (" by 2x2 means" if self.halved else "")
        order = "sorted" if self.config.deterministic else "unsorted"
        return f"{versions}, {self.players} players, {drawn}, {order} tables"

    def begin(self, seed: int) -> Episode:
        """Begin the episode that this seed decides."""
        building, playing = (np.random.SeedSequence(seed).generate_state(2) >> 1).tolist()
        return self.built(building, playing)

    def built(self, building: int, playing: int) -> Episode:
        """Build the simulator afresh, as Melting Pot does too, from two seeds of 31 bits."""
        root = module("dmlab2d.runfiles_helper").find()
        settings = self._settings(building) | {"env_seed": str(building), "logLevel": "ERROR"}
        try:
            lab = module("dmlab2d").Lab2d(root, settings)
            lab.start(0, playing)
        except ValueError as error:
            raise self._refusal(reason(error)) from None
        return Episode(lab, self.players, self._definition.action_set)

    @property
    def _own_roles(self) -> tuple[str, ...]:
        return tuple(self._definition.default_player_roles)

    def _settings(self, seed: int) -> dict[str, str]:
        """Give the simulator's settings; RuntimeError if so many cannot play."""
        builder = module(BUILDER)
        roles = tuple(islice(cycle(self._own_roles), self.players))
        try:
            with drawing_from(seed):
                definition = self._definition.lab2d_settings_builder(
                    roles=roles, config=self._definition
                )
                config_dict = module("ml_collections.config_dict")
                settings = config_dict.ConfigDict(deepcopy(dict(definition))).unlock()
                builder.maybe_build_and_add_avatar_objects(settings)
        except (AssertionError, IndexError, KeyError, ValueError) as error:
            raise self._refusal(str(error)) from error
        settings.maxEpisodeLengthFrames = self.config.episode_length
        if self._pixels:
            settings.spriteSize = self._pixels
        builder.locate_and_overwrite_level_directory(settings)
        if self.config.deterministic:
            settings.levelDirectory = str(sorted_folder(Path(settings.levelDirectory)))
        flat: dict[str, str] = builder.parse_python_settings_for_dmlab2d(settings)
        return flat

    def _refusal(self, why: str) -> RuntimeError:
        own = len(self._own_roles)
        return RuntimeError(
            f"{self.task} does not begin with {self.players} players ({why}); its own number is "
            f"{own}: --set suite.players={own}"
        )


def reason(error: ValueError) -> str:
    """Give the line of Lua's trace that says why."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # without its colours
    found = re.search(r"\.lua:\d+: (.+)", text)
    return found[1] if found else " ".join(text.split())


class Episode:
    """The simulator in mid-episode, read and driven without names."""

    def __init__(self, lab: Any, players: int, action_set: Sequence[Mapping[str, int]]) -> None:
        self._lab, self._players = lab, players
        parts = [name.partition(".") for name in lab.action_discrete_names()]  # "3.move"
        self._who = np.array([int(player) - 1 for player, _, _ in parts])
        self._parts = np.arange(len(parts))
        self._table = np.array(
            [[action[what] for _, _, what in parts] for action in action_set], np.int32
        )  # (U, parts)

    def advance(self, actions: NDArray[np.int64]) -> bool:
        """Play one joint action (A,); give whether the episode goes on."""
        self._lab.act_discrete(self._table[actions[self._who], self._parts])
        status, _ = self._lab.advance()
        return bool(status == module("dmlab2d").RUNNING)

    def images(self) -> NDArray[np.uint8]:
        """(A, height, width, 3)."""
        return np.stack([self._lab.observation(f"{i + 1}.RGB") for i in range(self._players)])

    def rewards(self) -> NDArray[np.float32]:
        """(A,)."""
        seen = [float(self._lab.observation(f"{i + 1}.REWARD")) for i in range(self._players)]
        return np.array(seen, np.float32)

    def world(self) -> NDArray[np.uint8]:
        """The whole map as nobody in it sees it, (height, width, 3)."""
        return np.array(self._lab.observation("WORLD.RGB"))
