"""Import what a wheel holds, from the folder it was unpacked to.

``python -I requirements/check_wheel.py FOLDER`` fails if a module of the wheel cannot
be imported, if it comes from anywhere but the folder, or if a declared command is not
there.
"""

import importlib
import importlib.metadata
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

PACKAGE = "lsp_server"
# `bin` holds the command, and uv leaves its lock.
EXPECTED = frozenset({PACKAGE, "bin", ".lock"})
# These import vLLM or torch's heavier parts: seconds each, and tests cover them.
HEAVY = frozenset(
    f"lsp_server.engine.{name}"
    for name in ("vllm_cpu", "hold_processors", "vllm_executor")
)


def modules_of(package: ModuleType) -> list[str]:
    """List a package's modules, however deep."""
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [
        module.name
        for module in found
        if module.name not in HEAVY and not module.name.endswith(".__main__")
    ]


def main(folder: Path) -> int:
    """Import everything and print how much that was."""
    sys.path.insert(0, str(folder))
    others = {
        path.name
        for path in folder.iterdir()
        if path.name not in EXPECTED and path.suffix != ".dist-info"
    }
    if others:
        print(f"the wheel installs {', '.join(sorted(others))}", file=sys.stderr)
        return 1
    package = importlib.import_module(PACKAGE)
    origin = Path(str(package.__file__)).resolve()
    if not origin.is_relative_to(folder):
        print(f"{PACKAGE} was imported from {origin}", file=sys.stderr)
        return 1
    names = [PACKAGE, *modules_of(package)]
    for name in names:
        importlib.import_module(name)
    if not importlib.import_module("lsp_server.modelstore.locate").shipped_models():
        print("the wheel holds no model", file=sys.stderr)
        return 1
    scripts = importlib.metadata.distribution("midfill").entry_points
    for entry_point in scripts.select(group="console_scripts"):
        entry_point.load()
    print(f"the wheel's {len(names)} modules were imported from {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
