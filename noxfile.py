"""Every check: `nox -s lint types tests slow chaos page real starcraft cluster wheel bench`."""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "wheel"]
nox.options.default_venv_backend = "virtualenv"

TORCH = "torch==2.13.0"
"""Installed before anything else, so that nothing can pull in another one."""
PINNED = ("-c", "constraints.txt")
MELTINGPOT = ("marlbench", "env", "install", "meltingpot")
"""What pip alone cannot install."""
BROUGHT = ("magent2==0.3.4", "rware==2.0.0", "pymunk==7.3.1", "open_spiel==2.0.2", "shimmy==2.0.1")
"""Simulators that people bring and no extra of ours installs."""
QUICK = ("report", "store", "grid")
"""Folders of tests that the installed wheel is tried with: quick, and child processes too."""


@nox.session
def lint(session: nox.Session) -> None:
    """Style: ruff's rules and its formatting."""
    session.install(*PINNED, "ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy, strict."""
    install(session, ".[mpe,lbf,smax,vmas,test,dev]")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, as the README runs them."""
    install(session, ".[mpe,lbf,smax,vmas,meltingpot,test]")
    session.run(*MELTINGPOT)
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """The tests of minutes: learning, chaos, whole suites."""
    install(session, ".[mpe,lbf,smax,vmas,meltingpot,test]")
    session.run(*MELTINGPOT)
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """30 runs, three learners and three suites, 200 kills and every other fault: the same rows."""
    install(session, ".[mpe]")
    suites = "probe,skirmish,mpe"
    session.run("marlbench", "selftest", "--chaos", "--suite", suites, *session.posargs)


@nox.session
def starcraft(session: nox.Session) -> None:
    """The real smac and smacv2 on a stand-in of the game: `nox -s starcraft -- SMAC SMACV2`.

    The arguments are the folders of the two packages, cloned from github.com/oxwhirl/smac and
    github.com/oxwhirl/smacv2, which PyPI has not. With one of them alone the other's tests are
    skipped. StarCraft II itself is not needed.
    """
    if not session.posargs:
        session.error("nox -s starcraft -- SMAC SMACV2: where are the checkouts of the packages?")
    install(session, ".[sc2,test]")
    session.install("--no-deps", *(str(Path(folder).resolve()) for folder in session.posargs))
    session.run("pytest", "-n", "2", "-rs", "tests/envs/starcraft")


@nox.session
def page(session: nox.Session) -> None:
    """The report's page in a real browser: Debian's package `chromium` has to be installed."""
    install(session, ".[test]")
    session.run("pytest", "-m", "slow", "tests/page")


@nox.session
def real(session: nox.Session) -> None:
    """Environments that people bring, beside the same ones without us."""
    install(session, ".[mpe,lbf,smax,vmas,test]")
    session.install(*PINNED, *BROUGHT)
    session.run("pytest", "-rs", "-m", "slow or not slow", "tests/envs/pettingzoo/test_real.py")


@nox.session
def cluster(session: nox.Session) -> None:
    """Grids on a real Slurm and a real Ray of two nodes each, on this machine.

    Slurm is Debian's slurmctld, slurmd, slurm-client and munge, and its processes are root's: where
    they are not, its tests are skipped.
    """
    install(session, ".[slurm,ray,test]")
    session.run("pytest", "-rs", "-s", "-m", "slow", "tests/clusters", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel, and try the wheel where the source tree is out of reach."""
    built = Path(session.create_tmp()).resolve()
    session.install(*PINNED, "build")
    session.run("python", "-m", "build", "--outdir", str(built / "dist"))
    (file,) = (built / "dist").glob("*.whl")
    install(session, f"{file}[mpe,lbf,smax,vmas,test]", editable=False)
    away = built / "away"
    shutil.rmtree(away, ignore_errors=True)
    shutil.copytree("tests", away / "tests")
    shutil.copy("pyproject.toml", away)
    with session.chdir(away):
        session.run("marlbench", "list")
        session.run("pytest", *(f"tests/{folder}" for folder in QUICK))
    shutil.rmtree(built / "dist")


@nox.session
def demo(session: nox.Session) -> None:
    """The README's main command: install, run, report."""
    install(session, ".")
    session.run("marlbench", *RUN.split())
    session.run("marlbench", "report")


@nox.session
def bench(session: nox.Session) -> None:
    """What learners, suites, runs and results cost on this machine; figures, not tests."""
    install(session, ".[mpe,lbf,smax,vmas,meltingpot]")
    session.run(*MELTINGPOT)
    session.run("marlbench", "bench", *session.posargs)


RUN = "run --algo dmawm,mappo --suite skirmish --task 5v6 --preset quick --steps 10000 --seeds 1"
"""What the README begins with."""


def install(session: nox.Session, what: str, editable: bool = True) -> None:
    """Install torch, then the project with pinned dependencies."""
    session.install(TORCH)
    session.install(*PINNED, *(["-e"] if editable else []), what)
