"""A real Slurm on this machine: munge, a controller and two nodes, as plain processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "unshare")
"""Debian's munge, slurmctld, slurmd and slurm-client."""
NODES = ("n1", "n2")
GPUS = 2
"""Of each node; devices that are none."""
CONFIG = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=10
KillWait=30
MpiDefault=none
GresTypes=gpu
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=4 \
Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=1000 Gres=gpu:{gpus}
PartitionName=low Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes=n[1-2] Default=NO MaxTime=INFINITE State=UP PriorityTier=10
"""


def missing() -> str | None:
    """Why there can be no Slurm here; None if there can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return None if os.geteuid() == 0 else "its nodes' processes want root"


class Slurm:
    """The cluster; partition `high` takes nodes from `low`."""

    def __init__(self, folder: Path) -> None:
        """Start it below a folder of its own."""
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "spool"):
            (folder / name).mkdir()
        first = free_ports(3)
        text = CONFIG.format(
            folder=folder,
            host=socket.gethostname(),
            port=first,
            first=first + 1,
            last=first + 2,
            gpus=GPUS,
        )
        (folder / "slurm.conf").write_text(text)
        for number in range(GPUS):
            os.mknod(folder / f"gpu{number}", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        (folder / "gres.conf").write_text(f"NodeName=n[1-2] Name=gpu File={folder}/gpu[0-1]\n")
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._start_munge()
        self._start("slurmctld", "slurmctld", "-D", "-c")
        for name in NODES:
            self.start_node(name)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid"}
        names |= {"log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={self.folder}/munge.{name}" for option, name in names.items()]
        self._start("munged", "munged", "--foreground", "--force", *options)
        until = time.monotonic() + 10
        while not (self.folder / "munge.socket").exists() and time.monotonic() < until:
            time.sleep(0.1)

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_node(self, name: str) -> None:
        """Start a node's daemon, with a name of host of its own, and wait until it takes jobs."""
        self._start(
            name, "unshare", "--uts", "sh", "-c", f"hostname {name}; exec slurmd -D -N {name}"
        )
        until = time.monotonic() + 30
        while "idle" not in (said := self.run("sinfo", "-h", "-n", name, "-p", "low", "-o", "%T")):
            assert time.monotonic() < until, f"node {name} is {said}"
            time.sleep(0.5)

    def kill_node(self, name: str) -> None:
        """Kill a node's daemon, and that alone: what it started runs on."""
        (pid := self.processes.pop(name)).kill()
        pid.wait()

    def run(self, *command: str) -> str:
        """Run one of Slurm's commands; what it said."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=200, check=False
        )
        return done.stdout + done.stderr

    def fact(self, job: str, name: str) -> str:
        """One of the facts that `scontrol show job` gives."""
        said = self.run("scontrol", "show", "job", job).split()
        return next((word.partition("=")[2] for word in said if word.startswith(f"{name}=")), "")

    def stop(self) -> None:
        """End all jobs and then all that was started."""
        self.run("scancel", "--user", "root")
        until = time.monotonic() + 40
        while self.run("squeue", "-h").strip() and time.monotonic() < until:
            time.sleep(0.5)
        for process in reversed(list(self.processes.values())):
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_ports(number: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    for first in range(17800, 60000, number):
        try:
            for port in range(first, first + number):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise OSError("no ports are free")
