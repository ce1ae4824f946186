"""Layers of settings: which value wins, where it says it is from, and what a wrong one is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field, model_validator

from marlbench.errors import UserError
from marlbench.fields import settings_of
from marlbench.grid.plan import Plan, Request, make_plan
from marlbench.host import Catalogue
from marlbench.overrides import Override, parse_set, read_file
from marlbench.plugin import Algorithm, AlgorithmConfig, Config, Preset, Suite


class Widths(Config):
    """Nested settings."""

    hidden: int = Field(default=64, ge=1, le=512)
    """Units of a layer [paper, Table 2]."""
    layers: tuple[int, ...] = (64, 64)
    """Widths [code: a/b.py[3]]."""


class Learner(AlgorithmConfig):
    """Settings of a learner."""

    gamma: float = Field(default=0.99, gt=0, lt=1)
    """Discount [ours]."""
    mixer: Literal["sum", "monotonic"] = "monotonic"
    """How values are mixed [ours]."""
    name: str | None = None
    """A name [ours]."""
    widths: Widths = Widths(hidden=32)
    """How wide."""
    scales: tuple[float, ...] = ()
    """How large [ours]."""
    tags: tuple[str, ...] = ("a",)
    """Words [ours]."""

    @model_validator(mode="after")
    def _named(self) -> Learner:
        if self.mixer == "sum" and self.name == "qmix":
            raise ValueError("a sum is not QMIX")
        return self


class Other(AlgorithmConfig):
    """Settings of another learner."""

    former_names: ClassVar[Mapping[str, str]] = {"discount": "gamma"}

    gamma: float = 0.9
    """Discount [ours]."""


class Field_(Config):  # noqa: N801 - `Field` is pydantic's
    """Settings of a suite."""

    sight: float = Field(default=9.0, gt=0)
    """How far one sees [ours]."""


def unbuilt(*_: Any) -> Any:
    raise AssertionError("planning builds nothing")


QMIX = Algorithm(
    "qmix", Learner, unbuilt, "decentralised", presets={"quick": {"widths": {"hidden": 8}}}
)
VDN = Algorithm("vdn", Learner, unbuilt, "decentralised", defaults={"mixer": "sum"})
PPO = Algorithm("ppo", Other, unbuilt, "decentralised")
QUICK = Preset(
    "quick",
    "",
    run={"steps": 100, "evaluation": {"every": 50}},
    seeds=2,
    all_tasks=False,
    algorithms={"qmix": {"gamma": 0.5, "widths": {"hidden": 16}}},
)
LONGER = Preset("longer", "", run={"steps": 200})
PAPER = Preset("paper", "", seeds=5, all_tasks=True)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(
        algorithms={each.name: each for each in (QMIX, VDN, PPO)},
        suites={"war": Suite("war", ("3v3", "2v2"), unbuilt, "2v2", config=Field_)},
        presets={each.name: each for each in (PAPER, QUICK, LONGER)},
    )


def plan_of(
    catalogue: Catalogue,
    *sets: str,
    algorithms: tuple[str, ...] = ("qmix",),
    presets: tuple[str, ...] = ("paper",),
    file: Iterable[Override] = (),
    **request: Any,
) -> Plan:
    overrides = [*file, *map(parse_set, sets)]
    return make_plan(
        catalogue, Request(algorithms, "war", presets=presets, overrides=overrides, **request)
    )


def file_of(tmp_path: Path, text: str) -> list[Override]:
    path = tmp_path / "x.toml"
    path.write_text(text)
    return read_file(path)


def refusal(catalogue: Catalogue, *sets: str, **request: Any) -> str:
    with pytest.raises(UserError) as error:
        plan_of(catalogue, *sets, **request)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_last_override_wins_and_says_where_it_is_from(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    file = file_of(tmp_path, "[run]\ncheckpoint_every = 7\n[algorithm]\ngamma = 0.6\n")
    spec = plan_of(catalogue, "gamma=0.7", presets=("quick", "longer"), file=file).specs[0]
    origins = {key: origin for key, origin in spec.origins.items() if origin != "default"}
    assert origins == {
        "run.steps": "preset longer",
        "run.evaluation.every": "preset quick",
        "run.checkpoint_every": "file x.toml",
        "algorithm.gamma": "--set",
        "algorithm.widths.hidden": "preset quick",
    }
    assert (spec.run.steps, spec.run.evaluation.every, spec.run.checkpoint_every) == (200, 50, 7)
    assert spec.algorithm_config["gamma"] == 0.7
    assert spec.presets == ("quick", "longer")


def test_an_algorithms_own_word_on_a_preset_wins_over_the_presets(catalogue: Catalogue) -> None:
    assert plan_of(catalogue, presets=("quick",)).specs[0].algorithm_config["widths"] == {
        "hidden": 8,
        "layers": [64, 64],
    }


def test_an_entrys_defaults_differ_from_its_configs(catalogue: Catalogue) -> None:
    spec = plan_of(catalogue, algorithms=("vdn",)).specs[0]
    assert spec.algorithm_config["mixer"] == "sum"
    assert (spec.label, spec.origins["algorithm.mixer"]) == ("vdn", "default")


def test_every_setting_is_in_the_document(catalogue: Catalogue) -> None:
    spec = plan_of(catalogue).specs[0]
    assert spec.algorithm_config == Learner().model_dump(mode="json")
    assert spec.suite_config == {"sight": 9.0}
    keys = {f"algorithm.{key}" for key in settings_of(Learner)} | {"suite.sight", "run.steps"}
    assert keys < spec.origins.keys()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=3", 3),
        ("k=1_000", 1000),
        ("k=1e-3", 0.001),
        ("k=true", True),
        ("k=[1, 2]", [1, 2]),
        ("k=null", None),
        ("k=relu", "relu"),
        ('k="3"', "3"),
        ("k=a=b", "a=b"),
        ("k=", ""),
    ],
)
def test_a_value_is_read_as_a_literal_or_else_a_string(text: str, value: object) -> None:
    override = parse_set(text)
    assert (override.key, override.value) == ("k", value)


def test_a_key_can_be_for_one_of_several_algorithms(catalogue: Catalogue) -> None:
    specs = plan_of(
        catalogue, "vdn.gamma=0.5", "num_envs=4", algorithms=("qmix", "vdn", "ppo"), seeds=[0]
    ).specs
    by_name = {spec.algorithm: spec.algorithm_config for spec in specs}
    assert [by_name[name]["gamma"] for name in ("qmix", "vdn", "ppo")] == [0.99, 0.5, 0.9]
    assert {config["num_envs"] for config in by_name.values()} == {4}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gama=1", "there is no setting 'gama'; did you mean 'gamma'?"),
        ("steps=1", "there is no setting 'steps'; did you mean 'run.steps'?"),
        ("run.step=1", "did you mean 'run.steps'?"),
        ("hidden=1", "did you mean 'widths.hidden'?"),
        ("suite.sigth=1", "did you mean 'suite.sight'?"),
        ("qmix.gama=1", "did you mean 'qmix.gamma'?"),
        ("ppo.gamma=1", "ppo is not played here, only qmix"),
        ("gamma=2", "qmix.gamma cannot be 2; it is a number, above 0, below 1"),
        ("gamma=inf", "qmix.gamma cannot be inf; it is a number, above 0, below 1"),
        ("suite.sight=inf", "suite.sight cannot be inf; it is a number, above 0"),
        ("gamma=high", "qmix.gamma cannot be 'high'; it is a number, above 0, below 1"),
        ("widths.hidden=0", "cannot be 0; it is a whole number, at least 1, at most 512"),
        ("widths.layers=[1, 'a']", "qmix.widths.layers cannot be 'a'; it is a list, each a whole"),
        ("widths.layers=8,8", "it is a list, each a whole number, such as [64,64]"),
        ("scales=0.5", "it is a list, each a number, such as [A,B]"),
        ("tags=null", """it is a list, each text, such as ["a"]"""),
        ("mixer=max", "qmix.mixer cannot be 'max'; it is one of sum, monotonic"),
        ("run.steps=0", "run.steps cannot be 0; it is a whole number, at least 1"),
        ("run.device=tpu", "it is one of auto, cpu, cuda"),
        ("run.evaluation.num_envs=5", "run.evaluation.episodes (32) must be a multiple"),
        ("suite.sight=-1", "suite.sight cannot be -1; it is a number, above 0"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(catalogue: Catalogue, text: str, said: str) -> None:
    assert said in refusal(catalogue, text)


def test_settings_that_contradict_each_other_are_told(catalogue: Catalogue) -> None:
    assert refusal(catalogue, "mixer=sum", "name=qmix") == "qmix: a sum is not QMIX"


def test_a_bare_key_names_the_algorithms_that_lack_it(catalogue: Catalogue) -> None:
    said = refusal(catalogue, "mixer=sum", algorithms=("qmix", "ppo"))
    assert "ppo has no setting 'mixer'; write qmix.mixer" in said


def test_a_former_name_is_told_with_todays(catalogue: Catalogue) -> None:
    def told(*sets: str) -> str:
        return refusal(catalogue, *sets, algorithms=("qmix", "ppo"))

    assert told("ppo.discount=1") == "--set: 'ppo.discount' is called 'ppo.gamma' today"
    assert told("discount=1") == "--set: 'discount' is called 'gamma' today"
    assert "there is no setting 'qmix.discount'" in told("qmix.discount=1")


def test_a_presets_own_slip_is_told_with_its_name(catalogue: Catalogue) -> None:
    catalogue.presets["bad"] = Preset("bad", "", run={"step": 3})
    said = refusal(catalogue, presets=("bad",))
    assert said == "preset bad: run has no setting 'step'; did you mean 'steps'?"


def test_a_file_may_speak_of_algorithms_that_are_not_played(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    text = "gamma = 0.8\n[suite]\n[run.evaluation]\nevery = 9\n[ppo]\ngamma = 0.1\n"
    spec = plan_of(catalogue, file=file_of(tmp_path, text)).specs[0]
    assert (spec.algorithm_config["gamma"], spec.run.evaluation.every) == (0.8, 9)
    assert spec.origins["run.evaluation.every"] == "file x.toml"


def test_a_slip_in_a_file_is_told_with_its_name(catalogue: Catalogue, tmp_path: Path) -> None:
    said = refusal(catalogue, file=file_of(tmp_path, "[run]\nstepz = 3\n"))
    assert said.startswith("file x.toml: there is no setting 'run.stepz'; did you mean 'run.steps'")


@pytest.mark.parametrize("text", ["steps = ", "\xff"])
def test_a_file_that_is_not_toml_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="is not TOML"):
        read_file(path)


def label(catalogue: Catalogue, *sets: str, presets: tuple[str, ...] = ("paper",)) -> str:
    return plan_of(catalogue, *sets, presets=presets).specs[0].label


def test_a_label_is_the_bare_name_where_all_is_as_in_the_paper(catalogue: Catalogue) -> None:
    assert label(catalogue) == "qmix"
    assert label(catalogue, "gamma=0.99", "run.steps=5", "run.device=cpu") == "qmix"
    assert label(catalogue, presets=("longer",)) == "qmix"
    assert label(catalogue, "gamma=0.99", "widths.hidden=32", presets=("quick",)) == "qmix"


def test_a_label_names_the_presets_and_the_differences(catalogue: Catalogue) -> None:
    assert label(catalogue, presets=("quick",)) == "qmix-quick"
    assert label(catalogue, presets=("quick", "longer")) == "qmix-quick"
    assert label(catalogue, "gamma=0.7") == "qmix-gamma=0.7"
    assert label(catalogue, "num_envs=4", "gamma=0.7") == "qmix-gamma=0.7-num_envs=4"
    assert label(catalogue, "mixer=sum", presets=("quick",)) == "qmix-quick-mixer=sum"
    assert label(catalogue, "widths.layers=[8,4]") == "qmix-widths.layers=8,4"


def test_settings_that_change_learning_never_share_a_label(catalogue: Catalogue) -> None:
    sets = ["gamma=0.7", "gamma=0.70001", "name=a", "name=null", 'name="null"', "name=a/b"]
    sets += ["name=a_b", "name=a-gamma=0.7", "widths.layers=[]", "name=''"]
    sets += [f"name={'long' * 30}", f"name={'long' * 31}", "widths.layers=[1]", "mixer=sum"]
    choices: list[tuple[tuple[str, ...], tuple[str, ...]]]
    choices = [((text,), presets) for text in sets for presets in (("paper",), ("quick",))]
    choices += [(("name=a", "gamma=0.7"), ("paper",))]
    seen: dict[str, str] = {}
    for texts, presets in choices:
        spec = plan_of(catalogue, *texts, presets=presets).specs[0]
        settings = str(spec.algorithm_config)
        assert seen.setdefault(spec.label, settings) == settings
        assert len(spec.label) <= 60
        assert not set(spec.label) & set("/ '\"\\*?")


def row(catalogue: Catalogue, *sets: str) -> str:
    return plan_of(catalogue, *sets).specs[0].row


def test_a_setting_of_the_suite_makes_another_task_and_no_other_label(catalogue: Catalogue) -> None:
    assert (row(catalogue), row(catalogue, "suite.sight=9")) == ("3v3", "3v3")
    assert row(catalogue, "suite.sight=4") == "3v3 [sight=4.0]"
    spec = plan_of(catalogue, "suite.sight=4", "gamma=0.7", presets=("quick",)).specs[0]
    assert (spec.label, spec.task) == ("qmix-quick-gamma=0.7", "2v2")
    assert (spec.suite_changes, spec.algorithm_changes) == ({"sight": 4.0}, {"gamma": 0.7})


def test_a_label_says_in_words_what_differs_from_its_presets(catalogue: Catalogue) -> None:
    def meaning(*sets: str, **request: Any) -> str:
        return plan_of(catalogue, *sets, **request).specs[0].meaning

    assert (meaning(), meaning(presets=("quick",)), meaning("gamma=0.99")) == ("", "", "")
    by = "qmix-gamma=0.7 is qmix by preset paper with gamma = 0.7"
    assert meaning("gamma=0.7") == by
    long = "x" * 80
    said = meaning(f"name={long}", "widths.layers=[8,4]", presets=("quick", "longer"))
    assert re.fullmatch(
        r"qmix-quick-[0-9a-f]{8} is qmix by presets quick, longer "
        rf"with name = {long}, widths\.layers = \[8,4\]",
        said,
    )
    named = meaning("gamma=0.7", "name='3 a'", presets=("quick",), label="far")
    assert named == 'qmix-far is qmix by preset quick with gamma = 0.7, name = "3 a"'
    assert meaning(label="mine") == "qmix-mine is qmix by preset paper"


def test_the_user_may_name_the_variants(catalogue: Catalogue) -> None:
    specs = plan_of(catalogue, "num_envs=4", algorithms=("qmix", "ppo"), label="big").specs
    assert {spec.label for spec in specs} == {"qmix-big", "ppo-big"}


@pytest.mark.parametrize("name", ["", "a b", "../up", "a/b", "x" * 41, "é"])
def test_a_name_that_cannot_be_a_label_is_told(catalogue: Catalogue, name: str) -> None:
    said = refusal(catalogue, label=name)
    assert said.startswith(f"--label {name}: it is letters, digits and any of _ . , = + -")


def test_a_table_opens_into_the_settings_below_its_key(catalogue: Catalogue) -> None:
    spec = plan_of(catalogue, "widths={hidden=3, layers=[4]}", "run={steps=7}").specs[0]
    assert spec.algorithm_config["widths"] == {"hidden": 3, "layers": [4]}
    assert (spec.run.steps, spec.origins["algorithm.widths.hidden"]) == (7, "--set")
    assert "did you mean 'widths.hidden'?" in refusal(catalogue, "widths={hiden=3}")
    assert "there is no setting 'width'" in refusal(catalogue, "width={}")


def test_presets_in_another_order_have_another_label(catalogue: Catalogue) -> None:
    catalogue.presets["slow"] = Preset("slow", "", algorithms={"qmix": {"gamma": 0.4}})
    there = label(catalogue, presets=("quick", "slow"))
    assert {there, label(catalogue, presets=("slow", "quick"))} == {
        "qmix-quick-slow",
        "qmix-slow-quick",
    }


def test_the_settings_of_a_config_are_described(catalogue: Catalogue) -> None:
    settings = settings_of(Learner)
    hidden, layers = settings["widths.hidden"], settings["widths.layers"]
    assert (hidden.default, hidden.sentence, hidden.source) == (
        32,
        "Units of a layer.",
        "paper, Table 2",
    )
    assert hidden.allowed == "a whole number, at least 1, at most 512"
    assert layers.source == "code: a/b.py[3]"
    assert settings["name"].allowed == "text or null"


class Needy(AlgorithmConfig):
    """Settings of a learner that has no default for one."""

    must: int = Field(ge=1)
    """A number that only the user knows [ours]."""
    gain: float = 0.5
    """Another [ours]."""


@pytest.fixture
def needy(catalogue: Catalogue) -> Catalogue:
    presets = {"quick": {"must": 2}}
    catalogue.algorithms["needy"] = Algorithm(
        "needy", Needy, unbuilt, "decentralised", presets=presets
    )
    return catalogue


def test_a_required_setting_that_nobody_gives_is_told(needy: Catalogue) -> None:
    told = (
        "needy.must has no default: --set needy.must=... gives it; it is a whole number, at least 1"
    )
    assert refusal(needy, algorithms=("needy",)) == told
    said = refusal(needy, "must=0", algorithms=("needy",))
    assert said == "--set: needy.must cannot be 0; it is a whole number, at least 1"


def test_a_required_setting_that_is_given_is_in_the_label(needy: Catalogue) -> None:
    def labelled(*sets: str, **request: Any) -> str:
        return plan_of(needy, *sets, algorithms=("needy",), **request).specs[0].label

    assert labelled("must=3") == "needy-must=3"
    assert labelled("must=4", "gain=1") == "needy-gain=1.0-must=4"
    assert labelled(presets=("quick",)) == "needy-quick"
    assert labelled("must=3", presets=("quick",)) == "needy-quick-must=3"
    assert labelled("must=3", presets=("longer",)) == "needy-must=3"


def test_a_suites_required_setting_can_be_given(catalogue: Catalogue) -> None:
    class Strict(Config):
        name: str
        sight: float = 1.0

    catalogue.suites["war"] = replace(catalogue.suites["war"], config=Strict)
    said = refusal(catalogue)
    assert said == "suite.name has no default: --set suite.name=... gives it; it is text"
    assert row(catalogue, "suite.name=a") == "3v3 [name=a]"
    assert row(catalogue, "suite.name=a", "suite.sight=2") == "3v3 [name=a, sight=2.0]"
