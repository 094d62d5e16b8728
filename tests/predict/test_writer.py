"""The files of a prediction: byte for byte those of official AlphaFold 3 where it has them, and what we add."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest

from alphafold3_pytorch.predict import writer
from alphafold3_pytorch.predict.chemistry import Chemistry
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import Confidence
from alphafold3_pytorch.predict.writer import (
    file_name,
    finished_samples,
    read_ranking,
    write_job,
    write_ranking,
    write_sample,
)
from alphafold3_pytorch.predict.writer.confidence_json import confidences_json, summary_json
from alphafold3_pytorch.predict.writer.modelcif import sample_mmcif
from tests.dictionaries import complaints
from tests.predict.samples import golden_sample, golden_scores
from tests.predict.written import CHEMISTRY, EVERYTHING, PROVENANCE, confidence_of, placed, sample_of

GOLDENS = Path(__file__).parents[1] / "goldens" / "output"
RANDOM = replace(PROVENANCE, warning="The weights are random: this is not a prediction.")
SMALL = writer.FILES


def golden_confidence(number: int) -> Confidence:
    """What official AlphaFold 3 computed for a sample."""
    sample, scores = golden_sample(number), golden_scores(number)
    numbers: Any = {name: float(scores[name]) for name in ("ptm", "iptm", "fraction_disordered", "ranking_score")}
    pairs = ("chain_pair_iptm", "chain_pair_pae_min", "chain_pair_pde_min", "chain_pair_pde_mean")
    matrices: Any = {name: scores[name] for name in pairs}
    return Confidence(
        chains=tuple("ABCD"),
        plddt=float(sample.plddt.mean()),
        chain_plddt=np.full(4, np.nan),
        has_clash=bool(scores["has_clash"]),
        chain_ptm=scores["iptm_ichain"],
        chain_iptm=scores["iptm_xchain"],
        interfaces=(),
        **numbers,
        **matrices,
    )


@pytest.mark.parametrize("number", range(4))
def test_summary_begins_with_the_official_one(number: int) -> None:
    official = (GOLDENS / f"sample{number}_summary_confidences.json").read_text()
    ours = summary_json(golden_sample(number), golden_confidence(number), CHEMISTRY, PROVENANCE)
    assert ours.startswith(official.removesuffix("\n}") + ",\n")
    assert json.loads(ours).keys() > json.loads(official).keys()


def test_confidences_are_the_official_ones() -> None:
    assert confidences_json(golden_sample(0), PROVENANCE) == (GOLDENS / "sample0_confidences.json").read_bytes()


def test_values_out_of_range_are_clipped_and_unknown_ones_null() -> None:
    sample = golden_sample(0)
    pae, plddt = sample.pae.copy(), sample.plddt.copy()
    pae[0, :5] = [np.nan, -1, 1000, 0.25, 31.75]  # a half is rounded up, as there
    plddt[:3] = [100, np.nan, 0]
    found = json.loads(confidences_json(replace(sample, pae=pae, plddt=plddt), PROVENANCE))
    assert found["pae"][0][:5] == [None, 0, 99.9, 0.3, 31.8]
    assert found["atom_plddts"][:3] == [99.99, None, 0]
    assert len(found["pae"]) == len(found["pae"][-1]) == len(sample.tokens)


def test_mmcif_has_everything_that_the_official_one_has() -> None:
    """All categories and items, with equal content but for weights of newer tables, names, synonyms and software."""
    text = sample_mmcif("postprocessing_case", golden_sample(0), golden_confidence(0), PROVENANCE)
    ours, official = gemmi.cif.read_string(text)[0], gemmi.cif.read(str(GOLDENS / "sample0_model_atoms.cif"))[0]
    different = set()
    for category in official.get_mmcif_category_names():
        found = ours.get_mmcif_category(category)
        for item, values in official.get_mmcif_category(category).items():
            assert item in found, f"{category}{item}"
            assert len(found[item]) == len(values)
            if found[item] != values:
                different.add(category + item)
    software = {"_software.name", "_software.version", "_software.classification"}
    names = {"_chem_comp.pdbx_synonyms", "_entity.pdbx_description"}
    assert different == {"_chem_comp.formula_weight"} | software | names
    weights = [np.array(block.find_values("_chem_comp.formula_weight"), float) for block in (ours, official)]
    assert np.abs(weights[0] - weights[1]).max() < 0.005


def test_mmcif_says_where_it_comes_from() -> None:
    sample = sample_of(placed(EVERYTHING))
    text = sample_mmcif("everything", sample, confidence_of(sample), RANDOM)
    block = gemmi.cif.read_string(text)[0]
    rows = dict(zip(*(block.find_values(f"_ma_software_parameter.{item}") for item in ("name", "value")), strict=True))
    named = {"weights": "'a model'", "weights_family": "'a family'", "seed": "3", "sample": "1"}
    assert rows == named | {"recycles": "10", "precision": "float32"}
    assert text.startswith(f"# {RANDOM.warning}\n")
    assert list(block.find_values("_pdbx_data_usage.type")) == ["license", "disclaimer"]
    assert [row[0] for row in block.find("_ma_qa_metric.", ["type", "mode"])] == ["pLDDT", "pTM", "pLDDT"]  # no ipTM
    local = np.array(block.find_values("_ma_qa_metric_local.metric_value"), float)
    assert np.isclose(local[0], sample.plddt[next(sample.structure.residues())[2]].mean(), atol=0.005)


def test_the_dictionaries_accept_the_file() -> None:
    sample = sample_of(placed(EVERYTHING))
    document = gemmi.cif.read_string(sample_mmcif("everything", sample, confidence_of(sample), RANDOM))
    assert complaints(document, "mmcif_ma.dic", "mmcif_pdbx.dic") == []


@pytest.fixture
def sample() -> Sample:
    return golden_sample(0)


def test_layout_is_the_official_one(tmp_path: Path, sample: Sample) -> None:
    write_job(tmp_path, "a job", "{}")
    for number, score in enumerate((0.1, 0.30000000000000004, 0.3)):
        given = replace(sample, number=number), confidence_of(sample, score), CHEMISTRY, RANDOM
        for path in write_sample(tmp_path, "a job", *given, formats=("sdf", "pdb")):
            assert path.is_file()
    write_ranking(tmp_path, "a job", read_ranking(tmp_path, "a job"), replace(PROVENANCE, family="alphafold3"))
    own = [f"a_job_seed-1_sample-{k}" for k in range(3)]
    ends = [*SMALL, "ligand_C.sdf", "model.pdb"]
    inside = {f"seed-1_sample-{k}/{own[k]}_{end}" for k in range(3) for end in ends}
    above = {f"a_job_{end}" for end in (*ends, "data.json", "ranking_scores.csv")} | {"TERMS_OF_USE.md"}
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == inside | above
    for end in ends:
        best = tmp_path / "seed-1_sample-1" / f"{own[1]}_{end}"
        assert (tmp_path / f"a_job_{end}").read_bytes() == best.read_bytes()
    with (tmp_path / "a_job_ranking_scores.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["seed", "sample", "ranking_score"]
    assert rows[2] == ["1", "1", "0.30000000000000004"]


def test_every_file_has_the_warning(tmp_path: Path, sample: Sample) -> None:
    sample = replace(sample, extra={"single": np.zeros((2, 3)), "distogram": np.zeros((2, 2, 64))})
    paths = write_sample(tmp_path, "a", sample, confidence_of(sample), CHEMISTRY, RANDOM, ("sdf", "pdb"))
    assert len(paths) == 7
    for path in paths:
        if path.suffix == ".npz":
            assert str(np.load(path)["warning"]) == RANDOM.warning
        else:
            assert RANDOM.warning in path.read_text().replace("\n", " "), path


def test_embeddings_have_the_official_names(tmp_path: Path, sample: Sample) -> None:
    extra = {"single": np.ones((3, 4), np.float32), "pair": np.ones((3, 3, 2)), "distogram": np.ones((3, 3, 64))}
    given = confidence_of(sample), CHEMISTRY, PROVENANCE
    for number in range(2):
        write_sample(tmp_path, "a", replace(sample, extra=extra, number=number), *given)
    embeddings = np.load(tmp_path / "seed-1_embeddings" / "a_seed-1_embeddings.npz")
    shapes = {name: (array.shape, array.dtype.name) for name, array in embeddings.items()}
    assert shapes == {"single_embeddings": ((3, 4), "float16"), "pair_embeddings": ((3, 3, 2), "float16")}
    distogram = np.load(tmp_path / "seed-1_distogram" / "a_seed-1_distogram.npz")
    assert [(name, array.shape) for name, array in distogram.items()] == [("distogram", (3, 3, 64))]


def test_a_sample_that_was_cut_off_is_not_there(
    tmp_path: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = confidence_of(sample), CHEMISTRY, PROVENANCE
    write_sample(tmp_path, "a", replace(sample, seed=7, number=2), *given)

    def broken(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "summary_json", broken)
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, "a", sample, *given)
    assert [path.name for path in tmp_path.iterdir()] == ["seed-7_sample-2"]
    assert finished_samples(tmp_path, "a") == {(7, 2)}
    assert finished_samples(tmp_path, "b") == set()


def test_a_sample_is_replaced_as_a_whole(tmp_path: Path, sample: Sample) -> None:
    given = CHEMISTRY, PROVENANCE
    write_sample(tmp_path, "a", sample, confidence_of(sample, 0.1), *given, formats=("sdf", "pdb"))
    paths = write_sample(tmp_path, "a", sample, confidence_of(sample, 0.2), *given, formats=())
    assert sorted((tmp_path / "seed-1_sample-0").iterdir()) == sorted(paths)
    assert read_ranking(tmp_path, "a") == [(1, 0, 0.2, 0.5)]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_best_has_the_greatest_score_less_penalty_or_is_given(tmp_path: Path, sample: Sample) -> None:
    for number, penalty in enumerate((0.5, 0.0, 0.0)):
        given = replace(sample, number=number), confidence_of(sample, 0.9 - 0.2 * number), Chemistry({}, (), penalty)
        write_sample(tmp_path, "a", *given, PROVENANCE, formats=())
    rows = read_ranking(tmp_path, "a")
    for best, expected in ((None, 1), ((1, 2), 2)):
        write_ranking(tmp_path, "a", rows, PROVENANCE, best)
        assert json.loads((tmp_path / "a_summary_confidences.json").read_text())["sample"] == expected
    assert len((tmp_path / "a_ranking_scores.csv").read_text().splitlines()[1].split(",")) == 3


def test_scores_that_are_not_defined_come_last(tmp_path: Path, sample: Sample) -> None:
    for number, score in enumerate((float("nan"), -100.0)):
        given = replace(sample, number=number), confidence_of(sample, score)
        write_sample(tmp_path, "a", *given, Chemistry({}, (), 0.0), PROVENANCE, formats=())
    write_ranking(tmp_path, "a", read_ranking(tmp_path, "a"), PROVENANCE)
    assert json.loads((tmp_path / "a_summary_confidences.json").read_text())["sample"] == 1


@pytest.mark.parametrize(
    ("name", "expected"), [("My first fold (TEST)", "My_first_fold_TEST"), ("a.b-c_1", "a.b-c_1"), ("x/../y", "x..y")]
)
def test_job_names_become_file_names(name: str, expected: str) -> None:
    assert file_name(name) == expected


def test_mistakes_are_named(tmp_path: Path, sample: Sample) -> None:
    with pytest.raises(ValueError, match="'xyz' is not known; use cif, sdf, pdb"):
        write_sample(tmp_path, "a", sample, confidence_of(sample), CHEMISTRY, PROVENANCE, ["xyz"])
    with pytest.raises(ValueError, match="no letter that a file name can have"):
        file_name("../")
    with pytest.raises(ValueError, match="no samples to rank"):
        write_ranking(tmp_path, "a", [], PROVENANCE)
