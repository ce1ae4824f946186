"""Whether a learner reads images of any size, or says in a line that it reads none."""

from __future__ import annotations

from marlbench.errors import one_line
from marlbench.testing.synthetic import Sizes
from marlbench.testing.trial import Subject

IMAGES = ((44, 44, 3), (7, 30, 2))
"""Shapes (height, width, channels)."""


def plays_images(subject: Subject) -> str:
    """It plays and learns from images, small and oblong ones too, or refuses them in a line."""
    for shape in IMAGES:
        try:
            trial = subject.trial(Sizes(obs_shape=shape, state=None))
        except ValueError as error:
            return f"{shape} refused: {one_line(error)}"
        trial.learn(updates=1)
    return " and ".join(" x ".join(map(str, shape)) for shape in IMAGES)
