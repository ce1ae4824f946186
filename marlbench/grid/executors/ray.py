"""Ray as an executor: an actor on every node starts local processes there.

The queue is here, so that no node idles while runs wait. The runs of a node that is lost go on
elsewhere, from the checkpoints in the results folder, which all nodes have to share.
"""

from __future__ import annotations

import asyncio
import logging
import math
import subprocess
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marlbench.errors import UserError, one_line
from marlbench.executors import Executor, Outcome, Resources, Watcher
from marlbench.exit_codes import ExitCode
from marlbench.grid import node
from marlbench.grid.following import Follower
from marlbench.grid.slots import gpus
from marlbench.installation import pip_install
from marlbench.needs import importable
from marlbench.plugin import Config

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["RAY", "Settings"]

ATTEMPTS = 3
"""Local schedulers that a run, and actors that a node may use up by their dying."""
LOOK = 5.0
"""Seconds between two looks for nodes that joined."""
BELOW = ("sh", "-c", '"$@"; exit $?', "sh")
"""A shell between actor and local scheduler: Ray kills the children of an actor that ends, and them
alone, so that nobody would end the runs. The scheduler sees its input end and stops them."""
GRACE = 30.0
"""Seconds that the nodes have to stop: more than their local schedulers give to workers."""


class Settings(Config):
    """Which Ray cluster to use."""

    address: str = "auto"
    """Address of the cluster; `auto`: RAY_ADDRESS, or the one that this machine is part of."""


class Node:
    """The actor: starts processes where it lives, each with a GPU, its part of one, or none."""

    def __init__(self, places: int, runs_per_gpu: int) -> None:
        shared = [gpu for _ in range(runs_per_gpu) for gpu in gpus()]
        self._free = shared[:places] or [""] * places
        self._playing: set[subprocess.Popen[bytes]] = set()

    async def ready(self) -> None:
        """Answer, so that one knows that the actor has its place."""

    async def play(self, share: node.Share) -> int:
        """Play a run to its end; give the exit code of the local scheduler."""
        gpu = self._free.pop()
        told = {**share.environment, "CUDA_VISIBLE_DEVICES": gpu}
        process = node.start(replace(share, environment=told), subprocess.DEVNULL, BELOW)
        self._playing.add(process)
        try:
            while (code := process.poll()) is None:
                await asyncio.sleep(0.2)
            return code
        finally:
            self._playing.discard(process)
            self._free.append(gpu)

    async def stop(self) -> None:
        """Ask all that is played here to stop; `play` gives how each ended."""
        for process in self._playing:
            if process.stdin is not None:
                process.stdin.close()


@dataclass
class Room:
    """What a node has room for."""

    number: str
    """Ray's name for the node."""
    address: str
    places: int
    """Runs at a time."""
    gpus: float
    """GPUs for all of them; less than one is a part of one."""
    cpus: int


@dataclass
class Queue:
    """The runs that wait, those that nodes play, and the nodes."""

    ray: ModuleType
    resources: Resources
    follower: Follower
    waiting: deque[Path]
    rooms: dict[Any, Room] = field(default_factory=dict)
    """By actor."""
    starting: dict[Any, Any] = field(default_factory=dict)
    """Actors that wait for their resources, by what they will answer."""
    playing: dict[Any, tuple[Any, Path]] = field(default_factory=dict)
    """Actor and run, by what will be its exit code."""
    deaths: Counter[Path] = field(default_factory=Counter)
    """Local schedulers that died, by run."""
    losses: Counter[str] = field(default_factory=Counter)
    """Actors that were lost, by node."""
    why: str = "ray status"
    """What is known of the last loss."""

    def add_nodes(self) -> None:
        """Start an actor on every node that has none, but where they die."""
        there = {room.number for room in self.rooms.values()}
        there |= {number for number, losses in self.losses.items() if losses >= ATTEMPTS}
        taken = sum(room.places for room in self.rooms.values())
        for room in rooms(self.ray.nodes(), self.resources, there, taken):
            actor = _actor(self.ray, room, self.resources)
            self.rooms[actor] = room
            self.starting[actor.ready.remote()] = actor

    def deal(self) -> None:
        """Give every free place a run, first where most are free."""
        asleep = set(self.starting.values())
        free = {actor: room.places for actor, room in self.rooms.items() if actor not in asleep}
        for actor, _ in self.playing.values():
            free[actor] -= 1
        for _ in range(min(sum(free.values()), len(self.waiting))):
            actor, folder = max(free, key=lambda each: free[each]), self.waiting.popleft()
            one = node.Share.of([folder], replace(self.resources, workers=1, runs_per_gpu=1))
            self.playing[actor.play.remote(one)] = actor, folder
            free[actor] -= 1

    def collect(self, seconds: float) -> None:
        """Wait so long for anything to end, and see what became of it."""
        pending = [*self.starting, *self.playing]
        if not pending:
            time.sleep(seconds)
            return
        ready, _ = self.ray.wait(pending, timeout=seconds)
        for answer in ready:
            actor = self.starting.get(answer) or self.playing[answer][0]
            try:
                code = self.ray.get(answer)
            except self.ray.exceptions.RayError as error:
                self._lose(actor, error)
                return
            if self.starting.pop(answer, None) is None:
                self._ended(self.playing.pop(answer)[1], code)

    def _ended(self, folder: Path, code: int) -> None:
        """Leave it to the run's files how it ended, but for a scheduler that was killed."""
        self.deaths[folder] += 1
        said = f"its local scheduler ended with code {code}"
        if code == ExitCode.OK:
            self.follower.settle([folder], "its local scheduler left it unfinished", stopped=False)
        elif code == ExitCode.INTERRUPTED:
            self.follower.settle([folder], "interrupted from outside; run again to go on", True)
        elif self.deaths[folder] < ATTEMPTS:
            self._again(folder, said)
        else:
            self.follower.settle([folder], f"{said}, in each of {ATTEMPTS} attempts", stopped=False)

    def _lose(self, actor: Any, error: Exception) -> None:
        """Let others play what a lost node, or one where nothing can be started, played."""
        room = self.rooms.pop(actor)
        self.losses[room.number] += 1
        self.why = f"{room.address}: {one_line(error)}"
        self.starting = {key: each for key, each in self.starting.items() if each != actor}
        lost = {key: folder for key, (each, folder) in self.playing.items() if each == actor}
        for answer, folder in lost.items():
            del self.playing[answer]
            self._again(folder, f"the node {room.address} was lost")

    def _again(self, folder: Path, reason: str) -> None:
        self.waiting.appendleft(folder)
        self.follower.watcher.retrying(folder, reason, 0.0)

    def stop(self) -> None:
        """Let all runs write their checkpoints."""
        self.follower.watcher.stopping(len(self.playing), GRACE)
        for actor in self.rooms:
            actor.stop.remote()
        until = time.monotonic() + GRACE
        while self.playing and time.monotonic() < until:
            self.collect(0.2)
            self.follower.watcher.tick()


