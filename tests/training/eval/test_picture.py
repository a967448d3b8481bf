"""The picture is one that programs can read, and its bars are as long as they say."""

import xml.etree.ElementTree as ET

from training.eval.bootstrap import Estimate
from training.eval.picture import Bar, draw_bars

SVG = "{http://www.w3.org/2000/svg}"


def bar(group: str, name: str, value: float) -> Bar:
    """A bar of this length."""
    share = Estimate(value=value, low=value / 2, high=(value + 100) / 2)
    return Bar(group=group, name=name, share=share)


def test_bars() -> None:
    """Lengths follow the shares, colours the names, and text is escaped."""
    drawn = draw_bars(
        [bar("x", "a < b", 20), bar("y", "a < b", 40), bar("y", "c", 80)], title="T"
    )
    root = ET.fromstring(drawn)  # noqa: S314 - written by the line above
    rects = root.findall(f"{SVG}rect")[1:]
    widths = [float(rect.attrib["width"]) for rect in rects]
    assert [20, 40, 80] == [round(80 * width / widths[2]) for width in widths]
    colours = [rect.attrib["fill"] for rect in rects]
    assert colours[0] == colours[1] != colours[2]
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert {"T", "x", "y", "a < b", "c", "20.0", "80.0", "100 %"} <= set(texts)


def test_no_bars() -> None:
    """Even without bars it is a picture."""
    assert ET.fromstring(draw_bars([], title="")).tag == f"{SVG}svg"  # noqa: S314 - ours
