"""The settings are the paper's: its Table 2 and section 5.1, value by value."""

import inspect
import re

import pytest

from marlbench_dmawm import presets
from marlbench_dmawm.config import Config

TABLE_2 = {
    "entropy_coef": 0.01,
    "epochs": 5,
    "clip": 0.2,
    "actor_lr": 3e-5,
    "critic_lr": 3e-5,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "max_grad_norm": 100.0,
    "model_grad_norm": 100.0,
    "model_lr": 1e-4,
    "batch": 16,
    "length": 64,
    "horizon": 16,
    "buffer": 250_000,
    "beta_rep": 0.2,  # KL balancing entropy weight
    "beta_dyn": 0.8,  # KL balancing cross entropy weight
    "latents": 32,
    "classes": 32,
    "layers": 3,
    "heads": 8,
    "decoder_units": 1024,
    "decoder_layers": 2,
}
SECTION_5_1 = {"warmup": 5000, "train_every": 32, "horizon": 16, "rollouts": 1024}
AUTHORS_CODE = {
    "deter": 512,
    "units": 1024,
    "encoder_layers": 2,
    "posterior_layers": 2,
    "symlog_input": False,
    "unimix": 0.01,
    "feedforward": 4,
    "agent_index": False,
    "bins": 255,
    "beta_dec": 1.0,
    "free_nats": 1.0,
    "model_eps": 1e-5,
    "policy_eps": 1e-8,
    "minibatch": 0,  # all at once
    "tail": 2,
    "absent_return": "team",
    "policy_units": 256,
    "actor_layers": 2,
    "critic_layers": 1,
    "centre_images": False,
}
"""Where the paper is silent."""
FULL = {"predictor": "transformer", "critic": "transformer", "absorbing_state": True}
"""What section 5.3 takes away, one by one."""
NEUTRAL = {
    "pretrain": 0,
    "image_obs": 1.0,
    "image_reward": 1.0,
    "small_rewards": 0.0,
    "share_reward": False,
    "bootstrap_timeouts": True,
}
"""Ours, at the value that changes nothing."""
CONTRADICTED = {
    "train_every": 8,
    "num_envs": 16,
    "model_grad_norm": 1000.0,
    "predictor_layers": 0,
    "bootstrap_timeouts": False,
    "share_reward": True,
    "eyes": "deep",
}
"""Where the authors' code is not what the paper says, or does what the paper does not name."""


@pytest.mark.parametrize("values", [TABLE_2, SECTION_5_1, AUTHORS_CODE, FULL, NEUTRAL])
def test_the_defaults_are_the_papers_then_the_authors_codes(values: dict[str, object]) -> None:
    assert {name: getattr(Config(), name) for name in values} == values


def test_the_preset_authors_differs_where_the_code_contradicts_the_text_alone() -> None:
    assert presets.PRESETS["authors"] == CONTRADICTED
    changed = Config(**presets.PRESETS["authors"]).model_dump()
    before = Config().model_dump()
    assert {name: value for name, value in changed.items() if value != before[name]} == CONTRADICTED


def test_every_setting_names_its_source() -> None:
    """`[paper, ...]`, `[code]`, `[section ...]` or `[ours ...]`, at the end of its sentence."""
    sentences = re.findall(r'^    (\w+): .*\n(?:    """(.*)""")', inspect.getsource(Config), re.M)
    named = dict(sentences)
    own = set(Config.model_fields) - {"num_envs"}  # every algorithm has that one
    assert named.keys() == own
    wrong = [
        name
        for name, sentence in named.items()
        if not re.search(r"\[(paper|code|section|ours)[^\]]*\]\.$", sentence)
    ]
    assert not wrong


@pytest.mark.parametrize("name", presets.PRESETS)
def test_presets_hold_settings_that_exist_and_fit(name: str) -> None:
    over = presets.PRESETS["quick"] if name == "pictures" else {}
    Config(**{**over, **presets.PRESETS[name]})


@pytest.mark.parametrize("wrong", [{"bins": 64}, {"heads": 3}])
def test_sizes_that_do_not_fit_are_refused_before_a_run(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        Config.model_validate(wrong)
