"""Data of on-policy learners: the host's rows in, streams of real transitions out.

A host shows every step, `last` ones too; the step after a `last` one is a `first` one, and the
action between the two does nothing. So row k of a copy is a transition only if it is not a
`last` step and row k + 1, where its reward arrives, is not a `first` one. Where an episode was cut
short by a crash, a `first` row may follow any other: mark rows so that no action leads to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import Step
from marlbench.toolbox.normalise import ValueNorm
from marlbench.toolbox.returns import gae
from marlbench.toolbox.settings import OnPolicyConfig

__all__ = ["Notes", "Rollout", "Rows", "Stream", "stream_advantages", "stream_gae"]

SEEN = ("obs", "avail", "alive", "reward", "last", "terminal")
"""What is kept of every step."""

Rows = dict[str, NDArray[Any]]
Notes = dict[str, Tensor]
"""On the learner's device, where they are made and used: they never wait for a way to the host."""


@dataclass(frozen=True)
class Stream:
    """T consecutive transitions of each of E copies, across borders of episodes."""

    now: Rows
    """Each field (T, E, ...), of the rows on which the actions were chosen."""
    next: Rows
    """The fields (T, E, ...) asked for, of the rows that the actions led to."""
    noted: Notes
    """What was noted (T, E, ...) of the rows on which the actions were chosen."""
    next_noted: Notes
    """The notes (T, E, ...) asked for, of the rows that the actions led to."""
    goes_on: NDArray[np.bool_]
    """(T, E): the row that a transition led to is that of the stream's next transition."""


class Rollout:
    """Collects rows of E copies until each copy has T transitions whose outcome is known.

    Copies with fewer ends of episodes collect a little more than T; nothing is lost: what one
    stream leaves begins the next. `note` adds what a learner knows of the rows (log-probabilities,
    say) while its parameters are still those that acted on them.
    """

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps  # T
        self.rows: list[Rows] = []
        self.notes: Notes = {}  # (R', E, ...) of the R' oldest rows
        self.begin = np.zeros(0, np.int64)  # (E,) the first row that is not yet used
        self.complete = np.zeros(0, np.int64)  # (E,) transitions that wait

    def observe(self, step: Step, actions: NDArray[Any], with_state: bool = False) -> None:
        """Keep a training step (E, ...), its state if asked for, and the actions then taken.

        The actions are (E, A, *). What acting knew of the step is not kept: a learner computes it
        again, for `note`.
        """
        agents = step.alive.shape
        assert actions.shape[:2] == agents, f"actions {actions.shape}, agents {agents}"
        row = {name: getattr(step, name) for name in (*SEEN, *(("state",) if with_state else ()))}
        first = step.first | step.info.get("crashed", False)  # no action leads to a cut
        self.add(row | {"first": first, "action": actions})

    def add(self, row: Mapping[str, NDArray[Any]]) -> None:
        """Append a copy of one row: fields (E, ...), `first` and `last` (E,) bool among them."""
        if self.rows:
            self.complete = self.complete + ~(self.rows[-1]["last"] | row["first"])
        else:
            self.begin = np.zeros(len(row["first"]), np.int64)
            self.complete = np.zeros(len(row["first"]), np.int64)
        self.rows.append({name: np.array(field) for name, field in row.items()})

    @property
    def ready(self) -> bool:
        """Whether every copy has T transitions."""
        return bool(self.rows) and bool((self.complete >= self.num_steps).all())

    def unnoted(self) -> Rows:
        """All fields (R, E, ...) of the rows that have no notes yet."""
        noted = len(next(iter(self.notes.values()), ()))
        return stacked(self.rows[noted:])

    def note(self, notes: Notes) -> None:
        """Add fields (R, E, ...) to the rows that have no notes yet."""
        before = self.notes or {name: field[:0] for name, field in notes.items()}
        # a run may go on elsewhere than where its first notes were made
        self.notes = {
            name: torch.cat([before[name].to(field.device), field]) for name, field in notes.items()
        }

    def take(self, next_names: Sequence[str]) -> Stream:
        """Give each copy's oldest T transitions, notes included, and forget them."""
        rows = stacked(self.rows)  # (R, E, ...)
        now = self.transitions(rows)  # (T, E)
        copies = np.arange(now.shape[1])
        stream = Stream(
            now={name: field[now, copies] for name, field in rows.items()},
            next={name: rows[name][now + 1, copies] for name in next_names if name in rows},
            noted={name: picked(field, now) for name, field in self.notes.items()},
            next_noted={
                name: picked(self.notes[name], now + 1) for name in next_names if name not in rows
            },
            goes_on=np.diff(now, axis=0, append=-1) == 1,
        )
        self.forget(now[-1] + 1)
        return stream

    def transitions(self, rows: Rows) -> NDArray[np.int64]:
        """Row numbers (T, E) of each copy's oldest T transitions."""
        unused = np.arange(len(rows["last"]) - 1)[:, None] >= self.begin  # (R - 1, E)
        real = unused & ~rows["last"][:-1] & ~rows["first"][1:]  # (R - 1, E)
        return np.stack([np.flatnonzero(column)[: self.num_steps] for column in real.T], 1)

    def forget(self, begin: NDArray[np.int64]) -> None:
        """Let copy e's next stream begin at row begin[e]; drop the rows that no copy needs."""
        dropped = int(begin.min())
        self.rows = self.rows[dropped:]
        self.notes = {name: field[dropped:].clone() for name, field in self.notes.items()}
        self.begin = begin - dropped
        self.complete = self.complete - self.num_steps

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on exactly."""
        return {
            "rows": stacked(self.rows),
            "notes": self.notes,
            "begin": self.begin,
            "complete": self.complete,
        }

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Go on from what `state_dict` gave."""
        self.rows = unstacked(state["rows"])
        self.notes = {name: torch.as_tensor(field) for name, field in state["notes"].items()}
        self.begin, self.complete = state["begin"], state["complete"]


