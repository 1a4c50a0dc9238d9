"""A kind of model from a distribution of its own: in campaign files, in runs and on workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from distributions import install
from frozen_models import through_a_checkpoint

from msgen.actors.context import WorkerContext
from msgen.models import Space, build, load
from msgen.models.kinds import KINDS
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.schema import Campaign, CampaignError
from msgen.orchestrator.schema.json_schema import json_schema
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.systems.plugins import PluginError

GAUSSIAN = '''
from typing import Literal

import numpy as np
from pydantic import Field

from msgen.models.base import FitReport, ModelState
from msgen.models.kinds import ModelKind
from msgen.orchestrator.schema.models import ModelSection


class Section(ModelSection):
    """One Gaussian; for variables that are not periodic."""

    angles = False
    context = False
    kind: Literal["one_gaussian"]
    widen: float = Field(default=1.5, gt=0)
    """Its width over that of the data."""


class OneGaussian:
    def __init__(self, dim, widen, mean=0.0, std=1.0):
        self.dim, self.widen = dim, widen
        self.mean, self.std = np.zeros(dim) + mean, np.zeros(dim) + std

    def fit(self, data, *, seed, weights=None, context=None, fresh=False):
        self.mean = np.average(data, axis=0, weights=weights)
        square = np.average((data - self.mean) ** 2, axis=0, weights=weights)
        self.std = self.widen * np.sqrt(square)
        loss = -float(self.log_prob(data).mean())
        return FitReport(loss, loss, 1, 0.0)

    def sample(self, n, rng, context=None):
        return self.mean + self.std * rng.standard_normal((n, self.dim))

    def log_prob(self, y, context=None):
        t = (np.asarray(y) - self.mean) / self.std
        return -(0.5 * t**2 + np.log(self.std) + 0.5 * np.log(2 * np.pi)).sum(axis=1)

    def state(self):
        config = {"kind": "one_gaussian", "dim": self.dim, "widen": self.widen}
        return ModelState(config, {"mean": self.mean, "std": self.std})


def make(space, *, widen):
    return OneGaussian(space.dim, widen)


def again(state):
    return OneGaussian(state.config["dim"], state.config["widen"], **state.arrays)


KIND = ModelKind("one_gaussian", make, again, Section)
MISNAMED = ModelKind("two_gaussians", make, again, Section)
BARE = ModelKind("bare", make, again)
'''
CAMPAIGN = {
    "name": "toy",
    "seed": 3,
    "system": {"kind": "double_well"},
    "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2]}},
    "strategy": {"kind": "steered", "stratify": False},
}
YAML = """
name: toy
seed: 3
executor: inline
system: {kind: double_well}
cvs: {x: {kind: coordinate, index: 0, range: [-2, 2]}}
strategy: {kind: steered, stratify: off, local: {kind: hmc, steps: 5}}
model: {kind: one_gaussian, widen: 2}
replicas: 4
converge: {state_error: 0.0001 kT}
output: {tensorboard: off}
"""


@pytest.fixture
def gaussian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a distribution with the kind `one_gaussian`, and two that cannot be used."""
    entries = {
        "one_gaussian": "toy_gaussian:KIND",
        "misnamed": "toy_gaussian:MISNAMED",
        "bare": "toy_gaussian:BARE",
        "gone": "toy_gaussian_gone:KIND",
    }
    folder = tmp_path / "site"
    install(
        monkeypatch,
        folder,
        "toy-gaussian",
        {"msgen.models": entries},
        {"toy_gaussian.py": GAUSSIAN},
    )
    return folder


def problems(model: dict[str, object]) -> str:
    with pytest.raises(CampaignError) as caught:
        model_spec(model)
    return str(caught.value)


@pytest.mark.usefixtures("gaussian")
def test_its_section_is_read_like_one_of_ours() -> None:
    assert model_spec({"kind": "one_gaussian"}) == {"kind": "one_gaussian", "widen": 1.5}
    campaign = Campaign.parse({**CAMPAIGN, "model": {"kind": "one_gaussian", "widen": 2.0}})
    assert campaign.spec_model() == {"kind": "one_gaussian", "widen": 2.0}
    assert campaign.to_dict()["model"] == {"kind": "one_gaussian", "widen": 2.0}
    assert Campaign.parse(campaign.to_dict()) == campaign
    said = problems({"kind": "one_gaussian", "widen": -1.0})
    assert "model.widen: -1.0" in said
    assert "greater than 0" in said
    said = problems({"kind": "one_gaussian", "wide": 1.0})
    assert "model.wide" in said
    assert "Did you mean 'widen'" in said
    # the file that editors check against is that of our own kinds
    assert "one_gaussian" not in json_schema()


