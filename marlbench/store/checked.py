"""What the files of a run must say for anyone to read them; what else they say is let be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from marlbench.metrics import Metric, recorded

Number = float | None
"""JSON has no NaN: a number that was none is null."""


SHOWN = 20
"""No metric is shown with so many digits behind the point."""


Count = Annotated[int, Field(ge=0, lt=2**62)]
"""Arrays of 64 bits hold it."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


def _moment(time: str) -> str:
    """Raise ValueError for what is no time of day, to the second and with its zone."""
    if datetime.fromisoformat(time).tzinfo is None:
        raise ValueError("it has no time zone")
    return time


class _Wall(_Document):
    seconds: float
    attempt: Count = 0
    time: Annotated[str, AfterValidator(_moment)] = ""


class _Row(_Document):
    env_steps: Count = 0


class Evaluation(_Row):
    """A row of `eval.jsonl`, in today's form."""

    kind: str = "curve"
    step: Count
    episodes: Count = 0
    crashed: Count = 0
    length: Number = None
    lengths: list[Count] = []
    metrics: dict[str, Number]
    values: dict[str, list[Number]] = {}
    wall: _Wall | None = None


class Update(_Row):
    """A row of `train.jsonl`."""

    update: Count
    metrics: dict[str, Number]
    wall: _Wall


class Event(_Row):
    """A row of `events.jsonl`."""

    event: str
    during: str = "training"
    wall: _Wall | None = None
    damaged: list[str] = []


class Progress(_Row):
    """What `progress.json` says."""

    time: float
    steps_per_s: Number = None
    eta_s: Number = None
    replay_gib: Number = None
    copies_gib: Number = None
    free_gib: Number = None
    gpu_free_gib: Number = None
    gpu_peak_gib: Number = None
    scores: dict[str, str] = {}
    place: str = ""
    monotonic: Number = None
    silent_minutes: Number = None


class _Divergence(_Row):
    number: str


class Failure(_Document):
    """What `FAILED` says."""

    reason: str
    diverged: _Divergence | None = None


class _Env(_Document):
    metrics: list[Any] = []
    simulator: str | None = None


class Provenance(_Document):
    """What `provenance.json` says."""

    execution: Literal["decentralised", "communicating", "centralised"] | None = None
    agent_index: Literal["told", "implied", "hidden"] | None = None
    env: _Env = _Env()
    host: str | None = None
    gpu: str | None = None


class Done(_Document):
    """What `DONE` says."""

    files: dict[str, Annotated[list[Count], Field(min_length=2, max_length=2)]] = {}
    """Bytes and CRC-32 of the metric files; older runs did not say."""


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    """Give what checks a list of a kind; building it costs more than checking a run's rows."""
    return TypeAdapter(list[kind])  # type: ignore[valid-type]


def check(kind: type[_Document], document: dict[str, Any], place: str) -> None:
    """Raise ValueError naming place and key where a document is not of its kind."""
    try:
        kind.model_validate(document)
    except ValidationError as error:
        raise ValueError(f"{place}: {_first(error)}") from error


def check_rows(kind: type[_Document], rows: Iterable[dict[str, Any]], file: str) -> None:
    """Raise ValueError naming row and key where a row is not of its kind."""
    try:
        _adapter(kind).validate_python(list(rows))
    except ValidationError as error:
        number = error.errors()[0]["loc"][0]
        raise ValueError(f"{file}, row {int(number) + 1}: {_first(error, 1)}") from error


def check_metrics(provenance: dict[str, Any], place: str) -> None:
    """Raise ValueError where the metrics of an environment cannot be read."""
    try:
        said = [asdict(metric) for metric in recorded(provenance.get("env") or {})]
        _adapter(Metric).validate_python(said)
        if any(not 0 <= metric["digits"] < SHOWN for metric in said):
            raise ValueError(f"digits are 0 to {SHOWN - 1}")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{place}: env.metrics: {error!r}") from error


def _first(error: ValidationError, depth: int = 0) -> str:
    """Give the first key that is wrong, from this depth on, and why."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"][depth:]))
    return ": ".join(filter(None, [key, first["msg"].removeprefix("Value error, ")]))
