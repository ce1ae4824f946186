"""Learners read nothing that nobody wrote, which is why runs may leave it as it comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from marlbench.host import load_catalogue
from marlbench.testing.trial import Subject

CATALOGUE = load_catalogue()
FILLING = "torch.utils.deterministic.fill_uninitialized_memory"


@pytest.fixture
def filling(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let torch fill what it allocates with NaNs."""
    mode = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("error")
    monkeypatch.setattr(FILLING, True)
    assert torch.empty(3).isnan().all()
    yield
    torch.set_deterministic_debug_mode(mode)


@pytest.mark.parametrize("name", CATALOGUE.algorithms)
def test_no_number_is_read_before_it_is_written(
    name: str, filling: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject.of(CATALOGUE.algorithms[name], None)
    filled = subject.trial().learn(updates=2)
    monkeypatch.setattr(FILLING, False)
    assert subject.trial().learn(updates=2) == filled  # NaNs would not be
