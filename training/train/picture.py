"""Draws loss curves as an SVG picture, which needs no library."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TypeAlias

__all__ = ["Curve", "draw_curves", "draw_log"]

Curve: TypeAlias = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 30, 50
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd")
_TICKS = 6
_LOSSES = ("middle", "context", "held_out_middle")


def draw_log(entries: Iterable[Mapping[str, float]]) -> str:
    """Draw the losses in the lines of a training log over the tokens read."""
    found = list(entries)
    curves = {
        name.replace("_", " "): [
            (entry["tokens"] / 1e6, entry[f"{name}_loss"])
            for entry in found
            if f"{name}_loss" in entry
        ]
        for name in _LOSSES
    }
    return draw_curves(
        curves, x_label="million tokens", y_label="loss in nats per token"
    )


def draw_curves(curves: Mapping[str, Curve], *, x_label: str, y_label: str) -> str:
    """Draw all curves on common axes, with a legend; curves may be empty."""
    points = [point for curve in curves.values() for point in curve]
    finite = [p for p in points if all(map(math.isfinite, p))] or [(0.0, 0.0)]
    across = _Axis([x for x, _ in finite], _LEFT, _WIDTH - _RIGHT)
    upward = _Axis([y for _, y in finite], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        "<style>text { font: 12px sans-serif }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for value in across.ticks:
        x = across.at(value)
        parts.append(_line(x, _TOP, x, _HEIGHT - _BOTTOM))
        parts.append(_text(x, _HEIGHT - _BOTTOM + 18, f"{value:g}", "middle"))
    for value in upward.ticks:
        y = upward.at(value)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y))
        parts.append(_text(_LEFT - 8, y + 4, f"{value:g}", "end"))
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(
            f"{across.at(x):.1f},{upward.at(y):.1f}"
            for x, y in curve
            if math.isfinite(x) and math.isfinite(y)
        )
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" '
            'stroke-width="1.5"/>'
        )
        parts.append(_text(_WIDTH - 30, 50 + 18 * number, name, "end", colour))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 10, x_label, "middle"))
    parts.append(_text(_LEFT, 18, y_label, "start"))
    parts.append("</svg>\n")
    return "\n".join(parts)


class _Axis:
    """Maps values to places, with round numbers at the ticks."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        low, high = min(values), max(values)
        span = (high - low) or 1.0
        rough = span / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
        self._low, self._high = low, low + span
        self._first, self._last = first, last
        ticks = range(math.ceil(low / step), math.floor(self._high / step) + 1)
        self.ticks = [number * step for number in ticks]

    def at(self, value: float) -> float:
        """Give the place of ``value``."""
        share = (value - self._low) / (self._high - self._low)
        return self._first + share * (self._last - self._first)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
