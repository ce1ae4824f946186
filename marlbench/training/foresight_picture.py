"""The picture of a world model: what agents saw of an episode, above what was imagined of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from marlbench.imagination import ImaginingAgent
    from marlbench.plugin import EnvSpec, Suite
    from marlbench.training.recording import Pieces

__all__ = ["Draw", "drawer", "foresight_picture"]

Draw = Callable[["NDArray[Any]"], "NDArray[np.uint8]"]
"""Draws one agent's observation (*O), seen or imagined: (height, width, 3), always as large."""

AGENTS = 3
"""At most, whose rows are drawn."""
AHEAD = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64)
"""Steps ahead that have a column."""
SIDE = 112
"""Pixels along a picture's longer side, to which it is brought."""
GAP, HEAD, LEFT = 3, 20, 92
"""Pixels between pictures, of the line above them, and of the names beside them."""
PAPER, INK, FRAME = (255, 255, 255), (40, 40, 40), (186, 122, 24)
NOTHING = (238, 238, 236)


def drawer(suite: Suite, task: str, config: Any, spec: EnvSpec) -> Draw:
    """Give what draws observations of a task: images as they are, vectors as the suite does.

    Where it does not, the features as bars.
    """
    if spec.obs_dtype == "uint8":
        return image
    return bars if suite.draw_observation is None else partial(suite.draw_observation, task, config)


def image(obs: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw an image (height, width, channels); where these are not 3, their mean as grey."""
    pixels = np.clip(np.round(obs), 0, 255).astype(np.uint8)
    return (
        pixels
        if pixels.shape[-1] == 3
        else pixels.mean(-1, keepdims=True).astype(np.uint8).repeat(3, -1)
    )


def bars(obs: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw features (O,) as bars from the middle, ones as long as a quarter of the height."""
    wide = max(1, SIDE // len(obs))
    picture = np.full((SIDE, wide * len(obs), 3), 255, np.uint8)
    tips = np.clip(np.round(SIDE / 2 - obs * SIDE / 4), 0, SIDE).astype(int)
    for n, tip in enumerate(tips.tolist()):
        low, high = sorted((tip, SIDE // 2))
        picture[low:high, n * wide : (n + 1) * wide] = FRAME
    picture[SIDE // 2] = INK
    return picture


def foresight_picture(
    agent: ImaginingAgent, piece: Pieces, draw: Draw, rng: np.random.Generator
) -> NDArray[np.uint8] | None:
    """Draw the first of pieces as it came and as it is imagined once: (height, width, 3).

    Every agent has a row of what came above a row of what was imagined; columns are steps, first
    the last one that the learner sees. None where the model decodes nothing.
    """
    imagined = agent.imagine(piece.seen, piece.actions, rng).obs
    if imagined is None:
        return None
    steps = [k for k in AHEAD if k <= piece.horizon and piece.there[k - 1, 0]]
    seen, came = piece.seen.obs[-1, 0], piece.came.obs[:, 0]
    rows = []
    for a in range(min(AGENTS, came.shape[1])):
        rows.append((f"agent {a}", [seen[a], *(came[k - 1, a] for k in steps)]))
        rows.append(("imagined", [None, *(imagined[k - 1, 0, a] for k in steps)]))
    heads = [f"step {len(piece.seen.first)}", *(f"+{k}" for k in steps)]
    return sheet(heads, rows, draw)


def sheet(
    heads: Sequence[str], rows: Sequence[tuple[str, Sequence[Any]]], draw: Draw
) -> NDArray[np.uint8]:
    """Set rows of observations under heads; each pair of rows stands apart, None is left blank."""
    from PIL import Image, ImageDraw, ImageFont  # few runs draw

    stills = [[None if obs is None else still(draw(obs)) for obs in row] for _, row in rows]
    width, height = next(each for each in stills[0] if each is not None).size
    size = (
        LEFT + len(heads) * (width + GAP),
        HEAD + len(rows) * (height + GAP) + len(rows) // 2 * GAP,
    )
    paper = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(13)
    for column, head in enumerate(heads):
        middle = LEFT + column * (width + GAP) + width / 2
        pen.text((middle, HEAD / 2), head, INK, font, anchor="mm")
    for number, (name, _) in enumerate(rows):
        top = HEAD + number * (height + GAP) + number // 2 * GAP
        pen.text((6, top + height / 2), name, INK, font, anchor="lm")
        for column, each in enumerate(stills[number]):
            if each is not None:
                paper.paste(each, (LEFT + column * (width + GAP), top))
    return np.asarray(paper).copy()


def still(picture: NDArray[np.uint8]) -> Image.Image:
    """Give a picture about `SIDE` pixels large, small ones by whole factors."""
    from PIL import Image

    height, width, _ = picture.shape
    longest = max(height, width)
    if longest <= SIDE:
        scale = SIDE // longest
        return Image.fromarray(picture.repeat(scale, 0).repeat(scale, 1))
    size = (round(width * SIDE / longest), round(height * SIDE / longest))
    return Image.fromarray(picture).resize(size, Image.Resampling.BOX)
