"""The campaign file: units, defaults, round trips, line numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import CONFIGS, TESTS
from pydantic import ValidationError

from msgen.orchestrator.run_directory.usable import differences, directory_problems
from msgen.orchestrator.schema import Campaign, CampaignError, units
from msgen.orchestrator.schema.json_schema import json_schema
from msgen.orchestrator.schema.source import apply_overrides, read_text
from msgen.orchestrator.validate import check, load, load_campaign

FILES = [
    *sorted(CONFIGS.glob("*.yaml")),
    *sorted((CONFIGS / "examples").glob("*.yaml")),
    *(TESTS / "campaigns" / f"{n}.yaml" for n in ("molecule", "analytic", "minimal")),
]
MOLECULE = (TESTS / "campaigns" / "molecule.yaml").read_text()


def molecule(**changes: Any) -> Campaign:
    tree = read_text(MOLECULE).tree
    for key, value in changes.items():
        tree[key] = value
    return Campaign.parse(tree)


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("320 K", "temperature", 320.0),
        ("2 fs", "time", 0.002),
        ("2fs", "time", 0.002),
        ("1 /ps", "rate", 1.0),
        ("1 1/ps", "rate", 1.0),
        ("2 ps^-1", "rate", 2.0),
        ("10 A", "length", 1.0),
        ("10 Å", "length", 1.0),
        ("180 deg", "angle", math.pi),
        ("-2.2 rad", "angle", -2.2),
        ("1 kcal/mol", "energy", 4.184),
        ("0.1 kT", "free_energy", 0.1),
        ("1.5 amu", "mass", 1.5),
        ("30 min", "wall", 1800.0),
        ("2.5 h", "wall", 9000.0),
        (1.5, "number", 1.5),
        ("1e-3 ns", "time", 1.0),
    ],
)
def test_units(text: object, dimension: units.Dimension, value: float) -> None:
    assert units.parse(text, dimension) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("value", "dimension"),
    [
        ("320", "temperature"), (320, "temperature"), ("2 K", "time"), ("two fs", "time"),
        ("nan fs", "time"), (True, "number"), ([1], "length"), ("5 ", "angle"),
        ("1 kJ/mol", "free_energy"),
        ("1 fs", "number"), ("inf K", "temperature"), (None, "time"),
    ],
)  # fmt: skip
def test_units_refused(value: object, dimension: units.Dimension) -> None:
    with pytest.raises(units.UnitError) as error:
        units.parse(value, dimension)
    assert error.value.remedy


def test_units_read_back_to_the_same_float() -> None:
    for dimension, table in units.TABLE.items():
        for unit in table:
            value = units.parse(f"0.1 {unit}", dimension)
            assert units.parse(units.to_text(value, dimension), dimension) == value


@pytest.mark.parametrize("path", FILES, ids=[f.stem for f in FILES])
def test_resolved_file_reads_back_to_the_same_campaign(path: Path) -> None:
    campaign = load_campaign(path)
    text = yaml.safe_dump(campaign.to_dict(), sort_keys=False, allow_unicode=True)
    again = Campaign.parse(read_text(text).tree)
    assert again == campaign
    assert again.to_dict() == campaign.to_dict()
    assert differences(campaign.to_dict(), read_text(text).tree) == []
    assert list(again.cvs) == list(campaign.cvs)


@pytest.mark.parametrize("path", FILES, ids=[f.stem for f in FILES])
def test_files_build(path: Path) -> None:
    checked = check(load_campaign(path), path.parent)
    assert checked.cvs.names == tuple(checked.campaign.cvs)
    for cv, built in zip(checked.campaign.cvs.values(), checked.cvs.cvs, strict=True):
        assert cv.is_periodic == built.periodic
        assert {"angle": "rad", "length": "nm", "number": "1"}[cv.dimension] == built.unit


def test_json_schema_file_is_current() -> None:
    """`msgen schema > configs/campaign.schema.json` makes it so."""
    assert (CONFIGS / "campaign.schema.json").read_text() == json_schema() + "\n"


@pytest.fixture(scope="module")
def validator() -> Any:
    """One for all files: the schema, and whether it is one, are dear."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(json_schema())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


@pytest.mark.parametrize("path", FILES, ids=[f.stem for f in FILES])
def test_json_schema_accepts_what_the_reader_accepts(path: Path, validator: Any) -> None:
    tree = read_text(path.read_text()).tree
    validator.validate(tree)
    validator.validate(load_campaign(path).to_dict())
    assert not validator.is_valid({**tree, "replcias": 3})


