"""What a worker loads: of torch no compiler, of plugins its own two, and nothing that draws.

Counted, not timed: what a worker needs until its first env step is imports for the most part.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from marlbench.config import Evaluation, RunConfig
from marlbench.host import load_catalogue
from marlbench.store import files
from tests.training.small_runs import spec_of

HEAVY = (
    *("torch._dynamo", "torch._inductor", "sympy", "networkx", "mpmath"),
    *("pandas", "matplotlib", "scipy", "PIL", "rich", "typer", "jax", "gymnasium", "pettingzoo"),
)
"""What no worker of these runs may load."""

WORKER = """
import sys
from marlbench.training import worker
from marlbench.vecenv.checks import CheckedVectorEnv

step, first = CheckedVectorEnv.step, []

def noted(env, *arguments):
    if not first:
        first.extend(sys.modules)
    return step(env, *arguments)

CheckedVectorEnv.step = noted
code = worker.main(sys.argv[1:2])
import json
print(json.dumps({"code": code, "first": first, "end": list(sys.modules)}))
"""


def loaded(algorithm: str, folder: Path) -> dict[str, list[str]]:
    """Run a worker to its end; the modules that it had at its first env step, and at the end."""
    catalogue = load_catalogue()
    run = RunConfig(
        steps=200,
        evaluation=Evaluation(every=200, episodes=1, num_envs=1, final_episodes=1),
        device="cpu",
    )
    learner, suite = catalogue.algorithm(algorithm), catalogue.suite("skirmish")
    settings = {"batch_episodes": 1}
    spec = spec_of(learner, settings, suite, "2v2", run, 0).model_copy(
        update={"algorithm": algorithm}
    )
    files.replace_json(folder / "spec.json", spec.model_dump(mode="json"))
    done = subprocess.run(
        [sys.executable, "-P", "-c", WORKER, str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("code") == 0, done.stderr
    assert (folder / "train.jsonl").read_text(), "it has to learn, too"
    return found


@pytest.mark.parametrize("algorithm", ["qmix", "mbvd"])  # Adam, RMSprop
def test_a_worker_loads_neither_a_compiler_nor_what_it_does_not_use(
    algorithm: str, tmp_path: Path
) -> None:
    for when, modules in loaded(algorithm, tmp_path).items():
        tops = {name.partition(".")[0] for name in modules}
        assert not set(HEAVY) & {*modules, *tops}, when
        plugins = {name for name in tops if name.startswith("marlbench_")}
        assert plugins == {f"marlbench_{algorithm}", "marlbench_skirmish"}, when
        assert not {name for name in modules if name.startswith("marlbench.grid")}, when


def test_no_learner_takes_an_optimiser_that_loads_the_compiler() -> None:
    pages = [*Path(__file__).parents[2].glob("algorithms/*/*.py")]
    assert len(pages) > 20
    assert [page.name for page in pages if "torch.optim." in page.read_text()] == []
