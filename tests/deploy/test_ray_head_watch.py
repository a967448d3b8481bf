"""When the head of a Ray is lost, and when it comes back."""

import itertools

import pytest

from lsp_server.errors import EngineDeadError
from midfill_ray.head_watch import wait_for_loss


def sentences(answers: str) -> list[str]:
    """Return what is said while a head answers (``+``) or not (``-``), each second."""
    said: list[str] = []
    pattern = itertools.chain(answers, itertools.repeat("-"))
    seconds = itertools.count()
    now_s = 0.0

    def sleep(_seconds: float) -> None:
        nonlocal now_s
        now_s = float(next(seconds))

    with pytest.raises(EngineDeadError, match="has not answered for 45 s"):
        wait_for_loss(
            "10.0.0.1:6379",
            said.append,
            answers=lambda _address: next(pattern) == "+",
            sleep=sleep,
            clock=lambda: now_s,
        )
    return said


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("", ["does not answer"]),
        ("+++", ["does not answer"]),
        ("+--++", ["does not answer", "answers again", "does not answer"]),
    ],
)
def test_loss_is_said_once(
    answers: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence when it is lost and one when it is back, however long it takes."""
    monkeypatch.delenv("RAY_gcs_rpc_server_reconnect_timeout_s", raising=False)

    found = sentences(answers)

    assert len(found) == len(said)
    assert all(part in whole for part, whole in zip(said, found, strict=True))
