"""`marlbench env`: what a suite needs on this machine, is it there, and how to get it."""

from __future__ import annotations

from collections.abc import Iterator

from marlbench.errors import RAISED_BY_PLUGINS, one_line
from marlbench.host import Catalogue, load_catalogue
from marlbench.needs import examined, importable, remedy
from marlbench.plugin import Finding, Suite

__all__ = ["check_suite_needs", "install"]

NOTHING = "nothing but marlbench"


def check_suite_needs(catalogue: Catalogue, name: str) -> tuple[list[str], bool]:
    """Say what a suite needs, a line each, and whether all is there."""
    from marlbench.vecenv.process import call

    catalogue.suite(name)  # raises for a name that nothing has
    try:
        findings = call(looked_for, name)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        findings = [Finding(f"looking for it failed: {one_line(error)}", False)]
    lacking = sum(not each.ok for each in findings)
    lines = [line(each) for each in findings]
    lines.append(f"{name}: " + (f"{lacking} of {len(findings)} not ok" if lacking else "ready"))
    return lines, not lacking


def looked_for(name: str) -> list[Finding]:
    """Look for all that a suite needs; a simulator may do what it likes to this process."""
    suite = load_catalogue().suite(name)
    findings = examined(suite) if suite.examine else list(tried(suite))
    if suite.trial and all(each.ok for each in findings):
        findings.append(suite.trial())
    return findings


def line(finding: Finding) -> str:
    """Give a finding, with the remedy where it is needed."""
    if finding.ok:
        return f"ok       {finding.what}"
    return f"MISSING  {finding.what}" + (f"; {finding.remedy}" if finding.remedy else "")


def tried(suite: Suite) -> Iterator[Finding]:
    """Look for the modules that a suite requires and, if all are there, play."""
    absent = [name for name in suite.requires if not importable(name)]
    for name in suite.requires:
        ok = name not in absent
        yield Finding(f"module {name}", ok, "" if ok else remedy(suite, absent))
    if not absent:
        yield played(suite)


def played(suite: Suite) -> Finding:
    """Play an episode of the default task at random."""
    what = f"an episode of {suite.default_task}"
    try:
        steps, simulator = play(suite)
    except RAISED_BY_PLUGINS as error:
        return Finding(f"{what}: {one_line(error)}", False)
    return Finding(f"{what}: {steps} steps, {simulator or 'simulator not named'}", True)


def play(suite: Suite) -> tuple[int, str]:
    """Give the steps of an episode of random play, and the simulator."""
    from marlbench.vecenv.random_play import random_episode
    from marlbench.vecenv.single import build_single

    env = build_single(suite, suite.default_task, suite.config())
    steps = sum(not step.first for step in random_episode(env, seed=0))
    simulator = env.spec.simulator
    env.close()
    return steps, simulator


def install(catalogue: Catalogue, name: str) -> tuple[list[str], bool]:
    """Do what pip alone cannot, then look; or say what pip can do; raises UnknownNameError."""
    suite = catalogue.suite(name)
    if suite.install is None:
        return [f"{name} needs " + (f"no more than: {pip(suite)}" if pip(suite) else NOTHING)], True
    try:
        suite.install()
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        return [f"{name} is not installed: {error}"], False
    return check_suite_needs(catalogue, name)


def pip(suite: Suite) -> str:
    """Give the command that installs what a suite requires, nothing if it requires nothing."""
    return remedy(suite, suite.requires) if suite.extra or suite.requires else ""
