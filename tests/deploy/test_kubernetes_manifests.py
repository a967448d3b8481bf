"""What is applied to a cluster: valid, without typos, restricted, and held together."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any  # objects of Kubernetes, read as they stand

import pytest
import yaml
from manifests import ROOT, built, failed_checks, faults_of, find, pods_of
from obtain.record import UnobtainableError

from lsp_server.config import AdmissionConfig, EngineConfig
from lsp_server.daemon import listen
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve

OVERLAYS = ("cpu", "gpu", "team")
SECRETS = {"midfill-keys", "midfill-tls", "midfill-store"}
ACCEPTED = {
    # `kustomize edit set image` gives images the digests of the team's own registry,
    # which nobody here knows.
    *(
        f"{overlay} CKV_K8S_43 Deployment.midfill.{name}"
        for overlay, name in [
            ("cpu", "midfill"),
            ("gpu", "midfill"),
            ("team", "midfill"),
            ("team", "midfill-proxy"),
            ("team", "midfill-router"),
        ]
    ),
    # vllm-router watches the pods, which needs the token of its account.
    "team CKV_K8S_38 Deployment.midfill.midfill-router",
}


def server_of(objects: list[Any]) -> Any:  # noqa: ANN401 - as above
    """Return the pod of the servers."""
    return dict(pods_of(objects))["midfill"]["spec"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_one_that_the_cluster_knows(
    overlay: str, tmp_path: Path
) -> None:
    """By the schemas of Kubernetes, KEDA and the Prometheus operator; no warning."""
    try:
        assert [] == faults_of(built(overlay), tmp_path)
    except UnobtainableError as error:
        pytest.skip(str(error))


def _set(*path: str | int, value: object) -> Callable[[Any], None]:
    """Return what sets a value inside of an object."""

    def change(tree: Any) -> None:  # noqa: ANN401 - as above
        for step in path[:-1]:
            tree = tree[step]
        tree[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("Deployment", _set("spec", "replica", value=2), "replica"),
        ("Service", _set("spec", "ports", 0, "targetport", value=1), "targetport"),
        ("NetworkPolicy", _set("spec", "egres", value=[]), "egres"),
        ("PodDisruptionBudget", _set("kind", value="PodDisruption"), "Couldn't find"),
        ("ScaledObject", _set("spec", "minReplicas", value=1), "minReplicas"),
        ("ScaledObject", _set("spec", "maxReplicaCount", value="many"), "maxReplica"),
        ("ServiceMonitor", _set("spec", "endpoints", 0, "schema", value=""), "schema"),
        (
            "PrometheusRule",
            _set("spec", "groups", 0, "rules", 0, "expresion", value="up"),
            "expresion",
        ),
    ],
)
def test_a_typo_is_found(
    kind: str, change: Callable[[Any], None], said: str, tmp_path: Path
) -> None:
    """In each kind, by the checker that is asked about it."""
    wrong = find(built("team"), kind)
    change(wrong)
    try:
        assert said in "".join(faults_of([wrong], tmp_path))
    except UnobtainableError as error:
        pytest.skip(str(error))


def test_a_file_that_is_not_there_is_found(tmp_path: Path) -> None:
    """Kustomize makes nothing at all then."""
    (tmp_path / "kustomization.yaml").write_text("resources: [nosuch.yaml]\n")
    with pytest.raises(subprocess.CalledProcessError):
        built(tmp_path)


def test_policies(tmp_path: Path) -> None:
    """Checkov finds what is accepted for a reason, and what is planted."""
    files = {overlay: built(overlay) for overlay in OVERLAYS}
    server_of(files["cpu"])["containers"][0]["securityContext"].clear()
    found = failed_checks(files, tmp_path)
    planted = {each for each in found - ACCEPTED if each.startswith("cpu")}
    assert {"CKV_K8S_20", "CKV_K8S_22"} <= {each.split()[1] for each in planted}
    assert found == ACCEPTED | planted


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted(overlay: str) -> None:
    """As Pod Security calls it, and as the namespace enforces it."""
    objects = built(overlay)
    labels: Any = find(objects, "Namespace")["metadata"]
    assert "restricted" == labels["labels"]["pod-security.kubernetes.io/enforce"]
    for name, template in pods_of(objects):
        pod: Any = template["spec"]
        context = pod["securityContext"]
        assert context["runAsNonRoot"], name
        assert context["runAsUser"] > 10_000
        assert {"type": "RuntimeDefault"} == context["seccompProfile"]
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        for each in pod.get("initContainers", []) + pod["containers"]:
            allowed = each["securityContext"]
            assert allowed["allowPrivilegeEscalation"] is False
            assert allowed["readOnlyRootFilesystem"] is True
            assert {"drop": ["ALL"]} == allowed["capabilities"]
            assert {"cpu", "memory"} <= each["resources"]["limits"].keys()
            assert each["image"].partition(":")[2] not in {"", "latest"}
        kinds = {key for volume in pod["volumes"] for key in volume} - {"name"}
        few = {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "ephemeral"}
        assert kinds <= few
        token = pod["automountServiceAccountToken"]
        assert token is (name == "midfill-router")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_selector_finds_pods_of_one_kind(overlay: str) -> None:
    """And that of a monitor a Service; what is scaled is there."""
    objects: list[Any] = built(overlay)
    pods: list[Any] = [template for _, template in pods_of(objects)]
    labels = [pod["metadata"]["labels"] for pod in pods]
    services = [each for each in objects if each["kind"] == "Service"]
    for each in objects:
        spec = each.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector") or {}
        wanted = selector.get("matchLabels", selector).items()
        if each["kind"] == "ServiceMonitor":
            assert any(wanted <= one["metadata"]["labels"].items() for one in services)
        elif wanted:
            assert 1 == sum(wanted <= one.items() for one in labels), each["metadata"]
        if each["kind"] == "ScaledObject":
            target = spec["scaleTargetRef"]
            find(objects, target["kind"], target["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_a_pod_names_is_there(overlay: str) -> None:
    """Accounts, volumes and what these are made of; Secrets are those of the guide."""
    objects: list[Any] = built(overlay)
    for _, template in pods_of(objects):
        pod: Any = template["spec"]
        find(objects, "ServiceAccount", pod["serviceAccountName"])
        for volume in pod["volumes"]:
            if "configMap" in volume:
                find(objects, "ConfigMap", volume["configMap"]["name"])
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                find(objects, "PersistentVolumeClaim", claim)
            assert volume.get("secret", {}).get("secretName", "midfill-tls") in SECRETS
        volumes = {each["name"] for each in pod["volumes"]}
        for each in pod.get("initContainers", []) + pod["containers"]:
            assert {mount["name"] for mount in each["volumeMounts"]} <= volumes
            for source in each.get("envFrom", []):
                find(objects, "ConfigMap", source["configMapRef"]["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_has_the_time_that_a_server_takes(overlay: str) -> None:
    """To start, and to complete what it has begun before it is killed."""
    pod = server_of(built(overlay))
    [server] = pod["containers"]
    ends_s = (
        server["lifecycle"]["preStop"]["sleep"]["seconds"]
        + AdmissionConfig().drain_ms / 1e3
        + listen._END_DEADLINE_S
    )
    assert pod["terminationGracePeriodSeconds"] > ends_s
    probe = server["startupProbe"]
    starts_s = probe["failureThreshold"] * probe["periodSeconds"]
    assert starts_s > EngineConfig().start_timeout_s
    assert ["midfill", "health"] == server["readinessProbe"]["exec"]["command"]
    alive = server["livenessProbe"]["httpGet"]
    assert ("/health", "api") == (alive["path"], alive["port"])
    is_open = f"--listen=0.0.0.0:{server['ports'][0]['containerPort']}"
    assert is_open in server["args"]
    assert ("--tls-key=/etc/midfill/tls/tls.key" in server["args"]) is (
        alive["scheme"] == "HTTPS"
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_are_settings(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is unknown or refused, and the model is the one that ships."""
    data: Any = find(built(overlay), "ConfigMap", "midfill-settings")["data"]
    for name in [name for name in os.environ if name.startswith("MIDFILL_")]:
        monkeypatch.delenv(name)
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    resolved = resolve(server_layers(None))
    assert () == resolved.problems
    stated = {f"MIDFILL_{a}_{b}".upper() for a, b in resolved.stated}
    assert {name for name in data if name.startswith("MIDFILL_")} <= stated
    model = resolved.config.model
    source = data["MODEL_SOURCE"].rpartition("/")[2]
    shipped = ROOT / "models" / source / "manifest.json"
    assert hashlib.sha256(shipped.read_bytes()).hexdigest() == model.sha256
    assert data["MODEL_SOURCE"].startswith(resolved.config.registry.sources.split()[0])
    assert data["AWS_ENDPOINT_URL_S3"] in resolved.config.registry.sources.split()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_server_reaches_the_store_and_nothing_else(overlay: str) -> None:
    """Names are looked up in kube-system; the port is that of the store's address."""
    policy: Any = find(built(overlay), "NetworkPolicy")["spec"]
    data: Any = find(built(overlay), "ConfigMap", "midfill-settings")["data"]
    assert ["Ingress", "Egress"] == policy["policyTypes"]
    reached = [
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port)
        for rule in policy["egress"]
        for peer in rule["to"]
        for port in sorted({port["port"] for port in rule["ports"]})
    ]
    host, _, port = data["AWS_ENDPOINT_URL_S3"].rpartition(":")
    assert [("kube-system", 53), (host.split(".")[1], int(port))] == reached


@pytest.mark.parametrize("overlay", ["gpu", "team"])
def test_servers_with_a_gpu_go_where_one_is(overlay: str) -> None:
    """And ask for CUDA, so that without a GPU they end with a sentence."""
    objects = built(overlay)
    pod = server_of(objects)
    assert "1" == pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]
    assert {"nvidia.com/gpu.present": "true"} == pod["nodeSelector"]
    assert ["nvidia.com/gpu"] == [each["key"] for each in pod["tolerations"]]
    data: Any = find(objects, "ConfigMap", "midfill-settings")["data"]
    assert "cuda" == data["MIDFILL_ENGINE_DEVICE"]


def test_the_rules_are_those_of_prometheus() -> None:
    """`make_rules.py` has written them, and writes nothing else."""
    rules = yaml.safe_load(
        (ROOT / "deploy" / "prometheus" / "midfill.rules.yml").read_text()
    )
    assert rules == find(built("team"), "PrometheusRule")["spec"], (
        "run python deploy/kubernetes/make_rules.py"
    )
