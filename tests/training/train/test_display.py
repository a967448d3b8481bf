"""People see how a run goes, on one line and as a picture."""

import io
import math
from xml.etree import ElementTree as ET

import pytest

from training.train.log import HeldOut, Measured
from training.train.picture import draw_curves, draw_log
from training.train.progress import Display

MEASURED = Measured(
    step=120,
    share=0.25,
    tokens=15_728_640,
    elapsed_s=100.0,
    loss=2.5,
    middle_loss=2.25,
    context_loss=2.75,
    rate_factor=1.0,
    tokens_per_s=580_123.4,
    peak_share=0.38,
)


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_a_line_tells_all() -> None:
    """Loss, speed, share of the peak and time left, each with its unit."""
    stream = io.StringIO()
    display = Display(stream)
    display.held_out(HeldOut(step=100, tokens=1, held_out_middle_loss=2.3, kinds={}))
    display.measured(MEASURED)
    assert (
        " 25.0% | step 120 | 15.7M tokens | loss 2.500 (middles 2.250) | "
        "held-out middles 2.300 | 580,123 tokens/s | 38% of peak | 5:00 left\n"
    ) == stream.getvalue()


def test_a_terminals_line_is_written_over() -> None:
    """No line end follows, and what stays wipes the line first."""
    stream = Terminal()
    display = Display(stream)
    display.measured(MEASURED)
    display.say("saved")
    assert 2 == stream.getvalue().count("\r\x1b[K")
    assert stream.getvalue().endswith("\r\x1b[Ksaved\n")


@pytest.mark.parametrize(
    "points",
    [[], [(1.0, 2.0)], [(0.0, 9.7), (300.0, 1.2), (713.0, math.nan)], [(0, 5), (1, 5)]],
    ids=["none", "one", "a gap", "flat"],
)
def test_picture_holds_any_curve(points: list[tuple[float, float]]) -> None:
    """The picture is XML, every finite point lies inside, and names are in it."""
    drawn = draw_curves({"a < b": points}, x_label="x", y_label="y")
    root = ET.fromstring(drawn)  # noqa: S314  # written a line above
    names = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b" in names
    [line] = root.iter("{http://www.w3.org/2000/svg}polyline")
    places = [place.split(",") for place in line.attrib["points"].split()]
    assert sum(math.isfinite(y) for _, y in points) == len(places)
    assert all(0 <= float(x) <= 760 and 0 <= float(y) <= 440 for x, y in places)


def test_picture_of_a_log_has_three_curves() -> None:
    """Lines of both kinds become points of their own curves."""
    drawn = draw_log(
        [
            {"tokens": 1e6, "middle_loss": 5.0, "context_loss": 4.0},
            {"tokens": 1e6, "held_out_middle_loss": 5.5},
        ]
    )
    root = ET.fromstring(drawn)  # noqa: S314  # written a line above
    lines = list(root.iter("{http://www.w3.org/2000/svg}polyline"))
    assert [1, 1, 1] == [len(line.attrib["points"].split()) for line in lines]
