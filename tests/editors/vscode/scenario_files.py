"""The files that the scenario types into, and what its engine answers there."""

from pathlib import Path

from vscode.window import Window

__all__ = ["FILES", "FIRST", "HEAD", "LATER", "SECOND", "THIRD", "save"]

FIRST = "result = 0"
LATER = "    for item in items:\n        result += item\n    return result"
SECOND, THIRD = "result = sum(items)", "result = []"

HEAD = "def total(items):\n"
FILES = {
    "loading.py": HEAD,
    "accept.py": HEAD,
    "word.py": HEAD,
    "line.py": "",
    "through.py": HEAD,
    "candidates.py": HEAD,
    "tab.py": HEAD,
    "switch.py": HEAD,
    "switch.js": "",
    "snooze.py": HEAD,
    "trace.py": HEAD,
    "crlf.py": "a = 1\r\n",
    "emoji.py": 'train = "🚄👩‍🔬"\n',
    "large.py": f"value = '{'x' * 989}'\n" * 5_000,
}


def save(window: Window, name: str) -> Path:
    """Save the file in the active editor, and return its path."""
    window.press("Control+s")
    dirty = window.page.locator(".tab.active.dirty")
    dirty.wait_for(state="detached")
    return window.workspace / name
