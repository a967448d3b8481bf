"""Keeps what is measured of requests."""

from lsp_server.metrics import NoMetrics, RequestRecord

__all__ = ["RequestRecords"]


class RequestRecords(NoMetrics):
    """Metrics of which the requests are kept, in the order in which they ended."""

    def __init__(self) -> None:
        self.requests: list[RequestRecord] = []

    def request_done(self, record: RequestRecord) -> None:
        """Keep a request."""
        self.requests.append(record)
