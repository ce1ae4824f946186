"""trackio: runs of the project `marlbench` on this machine; `trackio show` draws them.

No extra of ours has it: it wants pandas before 3, and so cannot stand beside our pins.
"""

from __future__ import annotations

from collections.abc import Mapping

from marlbench.sinks import Followed, Sink


class TrackioRun:
    """Logs to one run, which goes on under the same name."""

    def __init__(self, run: Followed) -> None:
        import trackio

        self._run = trackio.init(
            project="marlbench",
            name=run.name.replace("/", "-"),
            group=run.group,
            config=dict(run.settings),
            resume="allow",
            embed=False,
        )

    def log(self, values: Mapping[str, float], env_steps: int, time: float) -> None:
        """Log these numbers at their env steps."""
        self._run.log(dict(values), step=env_steps)

    def close(self, status: str) -> None:
        """Hand on what is left."""
        self._run.finish()


TRACKIO = Sink(
    "trackio",
    "trackio: runs of the project `marlbench`, kept on this machine: trackio show",
    TrackioRun,
    requires=("trackio",),
)
