"""Known warnings are dropped; whatever else a module says comes through."""

import logging

import pytest

from lsp_server.engine import log_noise

LOGGER = "vllm.config.vllm"


@pytest.mark.parametrize(
    ("level", "message", "heard"),
    [
        (logging.WARNING, "Enforce eager set, disabling torch.compile", False),
        (logging.INFO, "Model Runner V2 requires Triton; using the V1", False),
        (logging.WARNING, "Something new about Triton", True),
        (logging.WARNING, "It said: Enforce eager set", True),
        (logging.ERROR, "Enforce eager set, and that is fatal", True),
    ],
)
def test_only_known_warnings_are_dropped(
    caplog: pytest.LogCaptureFixture,
    level: int,
    message: str,
    heard: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """A message is known by its beginning, and an error is always heard."""
    log_noise.hush()
    with caplog.at_level(logging.DEBUG, LOGGER):
        logging.getLogger(LOGGER).log(level, message)
    assert heard == (message in caplog.messages)


def test_other_loggers_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The same words from elsewhere are somebody else's."""
    log_noise.hush()
    logging.getLogger("somebody").warning("Enforce eager set")
    assert ["Enforce eager set"] == caplog.messages


def test_a_second_call_adds_nothing() -> None:
    """The plugin runs more than once in a process; one filter is enough."""
    log_noise.hush()
    filters = list(logging.getLogger(LOGGER).filters)
    log_noise.hush()
    assert filters == logging.getLogger(LOGGER).filters
