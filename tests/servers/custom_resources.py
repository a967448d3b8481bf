"""Checks custom resources of Kubernetes by their definitions, without room for typos.

The definitions are those of KEDA 2.20 and of the Prometheus operator 0.93, as models
that cloudcoil (Apache-2.0) generates of them and publishes on PyPI. They are downloaded
at first use, by their hashes, and read as text: of each class its fields alone are
kept, so neither cloudcoil nor its Python is needed.
"""

import ast
import fcntl
import importlib.util
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from obtain.record import FOLDER, UnobtainableError
from pydantic import BaseModel, ValidationError

__all__ = ["KINDS", "problems_of"]

PINS = Path(__file__).with_name("crd-models.txt")
KINDS = {
    "ScaledObject": ("keda", "v1alpha1"),
    "ServiceMonitor": ("prometheus_operator", "v1"),
    "PrometheusRule": ("prometheus_operator", "v1"),
}
"""The package and the module of each kind."""

_HEADER = """
from __future__ import annotations
import pydantic
from typing import *
from pydantic import AwareDatetime, ConfigDict, Field, RootModel

class BaseModel(pydantic.BaseModel):
    model_config = ConfigDict(extra="forbid")

Resource = BaseModel

class ObjectMeta(BaseModel):
    name: str
    namespace: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
"""


def problems_of(resource: Mapping[str, object]) -> list[str]:
    """Return what is wrong with a resource of one of the `KINDS`.

    Raises:
        UnobtainableError: The definitions cannot be had on this machine.
    """
    kind = str(resource["kind"])
    model = getattr(_module(*KINDS[kind]), kind)
    assert issubclass(model, BaseModel)
    try:
        model.model_validate(resource, strict=False)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in error.errors()
        ]
    return []


def _module(package: str, version: str) -> ModuleType:
    """Import the models of a package, which are made at first use."""
    name = f"crd_{package}_{version}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _models(package, version))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        with warnings.catch_warnings():
            # Some of their fields are named like methods of pydantic's.
            warnings.simplefilter("ignore", UserWarning)
            spec.loader.exec_module(module)
    return sys.modules[name]


def _models(package: str, version: str) -> Path:
    """Return the file with the models' fields.

    Raises:
        UnobtainableError: The models cannot be had on this machine.
    """
    folder = FOLDER / "crds"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pins = PINS.read_text(encoding="utf-8")
        made = folder / f"{package}_{version}.py"
        stamp = folder / f"{package}_{version}.pins"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != pins:
            source = _download(package, version)
            made.write_text(_HEADER + _fields_of(source), encoding="utf-8")
            stamp.write_text(pins, encoding="utf-8")
        return made


def _download(package: str, version: str) -> str:
    """Return the source of a module, from the wheel with the pinned hash."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    # Nothing of it is run, so it may be for a later Python.
    quiet = ["--ignore-requires-python", "--only-binary=:all:", "--require-hashes"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*pip, *quiet, "-d", folder, "-r", PINS],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise UnobtainableError(f"pip cannot download {PINS.name}: {last}")
        [wheel] = Path(folder).glob(f"*{package}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            name = f"cloudcoil/models/{package}/{version}.py"
            return archive.read(name).decode()


def _fields_of(source: str) -> str:
    """Return a module's classes with their fields alone."""
    classes = [
        each for each in ast.parse(source).body if isinstance(each, ast.ClassDef)
    ]
    for each in classes:
        each.body = [
            part
            for part in each.body
            if isinstance(part, ast.AnnAssign)
            and not ast.unparse(part.annotation).startswith("ClassVar")
        ] or [ast.Pass()]
    return "\n".join(ast.unparse(each) for each in classes)
