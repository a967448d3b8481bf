"""The stack of compose.yml: whole, closed to others, and its parts know each other."""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import pytest
import yaml
from live_prometheus import find_program
from obtain.record import UnobtainableError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lsp_server.access.hosts import host_allowed
from lsp_server.access.key_ring import KeyRing
from lsp_server.access.keys import Route
from lsp_server.commands import entry
from lsp_server.setting_layers import environment_layer
from lsp_server.settings import resolve

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "deploy" / "docker"
DIGEST = r"docker\.io/[a-z]+/[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}|midfill:cpu"


def _mount(value: object) -> object:
    """Read a mount in one line as the long form that it stands for."""
    if not isinstance(value, str):
        return value
    source, target, *mode = value.split(":")
    kind = "bind" if source.startswith(".") else "volume"
    return {"type": kind, "source": source, "target": target, "ro": mode == ["ro"]}


class Part(BaseModel):
    """A part of a compose file; a key that is not expected is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Mount(Part):
    type: Literal["bind", "volume"]
    source: str
    target: Annotated[str, Field(pattern="^/")]
    ro: bool = False
    volume: dict[Literal["nocopy"], bool] = {}


class Build(Part):
    context: str
    dockerfile: str


class Awaited(Part):
    condition: Literal["service_healthy", "service_completed_successfully"]


class Healthcheck(Part):
    test: list[str]
    interval: Annotated[str, Field(pattern=r"^\d+s$")]
    timeout: Annotated[str, Field(pattern=r"^\d+s$")]
    retries: int


class Logging(Part):
    driver: Literal["json-file"]
    options: dict[Literal["max-size", "max-file"], str]


class Service(Part):
    image: Annotated[str, Field(pattern=f"^(?:{DIGEST})$")]
    build: Build | None = None
    entrypoint: list[str] | None = None
    command: list[str] = []
    user: Annotated[str, Field(pattern=r"^\d+:\d+$")] | None = None
    environment: dict[str, str] = {}
    ports: list[Annotated[str, Field(pattern=r"^127\.0\.0\.1:\d+:\d+$")]] = []
    volumes: list[Annotated[Mount, BeforeValidator(_mount)]]
    depends_on: dict[str, Awaited] = {}
    healthcheck: Healthcheck | None = None
    restart: Literal["unless-stopped", "no"]
    read_only: Literal[True]
    cap_drop: list[Literal["ALL"]] = Field(min_length=1)
    cap_add: list[Literal["CHOWN", "DAC_OVERRIDE", "FOWNER"]] = []
    security_opt: list[Literal["no-new-privileges:true"]] = Field(min_length=1)
    network_mode: Literal["none"] | None = None
    profiles: list[str] = []
    tmpfs: list[Annotated[str, Field(pattern=r"^/tmp:mode=1777,size=\d+m$")]] = []
    shm_size: str = ""
    stop_grace_period: str = "10s"
    logging: Logging


def stack() -> dict[str, Service]:
    """Read the file; whatever is misspelt or open to others fails here."""
    read = yaml.safe_load((DOCKER / "compose.yml").read_text(encoding="utf-8"))
    assert {"name", "services", "volumes"} == {k for k in read if k[:2] != "x-"}
    services = read["services"].items()
    made = {
        name: Service.model_validate({"volumes": [], **each}) for name, each in services
    }
    named = {m.source for s in made.values() for m in s.volumes if m.type == "volume"}
    assert named == set(read["volumes"])
    return made


def test_all_that_is_mounted_exists() -> None:
    """Docker would make a folder of the name of a file that is missing."""
    for name, service in stack().items():
        for mount in service.volumes:
            if mount.type == "bind":
                assert (DOCKER / mount.source).exists(), f"{name}: {mount.source}"
                assert mount.ro, f"{name} may write into the repository"
        if service.build is not None:
            context = (DOCKER / service.build.context).resolve()
            assert (context / service.build.dockerfile).is_file()


def test_what_is_waited_for_comes() -> None:
    """A service that ends is not waited for to be healthy, nor the other way round."""
    made = stack()
    order = TopologicalSorter({name: each.depends_on for name, each in made.items()})
    assert set(order.static_order()) == set(made)
    for service in made.values():
        for name, awaited in service.depends_on.items():
            ends = awaited.condition == "service_completed_successfully"
            assert ends == (made[name].restart == "no")
            assert ends or made[name].healthcheck


def test_root_is_who_hands_secrets_out_alone() -> None:
    """It has no network, and writes nothing but volumes."""
    made = stack()
    assert ["secrets"] == [n for n, s in made.items() if s.cap_add or s.user == "0:0"]
    assert "none" == made["secrets"].network_mode
    for name, service in made.items():
        for mount in service.volumes:
            if mount.source in {"keys", "models"} and name not in {"secrets", "keys"}:
                assert mount.ro == (name != "pull")


def test_drain_and_end_fit_into_the_grace() -> None:
    """Docker kills what has not ended by then."""
    drain_s = resolve([]).config.admission.drain_ms / 1000
    assert int(stack()["midfill"].stop_grace_period.removesuffix("s")) > drain_s + 15


@pytest.mark.parametrize("name", ["midfill", "push", "pull", "keys"])
def test_midfill_understands_what_it_is_given(name: str) -> None:
    """Settings and command line are read as the server itself reads them."""
    service = stack()[name]
    problems = resolve([environment_layer(service.environment)]).problems
    assert () == problems
    words = [*(service.entrypoint or [])[3:], *service.command]
    assert entry._parser(words[0]).parse_args(words).command == words[0]


def test_the_parts_find_each_other() -> None:
    """By the names and ports under which they listen."""
    made = stack()
    midfill = made["midfill"]
    address = midfill.command[midfill.command.index("--listen") + 1]
    port = address.rpartition(":")[2]
    assert [f"127.0.0.1:{port}:{port}"] == midfill.ports
    names = midfill.environment["MIDFILL_ACCESS_HOSTS"].split()
    scraped = yaml.safe_load((DOCKER / "prometheus.yml").read_text(encoding="utf-8"))
    [target] = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    assert f"midfill:{port}" == target
    assert host_allowed([target], names=names)
    assert f"-s3.port={8333}" in made["store"].command
    for name in ("push", "pull"):
        assert "http://store:8333" == made[name].environment["AWS_ENDPOINT_URL_S3"]
        allowed = made[name].environment["MIDFILL_REGISTRY_SOURCES"].split()
        assert ["s3://models", "http://store:8333"] == allowed
    source = yaml.safe_load(
        (DOCKER / "grafana-datasource.yaml").read_text(encoding="utf-8")
    )["datasources"][0]
    assert "http://prometheus:9090" == source["url"]
    dashboards = ROOT / "deploy" / "grafana"
    text = (dashboards / "dashboards" / "midfill.json").read_text(encoding="utf-8")
    assert set(uids(json.loads(text))) == {source["uid"]}
    provider = yaml.safe_load(
        (dashboards / "provisioning/dashboards/midfill.yaml").read_text("utf-8")
    )["providers"][0]
    mounted = {mount.target for mount in made["grafana"].volumes}
    assert provider["options"]["path"] in mounted


def uids(value: object) -> list[str]:
    """Return the data sources that a dashboard asks."""
    if isinstance(value, Mapping):
        own = value.get("datasource")
        found = [str(own["uid"])] if isinstance(own, Mapping) else []
        return found + [uid for each in value.values() for uid in uids(each)]
    if isinstance(value, list):
        return [uid for each in value for uid in uids(each)]
    return []


@pytest.fixture
def made_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the secrets twice, as a stack that is started again does."""
    monkeypatch.setattr("os.chown", lambda *_: None)
    script = load(DOCKER / "make_secrets.py")
    script.main(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    script.main(tmp_path)
    assert before == {path: path.read_bytes() for path in before}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in before}
    return tmp_path


