"""Work is done some at a time, and one failure is one error."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.errors import EvaluationError
from training.eval.side_by_side import side_by_side


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 4))
def test_order_and_number(turns: list[int], at_once: int) -> None:
    """Results keep the items' order; never more than so many are under way."""
    under_way = set[int]()
    most = 0

    async def work(number: int, turn: int) -> tuple[int, int]:
        nonlocal most
        under_way.add(number)
        most = max(most, len(under_way))
        for _ in range(turn):
            await asyncio.sleep(0)
        under_way.discard(number)
        return number, turn

    found = asyncio.run(side_by_side(turns, work, at_once=at_once))
    assert list(enumerate(turns)) == found
    assert most <= at_once


async def test_failure_ends_the_rest() -> None:
    """Several failures of Midfill's own are one error; what waits is not begun."""
    begun = []

    async def work(number: int, _item: str) -> None:
        begun.append(number)
        await asyncio.sleep(0)
        raise EvaluationError("no", subject=str(number), remedy="none")

    with pytest.raises(EvaluationError) as caught:
        await side_by_side(["x"] * 9, work, at_once=2)
    assert "0" == caught.value.subject
    assert [0, 1] == begun


async def test_defect_stays_a_group() -> None:
    """What is no error of Midfill's is not made into one."""

    async def work(_number: int, _item: str) -> None:
        raise KeyError("a defect")

    with pytest.raises(ExceptionGroup):
        await side_by_side(["x"], work, at_once=2)