def stacked(rows: Sequence[Rows]) -> Rows:
    """Fields (R, E, ...) of R rows; none if there are no rows."""
    return {name: np.stack([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def unstacked(rows: Rows) -> list[Rows]:
    """R rows from fields (R, E, ...)."""
    count = len(next(iter(rows.values()), ()))
    return [{name: field[index] for name, field in rows.items()} for index in range(count)]


def picked(field: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """Of a field (R, E, ...) the rows (T, E) of each copy: (T, E, ...)."""
    copies = torch.arange(rows.shape[1], device=field.device)
    return field[torch.from_numpy(rows).to(field.device), copies]


def stream_advantages(
    stream: Stream, value_norm: ValueNorm, config: OnPolicyConfig
) -> tuple[Tensor, Tensor]:
    """Advantages (T, E, C, G) and values (T, E, C, 1) in units of reward, on the norm's device.

    A value (T, E, C), in normalised units, serves the G = A / C agents of its group. A real end is
    worth nothing, and so is a time-out unless `bootstrap_timeouts`; the cut after T steps is worth
    the next row's value. A dead agent goes on to collect reward.
    """

    def tensor(array: NDArray[Any]) -> Tensor:
        return torch.as_tensor(array, device=value_norm.mean.device)

    value, next_value = (
        value_norm.denormalise(notes["value"])[..., None]
        for notes in (stream.noted, stream.next_noted)
    )  # (T, E, C, 1)
    end = stream.next["terminal" if config.bootstrap_timeouts else "last"]  # (T, E)
    bootstrap = config.gamma * next_value * tensor(~end)[..., None, None]
    discount = config.gamma * tensor(stream.goes_on)[..., None, None]  # (T, E, 1, 1)
    reward = tensor(stream.next["reward"]).unflatten(2, (value.shape[2], -1))  # (T, E, C, G)
    return stream_gae(reward, discount, value, bootstrap, config.gae_lambda), value


def stream_gae(
    reward: Tensor, discount: Tensor, value: Tensor, bootstrap: Tensor, lambda_: float
) -> Tensor:
    """Advantages (T, ...) along a stream of transitions that crosses borders of episodes.

    `discount` (T, ...) is gamma where the stream goes on from the row that a transition led to,
    0 elsewhere: there `bootstrap` (T, ...), the discounted worth of that row, ends the sum (0
    after a real end). `reward` and `value` are (T, ...).

    >>> reward, value = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0])
    >>> stream_gae(reward, torch.tensor([0.5, 0.0]), value, torch.tensor([9.0, 4.0]), 1.0)
    tensor([3.5000, 5.0000])
    """
    reward = reward + bootstrap * (discount == 0)
    return gae(reward, discount, torch.cat([value, value[-1:]]), lambda_)
