"""The catalogue: third parties' plugins appear, broken ones are set aside and hurt nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from distributions import TINY, install, offering, plugin

from marlbench.errors import UserError
from marlbench.executors import Resources
from marlbench.host import Catalogue, UnknownNameError, check_open_tasks, check_task, load_catalogue
from marlbench.installation import pip_install
from marlbench.needs import missing
from marlbench.plugin import Suite

DESK = plugin("""from marlbench.executors import Executor, Outcome
from marlbench.errors import UserError


def run(folders, resources, watcher):
    return Outcome({folder: "nobody is at the desk" for folder in folders}, interrupted=False)


def slots(resources):
    if resources.device == "cuda":
        raise UserError("a desk has no GPU")
    return [f"desk {number}" for number in range(resources.workers or 1)]


@hookimpl
def marlbench_executors():
    return [Executor("desk", "runs that nobody plays", run, slots)]
""")
"""A plugin with an executor, which imports what docs/write-a-plugin.md says that it needs."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def only_broken(catalogue: Catalogue) -> str:
    """The line of the one plugin that was set aside, the others being well."""
    assert {"paper", "quick", "smoke"} <= catalogue.presets.keys()
    (broken,) = catalogue.broken
    return str(broken)


def test_the_installed_plugins_are_all_well() -> None:
    catalogue = load_catalogue()
    assert catalogue.broken == []
    assert "local" in catalogue.executors
    assert {"probe", "skirmish"} <= catalogue.suites.keys()


def test_a_third_partys_plugin_appears_with_its_distribution(site: Path) -> None:
    install(site, "acme", {"tiny": TINY}, version="2.3")
    catalogue = load_catalogue()
    assert catalogue.algorithm("tiny").wants_gpu
    assert catalogue.offered_by["algorithms", "tiny"] == "acme 2.3"
    assert catalogue.broken == []


def test_a_third_partys_executor_appears_and_says_its_slots(site: Path) -> None:
    install(site, "acme", {"desk": DESK})
    executor = load_catalogue().executor("desk")
    assert executor.slots(Resources(workers=2)) == ["desk 0", "desk 1"]
    with pytest.raises(UserError, match="a desk has no GPU"):
        executor.slots(Resources(device="cuda"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("raise SystemExit('no')", "SystemExit: no"),
        ("def broken(:", "SyntaxError"),
        (plugin(api=""), "states no API version; add `marlbench_api = 2`"),
        (plugin(api="marlbench_api = 3"), "is for the plugin API 3, this marlbench has 2"),
        (
            plugin(api="marlbench_api = 1"),
            "is for the plugin API 1, this marlbench has 2; act(step",
        ),
        (plugin(api="marlbench_api = True"), "is for the plugin API True"),
        (
            plugin("@hookimpl\ndef marlbench_algorithm():\n    return []"),
            "there is no hook 'marlbench_algorithm'; did you mean 'marlbench_algorithms'?",
        ),
        (
            plugin("def marlbench_suites():\n    return []"),
            "marlbench_suites is not marked: put @hookimpl above it",
        ),
        (
            plugin("@hookimpl\ndef marlbench_suites(wanted):\n    return []"),
            "wanted",
        ),
        (
            plugin("@hookimpl\ndef marlbench_suites():\n    raise OSError('no disk')"),
            "marlbench_suites failed: OSError: no disk",
        ),
        (
            plugin("@hookimpl\ndef marlbench_suites():\n    return ['chess']"),
            "marlbench_suites offers 'chess', which is no Suite",
        ),
        (
            plugin("@hookimpl\ndef marlbench_executors():\n    return ['desk']"),
            "marlbench_executors offers 'desk', which is no Executor",
        ),
        (
            plugin("@hookimpl\ndef marlbench_report_sections():\n    return ['Count']"),
            "marlbench_report_sections offers 'Count', which is no Section",
        ),
        (
            plugin(
                "from marlbench.report import Section\n\n"
                "@hookimpl\ndef marlbench_report_sections():\n    return [Section('Count', None)]"
            ),
            "which is no Section",
        ),
    ],
)
def test_a_broken_plugin_is_set_aside_in_one_line(site: Path, source: str, said: str) -> None:
    install(site, "acme", {"thing": source})
    line = only_broken(load_catalogue())
    assert line.startswith("thing (acme 1.0): ")
    assert said in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        ("'x', Plain, None", "'x' with the config Plain, which is no AlgorithmConfig"),
        ("'x', AlgorithmConfig(), None", "with the config AlgorithmConfig(num_envs=8), which is"),
        ("'x', Config, None", "derive it from marlbench.plugin.AlgorithmConfig"),
    ],
)
def test_an_algorithm_with_a_config_of_another_kind_is_refused(
    site: Path, offer: str, said: str
) -> None:
    body = (
        "from marlbench.plugin import Config\n\nclass Plain:\n    pass\n\n"
        f"@hookimpl\ndef marlbench_algorithms():\n    return [Algorithm({offer}, 'centralised')]"
    )
    install(site, "acme", {"thing": plugin(body)})
    assert said in only_broken(load_catalogue())


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (
            "('3v3', '2v2'), None, '3v33'",
            "'maps' with the default_task '3v33', which is not among its tasks; "
            "did you mean '3v3'?",
        ),
        ("('3v3', 'corridor'), None, '3v3', paper_tasks=('coridor',)", "the paper_tasks 'coridor'"),
        ("('3v3',), None, '3v3', paper_tasks='3v3'", "paper_tasks '3v3', which is no tuple"),
        ("'3v3', None, '3v3'", "with the tasks '3v3', which is no tuple"),
        ("None, None, '3v3', open_tasks=True", "with the tasks None, which is no tuple"),
        ("('3v3',), None, None", "with the default_task None, which is not among its tasks"),
        ("('3v3',), None, '3v3', config=dict", "with the config dict, which is no Config: derive"),
        ("('3v3',), None, '3v3'", "with neither build nor build_vector: give one of the two"),
        ("('3v3',), id, '3v3', build_vector=id", "with both build and build_vector: give one"),
    ],
)
def test_a_suite_whose_tasks_contradict_each_other_is_refused(
    site: Path, offer: str, said: str
) -> None:
    body = f"@hookimpl\ndef marlbench_suites():\n    return [Suite('maps', {offer})]"
    install(site, "acme", {"thing": plugin(body)})
    catalogue = load_catalogue()
    assert said in only_broken(catalogue)
    with pytest.raises(
        UnknownNameError, match=r"the plugin 'thing' is broken: .* offers 'maps' with"
    ):
        catalogue.suite("maps")


