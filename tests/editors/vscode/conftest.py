"""Starts VS Code's server and a browser once for each worker, and opens windows."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from editor_server import EditorServer
from obtain.record import FOLDER, ROOT, UnobtainableError, program
from playwright.sync_api import BrowserContext, Playwright, sync_playwright
from vscode.browser import open_browser
from vscode.code_server import CodeServer, install_extensions
from vscode.fault_servers import HEAD, Servers, settings
from vscode.packaged import one_at_a_time, package_extension, package_test_extension
from vscode.window import Window
from vscode.windows import Windows

TEST_EXTENSIONS = ("runner", "python_extension")
SHOTS = ROOT / "build" / "editors" / "vscode"


@pytest.fixture(scope="session")
def editors() -> Path:
    """The folder of the editors; without code-server and Chromium all is skipped."""
    for name in ("npm", "code-server", "chromium"):
        try:
            program(name)
        except UnobtainableError as exc:
            pytest.skip(str(exc))
    return FOLDER


@pytest.fixture(scope="session")
def extensions(editors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packaged extension, and those of the tests.

    All workers use one.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "vscode" / "extensions"
    done = folder.with_name("installed")
    with one_at_a_time(ROOT):
        if not done.exists():
            packages = [package_extension(ROOT)]
            packages += [package_test_extension(ROOT, name) for name in TEST_EXTENSIONS]
            install_extensions(editors, folder, *packages)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def code_server(
    editors: Path, extensions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[CodeServer]:
    """A code-server that trusts every workspace."""
    folder = tmp_path_factory.mktemp("code-server") / "1"
    with CodeServer(editors, folder, extensions) as server:
        yield server


@pytest.fixture(scope="session")
def playwright() -> Generator[Playwright]:
    """What drives browsers."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(
    playwright: Playwright, editors: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[BrowserContext]:
    """A browser that all windows share."""
    profile = tmp_path_factory.mktemp("browser") / "profile"
    with open_browser(playwright, editors, profile) as context:
        yield context


@pytest.fixture(scope="module")
def windows(
    code_server: CodeServer,
    browser: BrowserContext,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Windows]:
    """Windows of the tests of one module."""
    folder = tmp_path_factory.mktemp("windows")
    made = Windows(code_server, browser, folder, SHOTS)
    yield made
    made.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    """Make servers for all that share a window."""
    made = Servers(tmp_path_factory.mktemp("servers"))
    yield made
    made.end()


@pytest.fixture(scope="session")
def good(servers: Servers) -> EditorServer:
    """A server that works."""
    return servers.make()


@pytest.fixture(scope="session")
def shared_window(
    code_server: CodeServer,
    browser: BrowserContext,
    good: EditorServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Window]:
    """The window of several modules, whose server works: shares.py names them."""
    folder = tmp_path_factory.mktemp("shared-window")
    made = Windows(code_server, browser, folder, SHOTS)
    window = made.open(settings(good), {"a.py": HEAD})
    window.wait_until_ready()
    yield window
    made.close()


@pytest.fixture(autouse=True)
def pictures(request: pytest.FixtureRequest) -> Generator[None]:
    """Keep a picture of the test's window after each test, named after the test."""
    named = "window" in request.fixturenames
    window = request.getfixturevalue("window") if named else None
    yield
    if isinstance(window, Window):
        window.shot(f"{request.node.name.removeprefix('test_')}-end")