def load(path: Path) -> ModuleType:
    """Import a script."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_reader_has_the_secrets_that_it_needs(made_secrets: Path) -> None:
    """What pulls models cannot write them, and Prometheus cannot complete."""
    ring = KeyRing.load(made_secrets / "keys" / "keys.jsonl", {})
    key = ring.identify((made_secrets / "metrics-key" / "metrics").read_text())
    assert key is not None
    assert (Route.METRICS,) == key.routes
    store = json.loads((made_secrets / "store-config" / "s3.json").read_text())
    allowed = {each["name"]: each["actions"] for each in store["identities"]}
    assert ["Read:models", "List:models"] == allowed["reader"]
    assert "Write:models" in allowed["writer"]
    volumes = {mount.target for mount in stack()["secrets"].volumes}
    folders = {f"/secrets/{path.name}" for path in made_secrets.iterdir()}
    assert folders == volumes - {"/setup/make_secrets.py"}


def test_prometheus_accepts_its_configuration(
    made_secrets: Path, tmp_path: Path
) -> None:
    """With the rules and the key where the stack mounts them."""
    try:
        promtool = find_program("promtool")
    except UnobtainableError as error:
        pytest.skip(str(error))
    folder = tmp_path / "prometheus"
    folder.mkdir()
    for mount in stack()["prometheus"].volumes:
        if mount.type == "bind":
            shutil.copy(DOCKER / mount.source, folder / Path(mount.target).name)
    shutil.copytree(made_secrets / "metrics-key", folder / "key")
    command = [str(promtool), "check", "config", str(folder / "prometheus.yml")]
    subprocess.run(command, check=True, timeout=240)
