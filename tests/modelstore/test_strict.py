"""Decoded JSON becomes a dataclass, or an error that names the key."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from lsp_server.modelstore.strict import ShapeError, build


@dataclass(frozen=True)
class Inner:
    flag: bool


@dataclass(frozen=True)
class Outer:
    text: str
    number: int
    inner: Inner | None
    many: Mapping[str, Inner]
    share: float
    row: tuple[Inner, ...]


GOOD: dict[str, object] = {
    "text": "a",
    "number": 4,
    "inner": {"flag": True},
    "many": {"x": {"flag": False}},
    "share": 0.5,
    "row": [{"flag": True}, {"flag": False}],
}


def test_builds_what_fits() -> None:
    """Nested objects, lists, mappings and nulls become what is asked for."""
    expected = Outer(
        text="a",
        number=4,
        inner=Inner(flag=True),
        many={"x": Inner(flag=False)},
        share=0.5,
        row=(Inner(flag=True), Inner(flag=False)),
    )
    assert expected == build(Outer, GOOD)
    assert build(Outer, {**GOOD, "inner": None}).inner is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": 4}, "the key 'text' is not a text"),
        ({"text": None}, "the key 'text' is not a text"),
        ({"number": "4"}, "the key 'number' is not a whole number"),
        ({"number": True}, "the key 'number' is not a whole number"),
        ({"number": 4.0}, "the key 'number' is not a whole number"),
        ({"inner": {"flag": 1}}, "the key 'inner.flag' is not true or false"),
        ({"inner": {}}, "the key 'inner.flag' is missing"),
        ({"inner": []}, "the key 'inner' is not an object"),
        ({"many": []}, "the key 'many' is not an object"),
        ({"many": {"x": {"flag": 0}}}, "the key 'many.x.flag' is not true or false"),
        ({"many": {"x": None}}, "the key 'many.x' is not an object"),
        ({"share": 1}, "the key 'share' is not a number with a decimal point"),
        ({"row": {}}, "the key 'row' is not a list"),
        ({"row": [{"flag": True}, 3]}, "the key 'row[1]' is not an object"),
        ({"row": [{"flag": 1}]}, "the key 'row[0].flag' is not true or false"),
        ({"more": 1}, "the key 'more' is unknown"),
    ],
)
def test_names_the_key(change: dict[str, object], message: str) -> None:
    """Nothing is converted, skipped or made up; the error names the path of keys."""
    with pytest.raises(ShapeError) as caught:
        build(Outer, {**GOOD, **change})
    assert message == str(caught.value)


@pytest.mark.parametrize("raw", [None, [], "text", 4])
def test_refuses_other_things_than_objects(raw: object) -> None:
    """A manifest that is a list or a number is none."""
    with pytest.raises(ShapeError, match="it is not an object"):
        build(Outer, raw)
