"""TensorBoard: event files in each run's folder; `tensorboard --logdir results` shows them."""

from __future__ import annotations

from collections.abc import Mapping

from marlbench.sinks import Followed, Sink


class Events:
    """Writes event files."""

    def __init__(self, run: Followed) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._file = EventFileWriter(str(run.folder / "sinks" / "tensorboard"))

    def log(self, values: Mapping[str, float], env_steps: int, time: float) -> None:
        """Write an event of these numbers."""
        numbers = [
            self._summary.Value(tag=name, simple_value=value) for name, value in values.items()
        ]
        summary = self._summary(value=numbers)
        self._file.add_event(self._event(wall_time=time, step=env_steps, summary=summary))

    def close(self, status: str) -> None:
        """Write what is left."""
        self._file.close()


TENSORBOARD = Sink(
    "tensorboard",
    "TensorBoard's event files in the runs' folders: tensorboard --logdir results",
    Events,
    requires=("tensorboard",),
    extra="tensorboard",
)
