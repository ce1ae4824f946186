"""Whether runs that are there can go on to more env steps, exactly as if those had been asked."""

from __future__ import annotations

from marlbench.config import RunSpec
from marlbench.errors import UserError
from marlbench.plugin import Algorithm
from marlbench.store import RunRecord
from marlbench.store.kept import kept

__all__ = ["is_shorter", "refuse_extending"]

ELSEWHERE = "use another --results folder"


def is_shorter(record: RunRecord, steps: int) -> bool:
    """Say whether a stored run has fewer env steps than so many and could go on."""
    return record.spec.run.steps < steps and record.status != "diverged"


def refuse_extending(record: RunRecord, asked: RunSpec, algorithm: Algorithm) -> None:
    """Raise UserError where a longer run would be another one from before this one's end."""
    if record.spec.run.steps >= asked.run.steps:
        return
    here = f"{record.folder} holds a run of {record.spec.run.steps:,} env steps"
    if record.status == "running":
        raise UserError(f"{here} that is being played: wait for its end, then ask for more")
    if setting := algorithm.config(**asked.algorithm_config).bound_to_steps:
        raise UserError(
            f"{here} that cannot go on to {asked.run.steps:,}: {asked.algorithm}'s {setting} "
            f"depends on how many there are in all, so it would be another run; {ELSEWHERE}"
        )
    if _kept_only_at_the_end(record, asked):
        raise UserError(
            f"{here} that kept the policy of its end, where one of {asked.run.steps:,} is not "
            f"evaluated (run.evaluation.every = {asked.run.evaluation.every}); {ELSEWHERE}"
        )


def _kept_only_at_the_end(record: RunRecord, asked: RunSpec) -> bool:
    """Say whether a policy was kept at a point that a longer run has not: others went for it."""
    end = record.spec.run.steps
    if end % asked.run.evaluation.every == 0:
        return False
    return any(policy.point == end for policy in kept(record.folder))
