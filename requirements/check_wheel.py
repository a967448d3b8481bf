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

PACKAGES = ("lsp_server", "models")
# These import vLLM or torch's heavier parts: seconds each, and tests cover them.
HEAVY = frozenset({"lsp_server.engine.cpu_int4", "lsp_server.engine.vllm_engine"})
# Runs inside auto-gptq's own environment, whose packages are not here.
FOREIGN = "models.quantize"


def modules_of(package: ModuleType) -> list[str]:
    """List a package's modules, however deep."""
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [
        module.name
        for module in found
        if module.name not in HEAVY
        and not module.name.startswith(FOREIGN)
        and not module.name.endswith(".__main__")
    ]


def main(folder: Path) -> int:
    """Import everything and print how much that was."""
    sys.path.insert(0, str(folder))
    names: list[str] = []
    for package_name in PACKAGES:
        package = importlib.import_module(package_name)
        origin = Path(str(package.__file__)).resolve()
        if not origin.is_relative_to(folder):
            print(f"{package_name} was imported from {origin}", file=sys.stderr)
            return 1
        names += [package_name, *modules_of(package)]
    for name in names:
        importlib.import_module(name)
    scripts = importlib.metadata.distribution("midfill").entry_points
    for entry_point in scripts.select(group="console_scripts"):
        entry_point.load()
    print(f"the wheel's {len(names)} modules were imported from {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
