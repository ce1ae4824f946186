"""Slurm as an executor: every allocation plays its share of the runs with the local executor.

Submitit writes the scripts. A job that is pre-empted, whose node fails or whose time is up is
queued again under its number, and goes on with what is not done. Whoever submitted only follows: it
may end at any time, and the same command follows the jobs again.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from pydantic import Field

from marlbench.errors import UserError
from marlbench.executors import Executor, Outcome, Resources, Watcher
from marlbench.grid import node
from marlbench.grid.following import Follower
from marlbench.grid.shards import dealt
from marlbench.installation import pip_install
from marlbench.needs import importable
from marlbench.plugin import Config
from marlbench.store.files import replace_json

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission

__all__ = ["SLURM", "Allocation", "Settings"]

PLACE = ".slurm"
"""Folder below the results: scripts and logs of jobs, and which runs each of them plays."""
JOB = "job.json"
LOOK = 5.0
"""Seconds between two questions to Slurm."""
PYTHON = f"""bash -c 'trap "" USR2; exec "$@"' - {shlex.quote(sys.executable)} -P"""
"""Python as jobs start it: a notice that comes before submitit hears it must not kill the job."""
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL"}
ENDED |= {"DEADLINE", "OUT_OF_MEMORY", "REVOKED", "GONE"}
BROKEN = {"FAILED", "BOOT_FAIL", "OUT_OF_MEMORY"}
"""States of jobs that would only end so again."""


class Settings(Config):
    """What to ask Slurm for; what is null is left to the cluster."""

    allocations: int = Field(default=1, ge=1)
    """Jobs that share the runs, each on one node."""
    minutes: int = Field(default=1440, ge=1)
    """Time limit of an allocation, after which it is queued again and goes on."""
    notice: int = Field(default=120, ge=1)
    """Seconds before the time limit at which runs stop with a checkpoint."""
    requeues: int = Field(default=100, ge=0)
    """How often an allocation may reach its time limit."""
    cpus: int | None = Field(default=None, ge=1)
    """Cores of an allocation; null: one for each thread of its runs."""
    gpus: int = Field(default=0, ge=0)
    """GPUs of an allocation."""
    memory_gib: int | None = Field(default=None, ge=1)
    """Memory of an allocation in GiB."""
    partition: str | None = None
    """Partition to wait in."""
    account: str | None = None
    """Account to charge."""
    qos: str | None = None
    """Quality of service."""
    options: dict[str, Any] = Field(default={})
    """Further options of sbatch by their long names, such as {constraint = "a100"}."""


class Allocation:
    """What a job does: play a share, and be queued again when it is told that its time is up."""

    def __init__(self, share: node.Share) -> None:
        self.share = share
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Play the share on this node; give the exit code."""
        self._process = node.start(self.share)
        return self._process.wait()

    def checkpoint(self) -> DelayedSubmission:
        """Stop in order and give what the job does when it begins again: submitit's contract."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            node.stop(self._process)
        return DelayedSubmission(Allocation(self.share))


@dataclass(frozen=True)
class Job:
    """A job that plays runs."""

    number: str
    folders: tuple[Path, ...]
    place: Path
    """Its folder, with script and log."""

    @property
    def log(self) -> Path:
        """Give what it said."""
        return self.place / f"{self.number}_0_log.out"


def slot_names(resources: Resources) -> list[str]:
    """Name the slots of all allocations; raises UserError where there is no Slurm."""
    if not importable("submitit"):
        raise UserError(f"the executor 'slurm' needs submitit: {pip_install('slurm')}")
    for program in ("sbatch", "squeue", "srun"):
        if shutil.which(program) is None:
            raise UserError(
                f"--executor slurm: there is no {program} here; run this where jobs are submitted, "
                "or use --shard auto in a job script (docs/clusters.md)"
            )
    settings = _settings(resources)
    kind = "gpu" if settings.gpus else "cpu"
    runs = range(_runs(settings, resources))
    return [
        f"{kind} {each} of job {job + 1}" for job in range(settings.allocations) for each in runs
    ]


def run(folders: Sequence[Path], resources: Resources, watcher: Watcher) -> Outcome:
    """Submit jobs for the runs that no earlier job of ours still plays, and follow all of them."""
    settings, place = _settings(resources), folders[0].absolute().parents[3] / PLACE
    place.mkdir(exist_ok=True)
    follower = Follower(folders, watcher)
    jobs = _alive(place, folders)
    taken = {folder for job in jobs for folder in job.folders}
    rest = [folder for folder in folders if folder not in taken]
    jobs += [
        _submit(place, part, settings, resources)
        for part in dealt(rest, settings.allocations, lambda folder: folder.parent)
        if part
    ]
    numbers = " ".join(job.number for job in jobs)
    print(f"Slurm jobs {numbers}, logs in {place}; they go on without this command", flush=True)
    try:
        _follow(jobs, follower)
    except KeyboardInterrupt:
        print(f"the jobs go on; scancel {numbers} stops them", flush=True)
        return replace(follower.outcome(), interrupted=True)
    return follower.outcome()


def _follow(jobs: Sequence[Job], follower: Follower) -> None:
    """Follow jobs until every one has ended or has no open run left."""
    due, last = 0.0, dict[str, tuple[str, str]]()
    while open_jobs := [job for job in jobs if follower.open.keys() & job.folders]:
        follower.look()
        if time.monotonic() >= due:
            due, now = time.monotonic() + LOOK, _states([job.number for job in open_jobs])
            for job in (job for job in open_jobs if job.number in now):
                state, before = now[job.number], last.get(job.number)
                if state != before:
                    print(f"job {job.number}: {' '.join(state).strip()}", flush=True)
                elif state[0] in ENDED:  # seen twice: it stays so
                    _settle(job, state[0], follower)
            last |= now
        time.sleep(0.2)


def _settle(job: Job, state: str, follower: Follower) -> None:
    """Say of the runs that a job left open how it ended."""
    said = f"job {job.number} ended as {state}, see {job.log}"
    stopped = state not in BROKEN
    again = "; run again to go on" if stopped else ""
    follower.settle(job.folders, said + again, stopped)


def _settings(resources: Resources) -> Settings:
    settings = resources.settings
    return settings if isinstance(settings, Settings) else Settings()


def _runs(settings: Settings, resources: Resources) -> int:
    """Give the runs at a time of an allocation; raises UserError if nothing says how many."""
    if settings.gpus:
        fit = _fit(settings, resources)
        return min(resources.workers or fit, fit)
    if resources.device == "cuda":
        raise UserError("run.device is cuda, but no GPU is asked for: --set slurm.gpus=1 or more")
    if resources.workers is None and settings.cpus is None:
        raise UserError(
            "--executor slurm: how large is an allocation? --workers N, --set slurm.cpus=N "
            "or --set slurm.gpus=N"
        )
    return resources.workers or max(1, (settings.cpus or 1) // resources.threads)


def _fit(settings: Settings, resources: Resources) -> int:
    """Give the runs that the GPUs of an allocation take; where memory decides, at most."""
    if resources.runs_per_gpu != "auto":
        return settings.gpus * resources.runs_per_gpu
    most = settings.cpus // resources.threads if settings.cpus else resources.workers
    if most is None:
        raise UserError(
            "--executor slurm --runs-per-gpu auto: how many cores is an allocation to have? "
            "--set slurm.cpus=N, or --workers N for at most so many runs"
        )
    return max(1, most)


def parameters(settings: Settings, resources: Resources) -> dict[str, Any]:
    """Give what submitit is told of an allocation."""
    runs = _runs(settings, resources)
    asked = {
        "mem": f"{settings.memory_gib}G" if settings.memory_gib else None,
        "partition": settings.partition,
        "account": settings.account,
        "qos": settings.qos,
        "gpus_per_node": settings.gpus or None,
    }
    return {
        "job_name": "marlbench",
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": settings.cpus or runs * resources.threads,
        "time": settings.minutes,
        "signal_delay_s": settings.notice,
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True, **settings.options},
        **{name: value for name, value in asked.items() if value is not None},
    }


def _submit(place: Path, folders: Sequence[Path], settings: Settings, granted: Resources) -> Job:
    """Submit a job for these runs; raises UserError with what sbatch says."""
    import submitit

    own = Path(mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=place))  # ours alone: pickles
    slurm = submitit.SlurmExecutor(own, max_num_timeout=settings.requeues, python=PYTHON)
    share = node.Share.of(folders, replace(granted, workers=_runs(settings, granted)))
    try:
        slurm.update_parameters(**parameters(settings, granted))
        job = slurm.submit(Allocation(share))
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise UserError(f"--executor slurm: {' '.join(lines[-1:])}") from error
    replace_json(own / JOB, {"job": job.job_id, "folders": share.folders})
    return Job(job.job_id, tuple(folders), own)


def _alive(place: Path, folders: Sequence[Path]) -> list[Job]:
    """Give the jobs of an earlier command that still play, or wait to play, any of these runs."""
    wanted, jobs = {str(folder.absolute()): folder for folder in folders}, []
    for file in sorted(place.glob(f"*/{JOB}")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(file.read_bytes())
            theirs = tuple(wanted[each] for each in told["folders"] if each in wanted)
            jobs += [Job(str(int(told["job"])), theirs, file.parent)] if theirs else []
    states = _states([job.number for job in jobs])
    return [job for job in jobs if states.get(job.number, ("GONE", ""))[0] not in ENDED]


def _states(numbers: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Ask Slurm for the states of jobs, each with what it waits for in brackets.

    `GONE` is one that Slurm no longer knows. Nothing is known while the controller does not answer.
    """
    if not (asked := list(numbers)):
        return {}
    command = ["squeue", "--noheader", "--states=all", "--format=%A %T (%r)", "--jobs"]
    try:
        told = subprocess.run(
            [*command, ",".join(asked)], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if told.returncode and "Invalid job id" not in told.stderr:
        return {}
    lines = [line.split(maxsplit=2) for line in told.stdout.splitlines()]
    found = {number: (state, why * (state == "PENDING")) for number, state, why in lines}
    return {number: found.get(number, ("GONE", "")) for number in asked}


SLURM = Executor("slurm", "jobs of a Slurm cluster, each on one node", run, slot_names, Settings)