@pytest.mark.usefixtures("gaussian")
def test_what_it_cannot_is_refused() -> None:
    from msgen.orchestrator.schema.translate import problems_of

    strategy = {"kind": "steered", "stratify": True}
    with pytest.raises(Exception, match="inconsistent") as caught:
        Campaign.parse({**CAMPAIGN, "strategy": strategy, "model": {"kind": "one_gaussian"}})
    (problem,) = problems_of(caught.value)
    assert (problem.path, problem.value) == (("model", "kind"), "one_gaussian")
    assert "one density for each state" in problem.problem


@pytest.mark.usefixtures("gaussian")
def test_an_unknown_kind_lists_it() -> None:
    said = problems({"kind": "one_gausian"})
    assert "model.kind: 'one_gausian'" in said
    assert "Did you mean 'one_gaussian'" in said
    assert "spline_flow, realnvp" in said


@pytest.mark.usefixtures("gaussian")
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("gone", "toy_gaussian_gone:KIND cannot be imported"),
        ("misnamed", "calls itself 'two_gaussians'"),
        ("bare", "its section is no ModelSection"),
    ],
)
def test_a_broken_one_is_named_with_its_distribution(kind: str, says: str) -> None:
    said = problems({"kind": kind})
    assert said.count("\n") == 1
    assert f"model.kind: '{kind}' — the plug-in msgen.models: {kind} of toy-gaussian 1.2.3" in said
    assert says in said
    # the others go on
    assert model_spec({"kind": "kde"})["kind"] == "kde"


@pytest.mark.usefixtures("gaussian")
def test_a_worker_without_the_module_says_so() -> None:
    spec = {"kind": "gone"}
    with pytest.raises(PluginError, match=r"gone of toy-gaussian 1\.2\.3 is broken"):
        build(spec, Space((False,)))


def test_its_frozen_state_loads_on_a_worker(gaussian: Path, tmp_path: Path) -> None:
    model = build(model_spec({"kind": "one_gaussian"}), Space((False, False)))
    y = np.random.default_rng(1).normal(size=(50, 2))
    model.fit(y, seed=1)
    state = through_a_checkpoint(model.state(), tmp_path)
    worker = WorkerContext({})
    worker.models.publish(4, {"config": state.config, "arrays": state.arrays})
    assert np.array_equal(worker.models[4].log_prob(y), model.log_prob(y))
    code = (
        "from msgen.models import ModelState, load\n"
        "from msgen.orchestrator.run_directory.tree_file import load_tree\n"
        f"import pathlib; tree = load_tree(pathlib.Path({str(tmp_path / 'model.npz')!r}))\n"
        "print(type(load(ModelState(tree['config'], tree['arrays']))).__name__)"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(gaussian)!r})\n{code}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert elsewhere.stdout == "OneGaussian\n"


def test_a_state_of_a_plug_in_that_is_not_here_says_what_is() -> None:
    from msgen.models import ModelState

    assert "one_gaussian" not in KINDS
    with pytest.raises(ValueError, match=r"unknown kind 'one_gaussian'; known here: spline_flow"):
        load(ModelState({"kind": "one_gaussian"}, {}))


@pytest.mark.usefixtures("gaussian")
def test_a_campaign_runs_with_it_and_goes_on(tmp_path: Path) -> None:
    """To the end of its rounds at once, or in two calls: the same samples."""
    from msgen.orchestrator.run_directory.store import Store

    path = tmp_path / "toy.yaml"
    path.write_text(YAML)
    digests = []
    for name, parts in (("once", (9,)), ("twice", (5, 9))):
        for rounds in parts:
            asked = ["--set", f"budget.rounds={rounds}", "--output-dir", str(tmp_path / name)]
            assert main_run([str(path), *asked]) == 3
        digests.append(Store(tmp_path / name / "toy" / "store.zarr").digest)
    assert digests[0] == digests[1]
    events = (tmp_path / "once" / "toy" / "events.jsonl").read_text()
    assert "version" in events
