"""Draws shares as bars, in an SVG picture that needs no library."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from training.eval.bootstrap import Estimate

__all__ = ["Bar", "draw_bars"]

_WIDTH, _LEFT, _RIGHT = 760, 260, 70
_TOP, _STEP, _THICK, _BOTTOM = 40, 20, 14, 40
_HEAD = 26
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b")
_TICKS = range(0, 101, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        group: Bars of a group, which stand together, have this above them.
        name: What stands beside the bar; bars of a name have one colour.
        share: How long it is, in percent.
    """

    group: str
    name: str
    share: Estimate


def draw_bars(bars: Sequence[Bar], *, title: str) -> str:
    """Draw all bars from 0 to 100 percent, with their intervals."""
    colours = {
        name: _COLOURS[number % len(_COLOURS)]
        for number, name in enumerate(dict.fromkeys(bar.name for bar in bars))
    }
    groups = list(dict.fromkeys(bar.group for bar in bars))
    height = _TOP + _HEAD * len(groups) + _STEP * len(bars) + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}">',
        "<style>text { font: 12px sans-serif }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        _text(_LEFT, 20, title, "start"),
    ]
    for tick in _TICKS:
        x = _across(tick)
        parts.append(_line(x, _TOP, x, height - _BOTTOM, "#ddd"))
        parts.append(_text(x, height - _BOTTOM + 18, f"{tick} %", "middle"))
    y = float(_TOP)
    for group in groups:
        y += _HEAD
        parts.append(_text(10, y - 6, group, "start"))
        for bar in bars:
            if bar.group == group:
                parts.extend(_bar(bar, y, colours[bar.name]))
                y += _STEP
    parts.append("</svg>\n")
    return "\n".join(parts)


def _bar(bar: Bar, y: float, colour: str) -> Iterator[str]:
    middle = y + _THICK / 2
    share = bar.share
    yield (
        f'<rect x="{_LEFT}" y="{y:.1f}" height="{_THICK}" '
        f'width="{_across(share.value) - _LEFT:.1f}" fill="{colour}"/>'
    )
    yield _line(_across(share.low), middle, _across(share.high), middle, "#333")
    yield _text(_LEFT - 8, middle + 4, bar.name, "end")
    label = max(share.value, share.high)
    yield _text(_across(label) + 6, middle + 4, f"{share.value:.1f}", "start")


def _across(percent: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * percent / 100


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333">'
        f"{escape(text)}</text>"
    )
