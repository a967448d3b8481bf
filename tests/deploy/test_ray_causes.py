"""What `midfill ray status` says of an application that does not work."""

from dataclasses import replace

import pytest
from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentStatus,
    DeploymentStatusOverview,
    DeploymentStatusTrigger,
    ReplicaState,
)

from midfill_ray.causes import cause_of, troubles_of
from midfill_ray.reports import Status
from midfill_ray.survey import Survey

NO_MODEL = "replica: there is no model no-such. Pull it with `midfill models pull`."
FAILED = (
    "The deployment failed to start 3 times in a row. This may be due to a problem "
    "with its constructor or initial health check failing. See controller logs for "
    "details. Error:\n"
    "\x1b[36mray::ServeReplica:midfill:engines.initialize()\x1b[39m (pid=7)\n"
    '  File "/x/ray/serve/_private/replica.py", line 1230, in initialize\n'
    "    raise RuntimeError(traceback.format_exc()) from None\n"
    "RuntimeError: Traceback (most recent call last):\n"
    '  File "/x/midfill_ray/replica.py", line 85, in __init__\n'
    "    await until_ready(self._host)\n"
    f"lsp_server.errors.EngineStartError: {NO_MODEL}\n\n"
)
NO_ROOM = (
    "Deployment 'engines' in application 'midfill' has 1 replicas that have taken more "
    "than 30s to be scheduled. This may be due to waiting for the cluster to "
    "auto-scale or for a runtime environment to be installed. Resources required for "
    "each replica: "
    '{"CPU": 1.0, "GPU": 2.0}, total resources available: {"CPU": 7.5}. '
    "Use `ray status` for more details."
)
STARTING = (
    "Deployment 'ingress' in application 'midfill' has 1 replicas that have taken more "
    "than 30s to initialize.\n"
    "This may be caused by a slow __init__ or reconfigure method."
)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (FAILED, NO_MODEL),
        (NO_ROOM, 'it asks for {"CPU": 1.0, "GPU": 2.0}, of which {"CPU": 7.5} are'),
        (NO_ROOM, "Add a node that has them, or lower num_gpus"),
        (STARTING, "A model takes its time to load."),
        (
            "Error:\n  File x\nImportError: no torch\n",
            "ImportError: no torch. The logs",
        ),
        ("A replica's health check failed.", "A replica's health check failed."),
    ],
)
def test_the_cause_is_a_sentence_with_a_remedy(message: str, cause: str) -> None:
    """Of a traceback the error is left, and Ray's advice is put into our words."""
    found = cause_of(message)
    assert cause in found
    assert "Traceback" not in found
    assert "\n" not in found


def deployment(status: DeploymentStatus, message: str) -> DeploymentStatusOverview:
    """Return a deployment with one replica."""
    return DeploymentStatusOverview(
        status=status,
        status_trigger=DeploymentStatusTrigger.UNSPECIFIED,
        replica_states={ReplicaState.STARTING: 1},
        message=message,
    )


def application(
    message: str, **deployments: DeploymentStatusOverview
) -> ApplicationStatusOverview:
    """Return an application that failed."""
    return ApplicationStatusOverview(
        status=ApplicationStatus.DEPLOY_FAILED,
        message=message,
        last_deployed_time_s=0.0,
        deployments=deployments,
    )


def test_the_cause_comes_before_what_waits_for_it() -> None:
    """An ingress is starting for as long as there is no engine."""
    found = troubles_of(
        application(
            "Failed to update the deployments ['engines'].",
            ingress=deployment(DeploymentStatus.UPDATING, STARTING),
            roster=deployment(DeploymentStatus.HEALTHY, "fine"),
            engines=deployment(DeploymentStatus.DEPLOY_FAILED, FAILED),
        )
    )
    assert [
        ("engines", "DEPLOY_FAILED", NO_MODEL),
        ("ingress", "UPDATING", cause_of(STARTING)),
    ] == [(each.deployment, each.status, each.cause) for each in found]
    shown = Survey(
        application="midfill",
        status="DEPLOY_FAILED",
        troubles=found,
        replicas={},
        engines=(),
        ingress=(),
    )
    assert f"  engines DEPLOY_FAILED: {NO_MODEL}" == list(shown.lines())[1]


def test_a_replica_says_what_happens_to_it() -> None:
    """Why it is not ready, and once for all replicas which settings are left out."""
    problem = "engine.kind: it is not one of vllm, scripted."
    status = Status(
        replica="one",
        deployment="engines",
        model="m",
        fingerprint="f" * 64,
        engine="vLLM 1",
        device="cpu",
        is_ready=False,
        running=0,
        waiting=0,
        news="the engine is restarted; nothing is to be done",
        problems=(problem,),
    )
    shown = Survey(
        application="midfill",
        status="RUNNING",
        troubles=(),
        replicas={"engines": {"RUNNING": 2}},
        engines=(status, replace(status, replica="two", news="", is_ready=True)),
        ingress=(replace(status, deployment="ingress"),),
    )
    text = "\n".join(shown.lines())
    assert 1 == text.count(problem)
    assert "engine one: m (vLLM 1, cpu), not ready (the engine is restarted;" in text
    assert "engine two: m (vLLM 1, cpu), ready, 0 running" in text


def test_an_application_that_was_not_built_says_why() -> None:
    """A wrong option of a file for `serve deploy` is refused before any deployment."""
    raised = (
        "Deploying app 'midfill' failed with exception:\nTraceback (most recent call "
        "last):\n  File x\nlsp_server.errors.ConfigError: args.num_gpu: there is no "
        "such option. See docs/ray.md for the options.\n"
    )
    [trouble] = troubles_of(application(raised))
    assert (
        "args.num_gpu: there is no such option. See docs/ray.md for the options."
        == (trouble.cause)
    )