def test_a_suite_of_open_tasks_may_name_others_than_it_lists(site: Path) -> None:
    offer = "'any', ['a'], print, 'b', paper_tasks=('c',), open_tasks=True"
    body = f"@hookimpl\ndef marlbench_suites():\n    return [Suite({offer})]"
    install(site, "acme", {"thing": plugin(body)})
    catalogue = load_catalogue()
    assert (catalogue.broken, "any" in catalogue.suites) == ([], True)


def test_a_plugin_with_one_bad_hook_offers_nothing(site: Path) -> None:
    bad = "\n\n@hookimpl\ndef marlbench_suites():\n    raise OSError('no disk')\n"
    install(site, "acme", {"half": offering("half") + bad})
    catalogue = load_catalogue()
    assert "half" not in catalogue.algorithms
    assert "no disk" in only_broken(catalogue)


def test_one_broken_plugin_leaves_its_siblings_alive(site: Path) -> None:
    install(site, "acme", {"bad": "1 / 0", "good": offering("good")})
    catalogue = load_catalogue()
    assert "good" in catalogue.algorithms
    assert "ZeroDivisionError" in only_broken(catalogue)


def test_a_second_plugin_of_a_name_is_refused_naming_both_distributions(site: Path) -> None:
    install(site, "acme", {"qmix": offering("squatter")})
    catalogue = load_catalogue()
    line = only_broken(catalogue)
    assert "the plugin 'qmix' is offered by marlbench-suite " in line
    assert "and by acme 1.0; uninstall one of them" in line
    assert "squatter" not in catalogue.algorithms


def test_a_second_algorithm_of_a_name_is_refused_naming_both_distributions(site: Path) -> None:
    install(site, "acme", {"one": offering("same")})
    install(site, "zeta", {"two": offering("same")})
    catalogue = load_catalogue()
    assert catalogue.offered_by["algorithms", "same"] == "acme 1.0"
    assert "the algorithm 'same' is offered by acme 1.0 and by zeta 1.0" in only_broken(catalogue)


def test_a_name_offered_twice_by_one_plugin_is_refused(site: Path) -> None:
    twice = "@hookimpl\ndef marlbench_presets():\n    return [Preset('a', ''), Preset('a', '')]"
    install(site, "acme", {"thing": plugin(twice)})
    assert "the preset 'a' is offered twice by acme 1.0" in only_broken(load_catalogue())


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    catalogue = load_catalogue()
    with pytest.raises(UnknownNameError) as error:
        catalogue.preset("quik")
    text = "no plugin offers the preset 'quik'; did you mean 'quick'? (marlbench list)"
    assert str(error.value) == text


def test_the_name_of_a_broken_plugin_is_answered_with_its_error(site: Path) -> None:
    install(site, "acme", {"thing": "1 / 0"})
    with pytest.raises(UnknownNameError, match="the plugin 'thing' is broken: ZeroDivisionError"):
        load_catalogue().algorithm("thing")


def test_a_missing_simulator_is_named_with_its_remedy() -> None:
    def suite(**more: object) -> Suite:
        return Suite("far", ("a",), lambda task, config: None, "a", **more)  # type: ignore

    assert missing(suite(requires=("json", "email.mime"))) is None
    lack = missing(suite(requires=("json", "absent_thing.deep"), extra="far"))
    assert lack == f"the suite 'far' needs absent_thing.deep: {pip_install('far')}"


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    closed = Suite("maps", ("3v3", "corridor"), lambda task, config: None, "3v3")  # type: ignore
    check_task(closed, "corridor")
    with pytest.raises(UnknownNameError, match=r"has no task 'coridor'; did you mean 'corridor'\?"):
        check_task(closed, "coridor")
    opened = Suite("any", (), lambda task, config: None, "x", open_tasks=True)  # type: ignore
    check_task(opened, "package.module:function")


def test_a_task_of_an_open_suite_is_unknown_where_it_cannot_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import os, sys\ndef ends(): os._exit(0)\ndef exits(): sys.exit('no licence')\n"
    (tmp_path / "unbuilt.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    pettingzoo = load_catalogue().suite("pettingzoo")
    config = pettingzoo.config()
    check_open_tasks(pettingzoo, [pettingzoo.default_task], config)
    for task, why in (
        ("no.module", r".*'no.module'.*: install its package"),
        ("unbuilt:ends", "ProcessEnded: the environment's process ended with code 0"),
        ("unbuilt:exits", "SystemExit: no licence"),
    ):
        with pytest.raises(UnknownNameError, match=f"'pettingzoo' cannot build .*{task}': {why}"):
            check_open_tasks(pettingzoo, [pettingzoo.default_task, task], config)
    closed = replace(pettingzoo, open_tasks=False)
    check_open_tasks(closed, ["no.module"], config)  # its list of tasks is the judge
