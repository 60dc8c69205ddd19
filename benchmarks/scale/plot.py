"""Line plots as SVG, readable on light and dark pages, the same bytes for the same figures.

Written out by hand because that is less than what a plotting library needs to be taught: no dates and random ids in the
file, colours that follow the reader's scheme, and nothing to install.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 16, 70, 50
_DASHES = ("", "7 4", "2 4", "10 3 2 3")
_STYLE = """
  text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 15px; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .line { fill: none; stroke-width: 2.5; }
  .a { stroke: #0969da; } .b { stroke: #bc4c00; } .c { stroke: #1a7f37; } .d { stroke: #8250df; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .grid { stroke: #30363d; }
    .a { stroke: #58a6ff; } .b { stroke: #f0883e; } .c { stroke: #3fb950; } .d { stroke: #bc8cff; }
  }"""


@dataclass(frozen=True)
class Line:
    """A line and what it is called."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis from the first of its ticks to the last.

    Attributes:
        title: what it measures.
        ticks: values and how each is written, in rising order.
    """

    title: str
    ticks: Sequence[tuple[float, str]]

    def share(self, value: float) -> float:
        """Return how far along the axis a value is, from 0 to 1."""
        first, last = self.ticks[0][0], self.ticks[-1][0]
        return math.log(value / first) / math.log(last / first)


def svg(title: str, x_axis: Axis, y_axis: Axis, lines: Sequence[Line]) -> str:
    """Return the plot of at most four lines."""

    def x(value: float) -> float:
        return _LEFT + x_axis.share(value) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - y_axis.share(value) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}\n</style>",
        _text(_LEFT, 22, title, "start", "title"),
    ]
    for value, label in y_axis.ticks:
        parts.append(f'<path class="grid" d="M{_LEFT} {y(value):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 8, y(value) + 4, label, "end"))
    for value, label in x_axis.ticks:
        parts.append(f'<path class="grid" d="M{x(value):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(_text(x(value), _HEIGHT - _BOTTOM + 18, label, "middle"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, x_axis.title, "middle"))
    parts.append(_text(_LEFT - 8, _TOP - 12, y_axis.title, "end"))
    room = (_WIDTH - _LEFT - _RIGHT) / len(lines)
    for number, line in enumerate(lines):
        look = f'class="line {"abcd"[number]}" stroke-dasharray="{_DASHES[number]}"'
        points = "L".join(f"{x(along):.1f} {y(up):.1f}" for along, up in line.points)
        parts.append(f'<path {look} d="M{points}"/>')
        at = _LEFT + number * room
        parts.append(f'<path {look} d="M{at:.1f} 44h30"/>')
        parts.append(_text(at + 36, 48, line.name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
