"""Copies of an environment shared out among processes of their own."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from marlbench.processors import granted
from marlbench.vecenv.block import Block
from marlbench.vecenv.process import EnvProcess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import Env, EnvSpec, Step, Suite


class Elsewhere:
    """A copy that lives in another process, as a `SplitEnv`."""

    def __init__(self, process: EnvProcess, verb: str, pickled: bytes) -> None:
        """Let the process build it, or take it out of its pickle; `spec` waits for that."""
        self._process, self._number = process, process.admit()
        self._built: tuple[EnvSpec, Block] | Exception | None = None
        process.ask(self._number, verb, pickled)

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the task; raises what building raised."""
        return self._there()[0]

    def send_reset(self, seed: int) -> None:
        """Ask for `reset` and do not wait."""
        self._there()
        self._process.ask(self._number, "reset", seed)

    def send_step(self, actions: NDArray[Any]) -> None:
        """Ask for `step` and do not wait."""
        self._process.ask(self._number, "step", actions)

    def receive(self) -> Step:
        """Wait for what was asked last."""
        return self._there()[1].take(self._process.answer(self._number))

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides."""
        self.send_reset(seed)
        return self.receive()

    def step(self, actions: NDArray[Any]) -> Step:
        """Play one joint action (A,)."""
        self.send_step(actions)
        return self.receive()

    def pickled(self) -> bytes:
        """Give the pickle of the copy as it stands."""
        self._process.ask(self._number, "pickled", None)
        answer: bytes = self._process.answer(self._number)
        return answer

    def close(self) -> None:
        """Free what the simulator holds."""
        self._process.dismiss(self._number)

    def _there(self) -> tuple[EnvSpec, Block]:
        """Wait until it is built; raises, again and again, what building raised."""
        if self._built is None:
            try:
                spec, begin, size = self._process.answer(self._number)
                self._built = spec, Block(spec, self._process.shared(begin, size))
            except Exception as error:  # noqa: BLE001 - an environment may raise anything
                self._built = error
        if isinstance(self._built, Exception):
            raise self._built
        return self._built


class Crew:
    """Processes that share copies: a new one goes where the fewest live.

    Which process a copy lives in changes nothing that it answers. A process that ended is
    replaced when the next copy comes.
    """

    def __init__(self, count: int) -> None:
        """Start so many processes."""
        self._processes = [EnvProcess() for _ in range(count)]

    def builder(self, make: Callable[[], Env]) -> Callable[[], Elsewhere]:
        """Give what makes a copy by this function in a process.

        Raises ValueError where the function cannot be sent there.
        """
        try:
            pickled = pickle.dumps(make)
        except Exception as error:
            raise ValueError(
                f"this environment cannot be built in another process ({error}): "
                "--set run.env_processes=0"
            ) from error
        return lambda: Elsewhere(self._emptiest(), "build", pickled)

    def revive(self, pickled: bytes) -> Elsewhere:
        """Give a copy out of its pickle, in a process."""
        return Elsewhere(self._emptiest(), "revive", pickled)

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.close()

    def _emptiest(self) -> EnvProcess:
        number = min(range(len(self._processes)), key=lambda k: self._processes[k].load)
        if self._processes[number].ended:
            self._processes[number] = EnvProcess()
        return self._processes[number]


def crew_for(suite: Suite, asked: int | Literal["auto"], copies: int) -> Crew | None:
    """Start as many processes as a run asks for, no more than it has copies; None for none.

    `auto`: one per core that the run may keep busy where steps take long. Learner and copies take
    turns, so they share the cores. Raises ValueError where a suite's copies cannot be parted.
    """
    count = asked
    if asked == "auto":
        count = granted() if suite.slow_steps and granted() > 1 else 0
    elif asked and suite.build_vector is not None:
        raise ValueError(
            f"the suite {suite.name!r} steps its copies as one: --set run.env_processes=0"
        )
    return Crew(min(int(count), copies)) if count else None