def test_defaults_make_three_keys_enough() -> None:
    campaign = load_campaign(TESTS / "campaigns" / "minimal.yaml")
    assert campaign.name == "minimal"
    assert (campaign.seed, campaign.replicas, campaign.executor) == (0, 16, "ray")
    assert campaign.strategy.local.kind == "hmc"
    assert campaign.stride == 1
    assert campaign.states is None
    assert campaign.state_names is None


def test_specs_are_plain_and_in_internal_units() -> None:
    campaign = molecule(
        strategy={
            "kind": "steered",
            "path": {"width": "10 deg", "friction": "2 /ps"},
            "flatten": "10 kJ/mol",
        }
    )
    system = campaign.spec_system()
    assert (system["temperature"], system["timestep"], system["friction"]) == (320.0, 0.002, 1.0)
    strategy = campaign.spec_strategy()
    assert strategy["local"]["timestep"] == 0.002
    assert strategy["path"]["timestep"] == 0.002
    assert strategy["path"]["friction"] == 2.0
    assert strategy["path"]["width"] == pytest.approx(
        {"phi": math.radians(10), "psi": math.radians(10)}
    )
    assert strategy["flatten"] == pytest.approx(10 / (0.00831446261815324 * 320))
    states = campaign.spec_states()
    assert states is not None
    assert states["C7ax"]["phi"] == pytest.approx((0.0, math.radians(130)))
    assert json.loads(json.dumps([system, strategy, campaign.spec_cvs(), campaign.spec_model()]))


def test_local_dynamics_of_a_potential_has_numbers_without_units() -> None:
    tree = read_text((TESTS / "campaigns" / "analytic.yaml").read_text()).tree
    tree["strategy"] = {"kind": "steered", "local": {"kind": "ghmc", "friction": 3}}
    spec = Campaign.parse(tree).spec_strategy()
    assert (spec["local"]["timestep"], spec["local"]["friction"]) == (0.02, 3.0)
    assert spec["path"]["timestep"] == "auto"


def test_free_energy_in_kT_is_the_same_at_any_temperature() -> None:
    cold = molecule(converge={"state_error": "0.1 kT", "surface_error": "1 kJ/mol"})
    hot = Campaign.parse({**read_text(MOLECULE.replace("320 K", "640 K")).tree, "converge": {
        "state_error": "0.1 kT", "surface_error": "1 kJ/mol"}})  # fmt: skip
    assert cold.converge.state_error == hot.converge.state_error == 0.1
    assert cold.converge.surface_error == pytest.approx(2 * hot.converge.surface_error)


@pytest.mark.parametrize(
    ("one", "two", "meet"),
    [
        (("0 deg", "90 deg"), ("90 deg", "170 deg"), False),
        (("0 deg", "91 deg"), ("90 deg", "170 deg"), True),
        (("170 deg", "-170 deg"), ("-170 deg", "170 deg"), False),
        (("170 deg", "-170 deg"), ("-180 deg", "-175 deg"), True),
        (("170 deg", "-170 deg"), ("175 deg", "180 deg"), True),
        (("150 deg", "-150 deg"), ("170 deg", "-170 deg"), True),
    ],
)
def test_states_may_touch_but_not_overlap(
    one: tuple[str, str], two: tuple[str, str], meet: bool
) -> None:
    regions = {"a": {"phi": list(one)}, "b": {"phi": list(two)}}
    if meet:
        with pytest.raises(ValidationError):
            molecule(states=regions)
    else:
        assert molecule(states=regions).state_names == ("a", "b", "rest")


def test_states_apart_along_one_of_two_cvs() -> None:
    regions = {
        "a": {"phi": ["0 deg", "90 deg"], "psi": ["0 deg", "90 deg"]},
        "b": {"phi": ["0 deg", "90 deg"], "psi": ["90 deg", "180 deg"]},
    }
    assert molecule(states=regions).states is not None
    regions["c"] = {"psi": ["10 deg", "20 deg"]}  # every phi: meets a
    with pytest.raises(ValidationError):
        molecule(states=regions)


def test_yaml_scalars() -> None:
    tree = read_text("a: 2e7\nb: off\nc: ACE:C\nd: 1:30\ne: 2026-01-01\nno: ~\nf: '2'\n").tree
    assert tree == {
        "a": 2e7, "b": False, "c": "ACE:C", "d": "1:30", "e": "2026-01-01", "no": None, "f": "2"
    }  # fmt: skip


def test_overrides() -> None:
    source = read_text("a: {b: 1}\nl: [1, 2]\n")
    changed = apply_overrides(source, ["a.c.d=2 fs", "a.b=[1, on]", "l.1=7", "new={x: 1}"])
    assert changed.tree == {
        "a": {"b": [1, True], "c": {"d": "2 fs"}}, "l": [1, 7], "new": {"x": 1}
    }  # fmt: skip
    assert source.tree == {"a": {"b": 1}, "l": [1, 2]}


