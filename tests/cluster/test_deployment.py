"""What `configs/cluster/` holds, checked as far as a machine without a cluster can."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import CONFIGS, ROOT

from msgen.orchestrator.cli import parser

CLUSTER = CONFIGS / "cluster"
KUBERAY = ("kuberay-cluster", "kuberay-job")
POD_KEYS = {"terminationGracePeriodSeconds", "securityContext", "containers", "volumes"}
CONTAINER_KEYS = {"name", "image", "env", "ports", "lifecycle", "resources", "volumeMounts"}
JOB_KEYS = {  # of KubeRay's own definition, those used here
    "entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished",
    "rayClusterSpec",
}  # fmt: skip
SPEC_KEYS = {
    "rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec",
    "workerGroupSpecs",
}  # fmt: skip
GROUP_KEYS = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}


def load(name: str) -> Any:
    return yaml.safe_load((CLUSTER / f"{name}.yaml").read_text())


def run_arguments(command: str) -> Any:
    """What msgen-run makes of a command line; an unknown option ends the test."""
    words = shlex.split(command)
    assert words[0] in ("msgen-run", "msgen-campaign")
    return parser().parse_args(["run", *words[1:]])


def prepared(name: str) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config: dict[str, Any] = prepare_config(load(name))
    validate_config(config)
    return config


def commands(config: dict[str, Any]) -> Iterator[str]:
    for key, value in config.items():
        if key.endswith("_commands"):
            yield from value


# ray up


@pytest.mark.parametrize("name", ["onprem", "aws"])
def test_ray_accepts_the_cluster_file(name: str) -> None:
    config = prepared(name)
    for command in commands(config):
        subprocess.run(["bash", "-n", "-c", command], check=True)
    # the autoscaler reads its configuration on the head, and there only
    head, worker = (config[f"{part}_start_ray_commands"][-1] for part in ("head", "worker"))
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in head
    assert "--address=$RAY_HEAD_IP:6379" in worker
    for start in (head, worker):
        assert "RAY_AUTH_MODE=token" in start
    assert "~/.ray/auth_token" in config["file_mounts"]


@pytest.mark.parametrize("name", ["onprem", "aws"])
def test_ray_refuses_it_when_it_is_wrong(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = load(name) | {"max_worker": 3}
    monkeypatch.setattr(sys.modules[__name__], "load", lambda _: wrong)
    with pytest.raises(Exception, match="max_worker"):
        prepared(name)


@pytest.mark.parametrize("name", ["onprem", "aws"])
def test_ray_start_knows_its_options(name: str) -> None:
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    config = load(name)
    for part in ("head", "worker"):
        line = config[f"{part}_start_ray_commands"][-1]
        given = set(re.findall(r"--[a-z-]+", line.split("ray start", 1)[1]))
        assert given
        assert given <= known


def test_on_premises_all_hosts_are_used_and_aws_begins_without_workers() -> None:
    local, aws = prepared("onprem"), prepared("aws")
    (node,) = local["available_node_types"].values()
    assert node["min_workers"] == node["max_workers"] == len(local["provider"]["worker_ips"])
    assert aws["available_node_types"]["worker"]["min_workers"] == 0
    spot = aws["available_node_types"]["worker"]["node_config"]["InstanceMarketOptions"]
    assert spot == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in aws["available_node_types"]["head"]["node_config"]


# KubeRay


def cluster_spec(name: str) -> dict[str, Any]:
    document = load(name)
    assert document["apiVersion"] == "ray.io/v1"
    spec: dict[str, Any] = document["spec"]
    if document["kind"] == "RayJob":
        assert set(spec) <= JOB_KEYS
        spec = spec["rayClusterSpec"]
    assert set(spec) <= SPEC_KEYS
    return spec


@pytest.mark.parametrize("name", KUBERAY)
def test_kuberay_pods_are_whole(name: str) -> None:
    spec = cluster_spec(name)
    claim = load("kuberay-volume")
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        assert set(group) <= GROUP_KEYS
        assert "rayStartParams" in group
        pod = group["template"]["spec"]
        assert set(pod) <= POD_KEYS
        (container,) = pod["containers"]
        assert set(container) <= CONTAINER_KEYS
        asked = container["resources"]
        # Ray counts the CPUs of the limits; less requested than that would be promised twice
        assert asked["requests"] == asked["limits"]
        assert {"cpu", "memory"} <= set(asked["limits"])
        (mount,) = container["volumeMounts"]
        assert mount["mountPath"] == "/shared"
        (volume,) = pod["volumes"]
        assert volume["name"] == mount["name"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["kind"] == "PersistentVolumeClaim"
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    images = {group["template"]["spec"]["containers"][0]["image"] for group in groups}
    assert len(images) == 1
    assert spec["enableInTreeAutoscaling"] is True


def test_the_job_makes_the_cluster_that_stands_alone() -> None:
    assert cluster_spec("kuberay-job") == cluster_spec("kuberay-cluster")


def test_the_job_repeats_a_command_that_resumes() -> None:
    job = load("kuberay-job")["spec"]
    args = run_arguments(job["entrypoint"])
    assert (args.resume, args.address) == ("auto", "auto")
    assert str(args.output_dir).startswith("/shared/")
    assert str(args.campaign).startswith("/shared/")
    assert not set(";|&$`") & set(job["entrypoint"])  # the submitter's shell would see to them
    assert job["backoffLimit"] > 0
    assert job["shutdownAfterJobFinishes"] is True


@pytest.mark.parametrize(("exits", "told"), [(0, 0), (3, 0), (2, 2), (1, 1)])
def test_a_spent_budget_is_not_tried_again(exits: int, told: int, tmp_path: Path) -> None:
    stand_in = tmp_path / "msgen-run"
    stand_in.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told\nexit {exits}\n')
    stand_in.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [str(CLUSTER / "campaign.sh"), "c.yaml", "--set", "name=a b"]
    assert subprocess.run(command, env=env, check=False).returncode == told
    assert (tmp_path / "told").read_text() == "c.yaml --set name=a b\n"


def test_a_head_that_goes_lets_its_campaign_commit(tmp_path: Path) -> None:
    """The hook ends when msgen-run has; in a process namespace, for it looks for it by name."""
    head = cluster_spec("kuberay-cluster")["headGroupSpec"]["template"]["spec"]
    hook = head["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert head["terminationGracePeriodSeconds"] > 60
    alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("process namespaces are not allowed here")
    run = tmp_path / "msgen-run"
    run.write_text(
        "#!/bin/bash\n"
        f"trap 'sleep 1; touch {tmp_path}/committed; exit 1' TERM\n"
        f"touch {tmp_path}/running\nwhile :; do sleep 0.1; done\n"
    )
    run.chmod(0o755)
    pod = tmp_path / "pod.sh"  # a file: its text would be found by that name too
    pod.write_text(
        f"{run} & while [ ! -e {tmp_path}/running ]; do sleep 0.05; done; "
        f"{shlex.join(hook)}; test -e {tmp_path}/committed"
    )
    done = subprocess.run([*alone, "bash", str(pod)], timeout=30, check=False)
    assert done.returncode == 0


# versions


def test_one_version_of_ray_everywhere() -> None:
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    more = dict(
        line.split("==")
        for line in (CLUSTER / "requirements.txt").read_text().splitlines()
        if "==" in line
    )
    assert more.pop("ray[default]") == pinned["ray"]
    assert not set(more) & set(pinned)
    for name in KUBERAY:
        assert cluster_spec(name)["rayVersion"] == pinned["ray"]


def test_the_image_copies_what_there_is() -> None:
    text = (CLUSTER / "Dockerfile").read_text()
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY")]
    sources = {name for names in copied for name in names if not name.startswith("--")}
    assert {"systems", "models", "actors", "orchestrator", "constraints.txt"} <= sources
    for source in sources:
        assert (ROOT / source).exists(), source


# docs/cluster.md


def test_every_command_of_the_guide_is_one() -> None:
    text = (ROOT / "docs" / "cluster.md").read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    runs = [line[line.index("msgen-run") :] for line in lines if "msgen-run " in line]
    assert len(runs) >= 3
    for line in runs:
        run_arguments(line.split("  #")[0].rstrip("'\""))
    for block in blocks:
        subprocess.run(["bash", "-n", "-c", block], check=True)
    for name in re.findall(r"configs/cluster/[\w.-]+\w", text):
        assert (ROOT / name).exists(), name
    shown = " ".join(sorted(path.name for path in CLUSTER.iterdir()))
    for path in CLUSTER.iterdir():
        assert path.name in text, f"{path.name} is not in docs/cluster.md: {shown}"
