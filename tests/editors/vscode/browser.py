"""Starts Debian's Chromium, headless and with a fresh profile."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import BrowserContext, Error, Playwright

__all__ = ["open_browser"]

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Windows behind another one keep their animation frames, which the tests wait for.
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)


@contextmanager
def open_browser(
    playwright: Playwright,
    editors: Path,
    profile: Path,
    *,
    size: tuple[int, int] = (1200, 700),
    scale: float = 1,
) -> Generator[BrowserContext]:
    """Open a browser whose windows have one size.

    Args:
        playwright: What drives it.
        editors: Where the editors lie.
        profile: A folder that does not exist yet.
        size: Width and height in CSS pixels.
        scale: Pixels of the screen for each CSS pixel.
    """
    width, height = size
    # One that is killed, as a test does, leaves its socket behind, whose path would be
    # too long in a folder of pytest's.
    with TemporaryDirectory(
        prefix="midfill-browser-", ignore_cleanup_errors=True
    ) as temporary:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=editors / "bin" / "chromium",
            headless=True,
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            args=list(ARGUMENTS),
            env={**os.environ, "TMPDIR": temporary},
        )
        try:
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            yield context
        finally:
            with suppress(Error):
                context.close()