@pytest.mark.parametrize("text", ["a: &x [*x]", "- 1", "a: {b: 1", "a: 1\na: 2", "? [1, 2]\n: 3\n"])
def test_strange_yaml_is_a_campaign_error(text: str) -> None:
    with pytest.raises(CampaignError):
        read_text(text)


def test_differences() -> None:
    old = molecule().to_dict()
    assert differences(old, molecule().to_dict()) == []
    allowed = molecule(
        budget={"rounds": 3}, converge={"r_hat": 1.2}, output={"tensorboard": False},
        executor="ray", resources={"workers": 3},
    )  # fmt: skip
    assert differences(old, allowed.to_dict()) == []
    stored = molecule(output={"stride": 5}).to_dict()
    assert differences(old, stored) == ["output.stride was auto, is 5"]
    cvs = read_text(MOLECULE).tree["cvs"]
    swapped = molecule(cvs={"psi": cvs["psi"], "phi": cvs["phi"]})
    assert differences(old, swapped.to_dict()) == [
        "cvs was in the order ['phi', 'psi'], is ['psi', 'phi']"
    ]
    assert differences(old, molecule(seed=8, states=None).to_dict()) == [
        "seed was 7, is 8",
        "states was {'C7ax': {'phi': ['0.0 rad', '2.2689280…, is None",
    ]


def test_campaign_does_not_change() -> None:
    campaign = molecule()
    with pytest.raises(ValidationError):
        campaign.replicas = 3


def test_serialised_system_builds(tmp_path: Path) -> None:
    from openmm import XmlSerializer

    from msgen.systems.openmm.system import OpenMMSystem

    built = check(molecule(), TESTS / "campaigns").system
    assert isinstance(built, OpenMMSystem)
    (tmp_path / "a.xml").write_text(XmlSerializer.serialize(built.openmm_system))
    structure = str(CONFIGS / "alanine_dipeptide.pdb")
    system = {"kind": "openmm", "structure": structure, "system_xml": "a.xml"}
    again = check(molecule(system={**system, "temperature": "320 K"}), tmp_path).system
    start = built.initial()
    assert again.energy(start) == pytest.approx(built.energy(start), abs=1e-9)


def test_extend_is_no_cv_and_comes_back_as_it_was() -> None:
    tree = read_text(MOLECULE).tree
    tree["strategy"] = {"kind": "steered"}
    plain = Campaign.parse(tree)
    assert plain.extend == "off"
    assert "extend" not in plain.to_dict()["cvs"]
    tree["cvs"] = {**tree["cvs"], "extend": "auto"}
    wide = Campaign.parse(tree)
    assert wide.extend == "auto"
    assert list(wide.cvs) == list(plain.cvs)
    assert Campaign.parse(wide.to_dict()) == wide
    assert wide.to_dict()["cvs"]["extend"] == "auto"
    assert not differences(plain.to_dict(), wide.to_dict())  # it may be turned on later
    more = wide.along_more("chi", {"kind": "dihedral", "atoms": [0, 1, 2, 3], "reported": False}, 9)
    assert list(more.cvs) == [*wide.cvs, "chi"]
    assert more.seed == 9
    assert more.spec_strategy()["stratify"] is False


@pytest.mark.parametrize(
    ("cvs", "strategy", "said"),
    [
        ({"extend": "yes"}, {"kind": "steered"}, "is neither off nor auto"),
        ({"extend": "auto"}, {"kind": "importance"}, "does not move along the CVs"),
    ],
)
def test_extend_where_it_is_of_no_use(
    cvs: dict[str, str], strategy: dict[str, str], said: str
) -> None:
    x = {"kind": "coordinate", "index": 0, "range": [-2, 2]}
    tree = {"system": {"kind": "double_well"}, "cvs": {"x": x, **cvs}, "strategy": strategy}
    with pytest.raises(CampaignError, match=said):
        load(tree)


def test_a_run_of_before_a_key_had_a_default_is_the_same_campaign(tmp_path: Path) -> None:
    """`reported` came later: a run that does not say it can be gone on with."""
    campaign = load_campaign(CONFIGS / "double_well.yaml")
    tree = campaign.to_dict()
    del tree["cvs"]["x"]["reported"]
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "campaign.resolved.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    assert not directory_problems(campaign, run_dir, "auto", {})
    tree["cvs"]["x"]["bins"] = 50
    (run_dir / "campaign.resolved.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    assert "cvs.x.bins was 50" in directory_problems(campaign, run_dir, "auto", {})[0].problem
