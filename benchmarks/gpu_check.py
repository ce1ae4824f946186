"""The one call for a machine with one GPU: is it the same there, how fast is it, does it learn?

`python benchmarks/gpu_check.py [--minutes 9]` from a checkout. Whatever the project depends on must
be there to import; the project itself need not be installed, and nothing is fetched. It says all
as it goes, keeps to its time and leaves out, with a word, what no longer fits:

1. the machine;
2. equality: learners make the same update on the CPU and on the GPU (`marlbench.bench.devices`
   has the tolerances), and runs that were checkpointed on the CPU go on to their end on the GPU;
3. tables: training steps by phase beside the plain loops, then every learner's update;
4. DMAWM learns skirmish/5v6 with `quick` and with the paper's widths, at once, until time is up.

It ends with 1 if anything differed or failed. `--device cpu --tiny` tries the check itself in
seconds, with QMIX in DMAWM's place where that is quicker.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (ROOT, ROOT / "algorithms", ROOT / "envs")
WIDTHS = {
    "deter": 512, "latents": 32, "classes": 32, "units": 1024, "posterior_layers": 2, "layers": 3,
    "heads": 8, "feedforward": 4, "decoder_units": 1024, "policy_units": 256, "bins": 255,
    "model_lr": 1e-3,
}  # fmt: skip
"""The paper's widths over `quick`'s loops; a third of its step size, as the networks are larger."""

INTERRUPTED = (130, -signal.SIGINT, -signal.SIGKILL)
"""How a command ends that was told to."""

LOG = "said.txt"


@dataclass
class Check:
    """The time that there is, what is run in it, and what went wrong."""

    device: str
    tiny: bool
    minutes: float
    python: str
    """The interpreter that can import the project."""
    environment: dict[str, str]
    began: float = field(default_factory=time.monotonic)
    wrong: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def left(self) -> float:
        """Give the seconds that are left."""
        return 60 * self.minutes - (time.monotonic() - self.began)

    def say(self, line: str) -> None:
        """Print a line behind the second of the check at which it is said."""
        print(f"[{time.monotonic() - self.began:5.0f} s] {line}", flush=True)

    def run(self, title: str, needs: float, *arguments: str, keep: float = 0.0) -> None:
        """Run a module and say line by line what it says.

        Left out if fewer than `needs` seconds are there, those aside that are to `keep`.
        """
        if self.left() - keep < needs:
            self.skipped.append(title)
            self.say(f"{title}: left out, {self.left():.0f} s are left")
            return
        self.say(title)
        child = self.start(*arguments)
        assert child.stdout is not None
        signal.setitimer(signal.ITIMER_REAL, max(1.0, self.left() - keep))
        try:
            for line in child.stdout:
                self.say(f"  {in_words(line.rstrip())}")
        except TimeoutError:
            self.skipped.append(title)
            self.say(f"  {title}: stopped, its time is up")
            return stop(child)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if child.wait():
            self.wrong.append(title)
            self.say(f"  {title}: ended with {child.returncode}")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a module; what it says is on its output, mistakes too."""
        return subprocess.Popen(
            [self.python, "-P", "-u", "-m", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def reachable(place: Path) -> dict[str, str]:
    """Give an environment in which the checkout is as good as installed.

    Plugins are found by metadata, which a checkout that was never installed has not: it is made
    from pyproject.toml.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    metadata = place / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    named = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(named, "utf-8")
    plugins = project["entry-points"]["marlbench"]
    lines = [f"{name} = {module}" for name, module in plugins.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[marlbench]", *lines, ""]), "utf-8")
    path = [str(place), *map(str, SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(path),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }


def equality(check: Check, keep: float) -> None:
    """Compare updates and actions; let runs that began on the CPU end on the GPU."""
    names = ["qmix"] if check.tiny else []
    title = f"the same updates on the CPU and on {check.device}"
    check.run(title, 20, "marlbench.bench.devices", check.device, *names, keep=keep)
    with tempfile.TemporaryDirectory() as results:
        learners = "qmix" if check.tiny else "dmawm,qmix,mappo"
        steps = (30, 60) if check.tiny else (300, 600)
        for device, until in zip(("cpu", check.device), steps, strict=True):
            words = ["run", "--algo", learners, "--suite", "skirmish", "--preset", "smoke"]
            words += ["--seeds", "1", "--steps", str(until), "--results", results]
            words += ["--set", f"run.device={device}"]
            title = f"runs on {device} up to {until} env steps"
            check.run(title, 20, "marlbench", *words, keep=keep)
        if title in check.skipped:
            return
        for folder in sorted(Path(results).glob("*/*/*/seed_*")):
            check.say(f"  {folder.parent.name}: {went_on(check, folder)}")


def went_on(check: Check, folder: Path) -> str:
    """Say whether a run went on from its checkpoint, and on what."""
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    resumed = [event["env_steps"] for event in events if event["event"] == "resumed"]
    devices = [event["device"] for event in events if event["event"] == "attempt"]
    if not (folder / "DONE").exists() or not any(resumed) or devices[-1] != check.device:
        check.wrong.append(f"{folder.parent.name} did not go on")
        return f"did NOT go on: devices {devices}, resumed at {resumed}"
    return f"went on at env step {resumed[-1]}, devices {devices}"


def tables(check: Check, keep: float) -> None:
    """Time training steps by phase and every learner's update, the paper's size first."""
    wide = [("D=512", "5"), ("D=512", "2"), ("D=256", "5"), ("D=256", "2"), ("D=512", "10")]
    wide += [("D=512", "25"), ("D=256", "10"), ("D=256", "25")]
    for size, agents in [("quick", "2")] if check.tiny else wide:
        title = f"DMAWM's training step, {size}, {agents} agents"
        arguments = ("marlbench.bench.phases", "dmawm", size, agents, check.device)
        check.run(title, 25, *arguments, keep=keep)
    for name in () if check.tiny else ("dmawm", "mamba", "mappo", "mat", "qmix", "mbvd"):
        arguments = ("marlbench.bench.learners", name, "quick", check.device, "3")
        check.run(f"{name} at the sizes of quick", 25, *arguments, keep=keep)


def learning(check: Check) -> None:
    """Let DMAWM learn with both widths at once; tell evaluations as they come."""
    if check.left() < (5 if check.tiny else 60):
        check.skipped.append("learning")
        check.say(f"learning: left out, {check.left():.0f} s are left")
        return
    widths = [word for key, value in WIDTHS.items() for word in ("--set", f"dmawm.{key}={value}")]
    ways = {"widths of smoke": []} if check.tiny else {"quick": [], "the paper's widths": widths}
    check.say("DMAWM learns")
    with tempfile.TemporaryDirectory() as place:
        folders = {way: Path(place) / way for way in ways}
        grids = {way: grid(check, folders[way], settings) for way, settings in ways.items()}
        told = dict.fromkeys(ways, 0)
        while any(each.poll() is None for each in grids.values()) and check.left() > 20:
            time.sleep(0.2)
            for way, folder in folders.items():
                told[way] += tell(check, folder, way, told[way])
        for each in grids.values():
            each.send_signal(signal.SIGINT)  # nothing happens to one that has ended
        for way, folder in folders.items():
            end(check, way, grids[way], folder)
            if not told[way] + tell(check, folder, way, told[way]):
                check.wrong.append(f"{way}: no evaluation")


def grid(check: Check, folder: Path, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a run with these settings below a folder, which has what it says too."""
    algo, preset, steps, task = "dmawm", "quick", "20000", "5v6"
    if check.tiny:
        algo, preset, steps, task = "qmix", "smoke", "30", "3v3"
    words = ["run", "--algo", algo, "--suite", "skirmish", "--task", task, "--preset", preset]
    words += ["--seeds", "1", "--steps", steps, "--results", str(folder)]
    words += ["--set", f"run.device={check.device}", *settings]
    folder.mkdir()
    with open(folder / LOG, "w", encoding="utf-8") as log:
        command = [check.python, "-P", "-m", "marlbench", *words]
        return subprocess.Popen(
            command, env=check.environment, stdout=log, stderr=subprocess.STDOUT
        )


def tell(check: Check, results: Path, way: str, told: int) -> int:
    """Say what evaluations have come since so many were told; give how many."""
    rows = [row for file in results.glob("*/*/*/*/eval.jsonl") for row in whole_rows(file)][told:]
    for row in rows:
        means = ", ".join(f"{name} {value:.3g}" for name, value in row["metrics"].items())
        check.say(f"  {way}: {row['kind']} after {row['env_steps']} env steps: {means}")
    return len(rows)


def whole_rows(file: Path) -> list[dict[str, Any]]:
    """Give the rows that are there in full."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def end(check: Check, way: str, grid: subprocess.Popen[bytes], folder: Path) -> None:
    """See a grid end, which was interrupted if it was still running; say how it ended."""
    try:
        grid.wait(8)
    except subprocess.TimeoutExpired:
        grid.kill()
        grid.wait()
    if grid.returncode in INTERRUPTED:
        check.say(f"  {way}: stopped, the time is up")
    elif grid.returncode:
        check.wrong.append(way)
        last = (folder / LOG).read_text("utf-8").strip().splitlines()[-5:]
        check.say(f"  {way}: ended with {grid.returncode}: {' / '.join(last)}")


def in_words(line: str) -> str:
    """Give a line of figures in words, any other as it is."""
    if not line.startswith("{"):
        return line
    figures = json.loads(line).items()
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures)


def stop(child: subprocess.Popen[Any]) -> None:
    """Interrupt a child, so that it ends what it has started; kill it where it does not."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(8)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def out_of_time(*_: object) -> None:
    """End a child's reading."""
    raise TimeoutError


def main() -> int:
    """Run the check; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--minutes", type=float, default=9.0, help="that it may take (9)")
    parser.add_argument("--tiny", action="store_true", help="the smallest sizes: does it run")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, out_of_time)
    with tempfile.TemporaryDirectory() as place:
        environment = reachable(Path(place) / "site")
        check = Check(options.device, options.tiny, options.minutes, sys.executable, environment)
        check.run("the machine", 5, "marlbench.bench.machine", options.device)
        if not check.wrong:
            equality(check, keep=10.0 if check.tiny else 250.0)
            tables(check, keep=5.0 if check.tiny else 190.0)
            learning(check)
    check.say(f"left out: {', '.join(check.skipped) or 'nothing'}")
    check.say(f"wrong: {', '.join(check.wrong) or 'nothing'}")
    return int(bool(check.wrong))


if __name__ == "__main__":
    sys.exit(main())