def rooms(
    nodes: Iterable[dict[str, Any]], resources: Resources, there: Iterable[str], taken: int
) -> list[Room]:
    """Give the room that living nodes offer besides those that are there, which have some taken.

    Where any node has a GPU, those without are left to others.
    """
    living = [each for each in nodes if each["Alive"]]
    on_gpus = resources.device != "cpu" and any(_count(each, "GPU") for each in living)
    left = math.inf if resources.workers is None else resources.workers - taken
    found, shared = [], _runs_per_gpu(resources)
    for each in living:
        fit = _count(each, "GPU") * shared
        fit = fit if on_gpus else _count(each, "CPU") // resources.threads
        places = int(min(fit, left))
        if each["NodeID"] in there or places < 1:
            continue
        left -= places
        part = places / shared if on_gpus else 0
        cpus = min(places * resources.threads, _count(each, "CPU"))
        where = each["NodeManagerAddress"]
        gpu = part if part < 1 else math.ceil(part)
        found.append(Room(each["NodeID"], where, places, gpu, cpus))
    return found


def _runs_per_gpu(resources: Resources) -> int:
    """Give the runs that share a GPU; UserError for `auto`: Ray is told their parts beforehand."""
    if resources.runs_per_gpu == "auto":
        raise UserError(
            "--executor ray deals out parts of GPUs that are known beforehand: --runs-per-gpu N"
        )
    return resources.runs_per_gpu


def _count(each: dict[str, Any], resource: str) -> int:
    return int(each["Resources"].get(resource, 0))


def _actor(ray: ModuleType, room: Room, resources: Resources) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id=room.number, soft=False)
    options = {"num_cpus": room.cpus, "num_gpus": room.gpus, "scheduling_strategy": there}
    shared = _runs_per_gpu(resources) if room.gpus else 0
    return ray.remote(Node).options(**options).remote(room.places, shared)


def connected(resources: Resources) -> ModuleType:
    """Give ray, connected to the cluster; raises UserError where there is none."""
    if not importable("ray"):
        raise UserError(f"the executor 'ray' needs ray: {pip_install('ray')}")
    import ray

    settings = resources.settings
    address = settings.address if isinstance(settings, Settings) else "auto"
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"--executor ray: no cluster at {address} ({one_line(error)}): ray start --head "
                "begins one, --set ray.address=HOST:PORT names another"
            ) from error
    return ray


def slot_names(resources: Resources) -> list[str]:
    """Name the places of all nodes; raises UserError where there is no cluster or no room."""
    found = rooms(connected(resources).nodes(), resources, (), 0)
    if resources.device == "cuda" and not any(room.gpus for room in found):
        raise UserError("run.device is cuda, but no node shows a GPU; leave it at auto or cpu")
    if not found:
        raise UserError(f"no node of the Ray cluster has {resources.threads} cores (ray status)")
    return [
        f"{'gpu' if room.gpus else 'cpu'} {place} of {room.address}"
        for room in found
        for place in range(room.places)
    ]


def run(folders: Sequence[Path], resources: Resources, watcher: Watcher) -> Outcome:
    """Play the runs of these folders on the nodes of the cluster."""
    follower = Follower(folders, watcher)
    queue = Queue(connected(resources), resources, follower, deque(folders))
    due = 0.0
    try:
        while follower.open:
            if time.monotonic() >= due:
                due = time.monotonic() + LOOK
                queue.add_nodes()
                if not queue.rooms:
                    said = f"no node is left ({queue.why}); run again to go on"
                    follower.settle(folders, said, stopped=True)
            queue.deal()
            queue.collect(0.2)
            follower.look()
    except KeyboardInterrupt:
        queue.stop()
        return replace(follower.outcome(), interrupted=True)
    finally:
        queue.ray.shutdown()
    return follower.outcome()


RAY = Executor("ray", "the nodes of a Ray cluster", run, slot_names, Settings)
