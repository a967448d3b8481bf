"""Measures key-to-ghost latency in the real VS Code, with the real engine.

    python -m benchmarks.vscode_latency [RESULTS.json]

It needs what ``make install-editors`` obtains. The time runs from the key's event in
the page to the animation frame in which ghost text is there.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "editors"))

from editor_server import write_server
from obtain.record import FOLDER, ROOT
from playwright.sync_api import sync_playwright
from vscode.browser import open_browser
from vscode.code_server import CodeServer, install_extensions
from vscode.packaged import package_extension
from vscode.window import Window
from vscode.workspace import make_workspace

from benchmarks.editor_latency import CASES, prepare_files, write_results
from benchmarks.figures import circumstances

FILES = 24
WARM_UP_FILES = 2
LIMIT_MS = 5_000
LOAD_S = 300

# Resolves to the milliseconds from the next key to ghost text, or to null.
LISTEN = """
(limitMs) => {
  window.keyToGhost = new Promise((resolve) => {
    addEventListener("keydown", () => {
      const began = performance.now();
      const look = () => {
        const took = performance.now() - began;
        if (midfillDom.ghost() !== "") resolve(took);
        else if (took > limitMs) resolve(null);
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }, { capture: true, once: true });
  });
}
"""


def measure(window: Window, key: str) -> float | None:
    """Press a key, and return how long its ghost text took; then take it away."""
    window.wait_for_no_ghost()
    window.page.evaluate(LISTEN, LIMIT_MS)
    window.press("Enter" if key == "\n" else key)
    took = window.page.evaluate("window.keyToGhost")
    window.press("Escape")
    return None if took is None else float(took)


def why_not(window: Window, since: int) -> str:
    """Return why no ghost text came, as the extension's events tell it."""
    if not window.events.all("request", since=since):
        return "not asked for"
    if window.events.all("cancel", since=since, cut_off=True):
        return "VS Code stopped waiting"
    replies = window.events.all("reply", since=since, cancelled=False)
    if not replies:
        return "taken back or not answered in time"
    items = max(int(str(reply["items"])) for reply in replies)
    return "answered, but not drawn" if items else "answered empty"


def handler_times(window: Window) -> list[float]:
    """Return how long each key held the extension before its request went, in ms."""
    return [float(str(each["sync_ms"])) for each in window.events.all("request")]


def go_to(window: Window, line: int) -> None:
    """Put the cursor at the end of a line, as a person does who knows its number."""
    window.press("Control+g")
    box = window.page.locator(".quick-input-widget input")
    box.fill(f":{line}")
    window.press("Enter")
    box.wait_for(state="hidden")
    window.press("End")


def main() -> None:
    """Measure, print the figures and write them."""
    into = ROOT / "benchmarks" / "results" / "editor_latency_vscode.json"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else into
    files = prepare_files(ROOT, FILES + WARM_UP_FILES)
    samples: dict[str, list[float | None]] = {case: [] for case in CASES}
    reasons: dict[str, Counter[str]] = {case: Counter() for case in CASES}
    with tempfile.TemporaryDirectory(prefix="midfill-latency-") as name:
        folder = Path(name)
        server = write_server(folder / "server", {"ENGINE_KIND": "vllm"})
        install_extensions(FOLDER, folder / "extensions", package_extension(ROOT))
        workspace = make_workspace(
            folder / "workspace",
            {file.name: file.text for file in files} | {"empty.py": ""},
            {"midfill.server.path": str(server.program)},
        )
        with (
            CodeServer(FOLDER, folder / "cs", folder / "extensions") as code_server,
            sync_playwright() as playwright,
            open_browser(playwright, FOLDER, folder / "profile") as browser,
        ):
            window = Window(browser, code_server, workspace, folder)
            window.show("empty.py")
            window.wait_until_ready(timeout_s=LOAD_S)
            began = circumstances()
            for number, file in enumerate(files):
                window.open(file.name)
                for place in file.places:
                    go_to(window, place.line)
                    keys = {place.case: place.key, "next": place.next_key}
                    for case, key in keys.items():
                        mark = window.events.mark()
                        took = measure(window, key) if key else None
                        if number < WARM_UP_FILES or not key:
                            continue
                        samples[case].append(took)
                        if took is None:
                            reasons[case][why_not(window, mark)] += 1
            in_handler = handler_times(window)
        server.end()
    editor = "VS Code 1.139.1 (code-server 4.139.1)"
    write_results(
        target, editor, samples, not_shown=reasons, began=began, handler_ms=in_handler
    )
    print(target.read_text())


if __name__ == "__main__":
    main()
