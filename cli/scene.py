"""A picture as lines and texts, written as SVG or PNG: all that a trend needs, without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal
from xml.sax.saxutils import escape

FONT_SIZE: Final = 12
_OVERSAMPLED: Final = 2
"""PNG is drawn this much larger and made smaller, which smooths the lines; Pillow draws none smooth by itself."""

Anchor = Literal["start", "middle", "end"]
_PILLOW_ANCHORS: Final = {"start": "ls", "middle": "ms", "end": "rs"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points (x, y), pixels from the upper left corner."""

    points: Sequence[tuple[float, float]]
    colour: str
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Label:
    """A text whose baseline starts, is centred or ends at (x, y)."""

    x: float
    y: float
    text: str
    colour: str = "#333333"
    anchor: Anchor = "start"


@dataclass(slots=True)
class Scene:
    """A white picture, ``width`` x ``height`` pixels."""

    width: int
    height: int
    lines: list[Line] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


def write_svg(scene: Scene, file: BinaryIO) -> None:
    """The scene as SVG 1.1."""
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{scene.width}" height="{scene.height}" '
            f'viewBox="0 0 {scene.width} {scene.height}" font-family="sans-serif" font-size="{FONT_SIZE}">'
        ),
        f'<rect width="{scene.width}" height="{scene.height}" fill="#ffffff"/>',
        *(_svg_line(line) for line in scene.lines),
        *(
            f'<text x="{label.x:.1f}" y="{label.y:.1f}" fill="{label.colour}" '
            f'text-anchor="{label.anchor}">{escape(label.text)}</text>'
            for label in scene.labels
        ),
        "</svg>",
    ]
    file.write("\n".join(parts).encode() + b"\n")


def _svg_line(line: Line) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in line.points)
    return (
        f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="{line.width:g}" '
        'stroke-linejoin="round"/>'
    )


def write_png(scene: Scene, file: BinaryIO) -> None:
    """The scene as PNG."""
    # Imported here, because only this format needs it.
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - as above

    size = scene.width * _OVERSAMPLED, scene.height * _OVERSAMPLED
    image = Image.new("RGB", size, "#ffffff")
    draw = ImageDraw.Draw(image)
    for line in scene.lines:
        points = [(x * _OVERSAMPLED, y * _OVERSAMPLED) for x, y in line.points]
        draw.line(points, fill=line.colour, width=max(round(line.width * _OVERSAMPLED), 1), joint="curve")
    image = image.resize((scene.width, scene.height), Image.Resampling.LANCZOS)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE)
    for label in scene.labels:
        draw.text((label.x, label.y), label.text, fill=label.colour, font=font, anchor=_PILLOW_ANCHORS[label.anchor])
    image.save(file, format="PNG")


def write_scene(scene: Scene, path: Path, file: BinaryIO) -> None:
    """As SVG or PNG, as the ending of ``path`` says."""
    (write_png if path.suffix.lower() == ".png" else write_svg)(scene, file)
