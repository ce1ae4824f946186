"""Who plays: algorithms as they are, or the variants of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from marlbench.errors import UserError
from marlbench.host import Catalogue
from marlbench.overrides import Override
from marlbench.plugin import Algorithm
from marlbench.settings import learner_by_study

__all__ = ["Player", "cast"]


@dataclass(frozen=True)
class Player:
    """An algorithm, and what a study sets of it."""

    algorithm: Algorithm
    study: str | None = None
    by_study: Sequence[Override] = ()
    """What its variant sets."""
    varied: frozenset[str] = frozenset()
    """Keys that any variant of its algorithm sets."""

    def over(self, own: Sequence[Override]) -> list[Override]:
        """Give what the user sets and, over it, what the study does.

        Raises UserError where both set the same: variants would fall together.
        """
        for override in own:
            if override.key in self.varied:
                raise UserError(
                    f"{override.origin}: {self.algorithm.name}.{override.key}: "
                    f"the study {self.study} varies it"
                )
        return [*own, *self.by_study]


def cast(catalogue: Catalogue, algorithms: Sequence[str], study: str | None) -> list[Player]:
    """Give who plays, each once, in the order of names or of the study; raises UserError."""
    if study is None:
        if not algorithms:
            raise UserError("nobody is to play: --algo NAME, or --study NAME (marlbench list)")
        return [Player(catalogue.algorithm(name)) for name in dict.fromkeys(algorithms)]
    if algorithms:
        raise UserError(f"--algo {','.join(algorithms)}: the study {study} says who plays")
    variants = catalogue.study(study).variants.values()
    played = [catalogue.algorithm(variant.algorithm) for variant in variants]
    said = [
        learner_by_study(algorithm, study, variant)
        for algorithm, variant in zip(played, variants, strict=True)
    ]
    varied: dict[str, frozenset[str]] = {}
    for algorithm, overrides in zip(played, said, strict=True):
        keys = frozenset(override.key for override in overrides)
        varied[algorithm.name] = varied.get(algorithm.name, frozenset()) | keys
    return [
        Player(algorithm, study, overrides, varied[algorithm.name])
        for algorithm, overrides in zip(played, said, strict=True)
    ]
