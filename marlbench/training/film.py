"""Writes frames into a moving picture: gif with pillow, mp4 with imageio-ffmpeg."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from subprocess import PIPE

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from marlbench.store import files
from marlbench.training.playback import Frame

LINE = 24
"""Pixels of the line under a picture that says where the episode stands."""
PAPER, INK = (255, 255, 255), (40, 40, 40)
COLOURS, SAMPLE = 128, 12
"""Of a gif, all frames sharing them; and how many frames they are chosen from."""
HOLD = 1.2
"""Seconds that the end of an episode stays."""

Still = Image.Image


def write(path: Path, frames: Iterable[Frame], fps: int) -> int:
    """Write a film, gif or mp4 by the name's suffix; give its number of frames.

    The file is there whole or not at all.
    """
    return (write_gif if path.suffix == ".gif" else write_mp4)(path, frames, fps)


def write_gif(path: Path, frames: Iterable[Frame], fps: int) -> int:
    """Write an endless gif. Frames wait compressed, because its colours are chosen from all."""
    waiting, durations, size = [], [], (1, 1)
    for frame in frames:
        still = titled(frame)
        waiting.append(zlib.compress(still.tobytes(), 1))
        durations.append(round(1000 * (HOLD if frame.last else 1 / fps)))
        size = still.size
    stills = (Image.frombytes("RGB", size, zlib.decompress(each)) for each in waiting)
    sample = waiting[:: max(1, len(waiting) // SAMPLE)]
    colours = palette([Image.frombytes("RGB", size, zlib.decompress(each)) for each in sample])
    reduced = (still.quantize(palette=colours, dither=Image.Dither.NONE) for still in stills)
    with files.replacing(path) as file:
        next(reduced).save(
            file,
            format="GIF",
            save_all=True,
            append_images=reduced,
            duration=durations,
            loop=0,
        )
    return len(waiting)


def palette(stills: list[Still]) -> Still:
    """Give the colours that these have, the commonest if they are too many."""
    together = np.concatenate([np.asarray(still) for still in stills])
    return Image.fromarray(together).quantize(COLOURS)


def write_mp4(path: Path, frames: Iterable[Frame], fps: int) -> int:
    """Write an mp4 that any player plays; OSError with what ffmpeg says if it cannot."""
    # ffmpeg tells the kind of film by the name, and goes back in the file
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        count = encode(part, held(frames, fps), fps)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def encode(path: Path, stills: Iterator[Still], fps: int) -> int:
    """Let ffmpeg write these; give how many there were."""
    first, count = next(stills), 0
    with subprocess.Popen(ffmpeg(path, first.size, fps), stdin=PIPE, stderr=PIPE) as encoder:
        assert encoder.stdin is not None
        assert encoder.stderr is not None
        with suppress(BrokenPipeError):  # it says why below
            for still in chain([first], stills):
                encoder.stdin.write(still.tobytes())
                count += 1
        with suppress(BrokenPipeError):
            encoder.stdin.close()
        said = encoder.stderr.read().decode(errors="replace").strip()
    if encoder.returncode:
        raise OSError(f"ffmpeg cannot write {path}: {said}")
    return count


def ffmpeg(path: Path, size: tuple[int, int], fps: int) -> list[str]:
    """Give the command that makes an mp4 of raw pictures."""
    from imageio_ffmpeg import get_ffmpeg_exe

    width, height = size
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps)]
    coded = ["-an", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20"]
    quiet = [get_ffmpeg_exe(), "-y", "-loglevel", "error", "-threads", "1"]
    return [*quiet, *raw, "-i", "-", *coded, "-threads", "1", str(path)]


def held(frames: Iterable[Frame], fps: int) -> Iterator[Still]:
    """Give titled frames, the last one of an episode repeated for as long as it stays."""
    for frame in frames:
        still = even(titled(frame))
        yield from [still] * (round(HOLD * fps) if frame.last else 1)


def titled(frame: Frame) -> Still:
    """Give a frame with its caption below."""
    height, width, _ = frame.picture.shape
    still = Image.new("RGB", (width, height + LINE), PAPER)
    still.paste(Image.fromarray(frame.picture), (0, 0))
    middle = (8, height + LINE / 2)
    font = ImageFont.load_default(14)
    ImageDraw.Draw(still).text(middle, frame.caption, INK, font, anchor="lm")
    return still


def even(still: Still) -> Still:
    """Give a picture of even width and height, as films have."""
    width, height = still.size
    return still.crop((0, 0, width + width % 2, height + height % 2))
