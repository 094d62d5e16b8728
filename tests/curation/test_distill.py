"""Predictions to entries: what is found in folders, what is kept, and that training reads what is written."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from alphafold3_pytorch import cli
from alphafold3_pytorch.curation.distill import DISTILL, DistillSettings, Limits, distill_file
from alphafold3_pytorch.curation.policy import TRAINING
from alphafold3_pytorch.curation.predictions import prediction_files, prediction_name, prediction_place
from alphafold3_pytorch.curation.run import Request, run
from alphafold3_pytorch.structure.mmcif import read_entry
from tests.curation.predicted import CRAMBIN, REVISIONS, database_file, job, model_text, plddt_of
from tests.curation.sets import mirrored, real

GOLDENS = Path(__file__).parents[1] / "goldens"


def settings_of(out: Path, limits: Limits = Limits(), **changes) -> DistillSettings:  # noqa: B008
    return DistillSettings(TRAINING, out, limits=limits, **changes)


def distilled(path: Path, out: Path, **limits) -> Any:
    return distill_file(path, settings_of(out, Limits(**limits)))


def test_the_best_sample_of_a_job_or_all_of_them(tmp_path):
    home = job(tmp_path, "one")
    (home / ".seed-1_sample-7.1.tmp").mkdir()
    shutil.copy(home / "one_model.cif", home / ".seed-1_sample-7.1.tmp")
    unfinished = job(tmp_path, "two")
    (unfinished / "two_model.cif").unlink()
    model = database_file(tmp_path)
    best = [path.name for path in prediction_files(tmp_path, False)]
    assert sorted(best) == [model.name, "one_model.cif"]
    samples = [path.name for path in prediction_files(tmp_path, True)]
    assert sorted(samples) == [model.name] + [
        f"{name}_seed-1_sample-{n}_model.cif" for name in ("one", "two") for n in (0, 1)
    ]


@pytest.mark.parametrize(
    ("path", "name", "place"),
    [
        ("a/job_model.cif", "job", "jo/job.cif"),
        ("a/v1.2_model.cif.gz", "v1_2", "1_/v1_2.cif"),
        ("job/seed-3_sample-0/model.cif", "job_seed-3_sample-0", "e-/job_seed-3_sample-0.cif"),
        ("job/model.cif", "job", "jo/job.cif"),
        ("AF-Q8W3K0-F1-model_v4.cif.gz", "AF-Q8W3K0-F1-model_v4", "Q8W3K0/AF-Q8W3K0-F1-model_v4.cif"),
        ("AF-A0A087WUL8-F2-model_v6.bcif", "AF-A0A087WUL8-F2-model_v6", "A0A087WUL8/AF-A0A087WUL8-F2-model_v6.cif"),
        ("b/ab_model.cif", "ab", "a/ab.cif"),
        ("b/a_model.cif", "a", "a/a.cif"),
    ],
)
def test_names_and_places(path, name, place):
    assert prediction_name(Path(path)) == name
    assert prediction_place(Path(path), Path("out")) == Path("out", place)


def test_two_jobs_of_one_name_are_refused(tmp_path):
    job(tmp_path / "a", "same")
    job(tmp_path / "b", "same")
    with pytest.raises(ValueError, match="are both called same"):
        prediction_files(tmp_path, False)


def test_a_model_of_the_database_becomes_an_entry(tmp_path):
    path = database_file(tmp_path, unsure=(0, 44, 45))
    decision = distilled(path, tmp_path / "out")
    assert (decision.status, decision.released, decision.problems) == ("kept", REVISIONS[0], 0)
    assert decision.plddt == pytest.approx((43 * 90 + 3 * 30) / 46, abs=0.01), "as the file states it, over residues"
    written, true = read_entry(tmp_path / "out" / CRAMBIN / "AF-P01542-F1-model_v4.cif"), real("1crn")
    assert (written.id, written.method, written.resolution) == ("AF-P01542-F1-model_v4", "THEORETICAL MODEL", None)
    assert written.structure.chains[0].residues == true.structure.chains[0].residues
    np.testing.assert_array_equal(written.structure.positions, true.structure.positions)


def test_unsure_residues_lose_their_atoms_and_stay_in_the_sequence(tmp_path):
    decision = distilled(database_file(tmp_path, unsure=(0, 44, 45)), tmp_path / "out", mask=50.0)
    written = read_entry(tmp_path / "out" / CRAMBIN / "AF-P01542-F1-model_v4.cif").structure
    assert len(written.chains[0].residues) == 46 and set(written.residue.tolist()) == set(range(1, 44))
    assert decision.changed == (("unsure residues", 327 - len(written), 0),)


@pytest.mark.parametrize(
    ("limits", "rule", "reason"),
    [
        ({"plddt": 95.0}, "pLDDT", "pLDDT 90, at least 95 is wanted"),
        ({"ptm": 0.95}, "pTM", "pTM 0.9, at least 0.95 is wanted"),
        ({"iptm": 0.8}, "", ""),  # one chain has none
        ({"ranking_score": 0.7}, "ranking score", "ranking score 0.6, at least 0.7 is wanted"),
        ({"pde": 2.0}, "PDE", "PDE 2.5, at most 2 is wanted"),
        ({"pde": 3.0}, "", ""),
        ({"residues": 200}, "residues", "46 residues, at least 200 are wanted"),
    ],
)
def test_limits(tmp_path, limits, rule, reason):
    """Of our own summaries, which have the predicted distance error of pairs of chains."""
    home = job(tmp_path, "one", chains=["A"], chain_ids=["A"] * 46, chain_pair_pde_mean=[[2.5]])
    decision = distilled(home / "one_model.cif", tmp_path / "out", **limits)
    assert (decision.rule, decision.reason) == (rule, reason)
    assert (tmp_path / "out" / "on" / "one.cif").exists() == (not rule)


def test_the_error_of_a_complex_is_that_of_its_tokens(tmp_path):
    home = job(tmp_path, "one", chains=["A", "B"], chain_ids=["A"] * 3 + ["B"], chain_pair_pde_mean=[[1, 5], [3, 2]])
    assert distilled(home / "one_model.cif", tmp_path / "out").pde == pytest.approx(
        (9 * 1 + 3 * 5 + 3 * 3 + 2) / 16, abs=1e-3
    )


def test_what_official_alphafold_3_says_is_enough(tmp_path):
    """Its summaries have neither pLDDT nor PDE; the golden file is one of them."""
    home = job(tmp_path, "one")
    shutil.copy(GOLDENS / "output" / "sample0_summary_confidences.json", home / "one_summary_confidences.json")
    decision = distilled(home / "one_model.cif", tmp_path / "out")
    assert decision.status == "kept" and decision.plddt == 90 and decision.pde is None
    summary = json.loads((GOLDENS / "output" / "sample0_summary_confidences.json").read_text())
    assert (decision.ptm, decision.ranking_score) == (summary["ptm"], summary["ranking_score"])
    assert distilled(home / "one_model.cif", tmp_path / "out", pde=2.0).reason == "no PDE is known"


def test_random_weights_teach_nothing(tmp_path):
    home = job(tmp_path, "one", warning="The weights are random.")
    assert distilled(home / "one_model.cif", tmp_path / "out").rule == "weights"


def test_impossible_structures_are_left_out(tmp_path):
    home = job(tmp_path, "one", entry=mirrored(real("1crn")))
    decision = distilled(home / "one_model.cif", tmp_path / "out")
    assert decision.rule == "chemistry" and decision.problems > 40
    assert distilled(home / "one_model.cif", tmp_path / "out", problems=None).status == "kept"


def test_a_chain_on_top_of_itself_is_left_out(tmp_path):
    entry = real("1crn")
    positions, residue = entry.structure.positions.copy(), entry.structure.residue
    for place in range(23, 46):  # the second half goes back the way of the first
        positions[residue == place] = np.resize(positions[residue == 45 - place], ((residue == place).sum(), 3))
    home = job(tmp_path, "one", entry=replace(entry, structure=replace(entry.structure, positions=positions)))
    assert distilled(home / "one_model.cif", tmp_path / "out", problems=None).rule == "clash"


def test_what_is_no_prediction_is_named(tmp_path):
    home = job(tmp_path, "one")
    path = home / "one_model.cif"
    shutil.copy(GOLDENS / "entries" / "1crn.cif.gz", tmp_path)
    assert "says nothing of confidence" in distilled(tmp_path / "1crn.cif.gz", tmp_path / "out").reason
    entry = real("1crn")
    path.write_text(model_text("one", entry, plddt_of(entry) / 100, dated=False))
    assert distilled(path, tmp_path / "out").reason == (
        "the column B_iso_or_equiv of one is no pLDDT, which goes from 0 to 100: it has values up to 0.9"
    )
    (home / "one_summary_confidences.json").write_text("{")
    path.write_text(model_text("one", entry, plddt_of(entry), dated=False))
    assert "one_summary_confidences.json cannot be read" in distilled(path, tmp_path / "out").reason


def test_a_run_reports_and_goes_on(tmp_path, in_process, capsys):
    job(tmp_path / "in", "one")
    database_file(tmp_path / "in")
    (tmp_path / "in" / "AF-Q00000-F1-model_v4.cif").write_text("nothing")
    request = Request(tmp_path / "in", settings_of(tmp_path / "out", Limits(ptm=0.5)))
    counts = run(request, DISTILL)
    assert dict(counts) == {"kept": 1, "dropped": 1, "failed": 1}
    assert capsys.readouterr().out.count("\n") == 1, "one bad file is one line"
    with (tmp_path / "out" / "distill.csv").open() as file:
        rows = {row["entry"]: row for row in csv.DictReader(file)}
    assert rows["AF-P01542-F1-model_v4"]["reason"] == "no pTM is known"
    assert (rows["one"]["plddt"], rows["one"]["ptm"], rows["one"]["problems"]) == ("90.0", "0.9", "0")
    page = (tmp_path / "out" / "distill.html").read_text()
    assert "plddt 70, ptm 0.5" in page and "90 to 100" in page
    in_process.clear()
    assert run(request, DISTILL) == counts and in_process == ["AF-Q00000-F1-model_v4.cif"]


def command(*words: str):
    return CliRunner().invoke(cli.app, ["data", "distill", *words, "--workers", "1"])


def test_the_command(tmp_path, in_process):
    home = job(tmp_path / "in", "one")
    (home / "TERMS_OF_USE.md").write_text("terms")
    words = str(tmp_path / "in"), "-o", str(tmp_path / "out")
    done = command(*words, "--released", "2020-02-02", "--all-samples")
    assert done.exit_code == 0 and done.stdout.startswith("2 kept, 0 dropped, 0 failed")
    assert "forbid training" in done.stderr
    assert {read_entry(path).released for path in (tmp_path / "out").rglob("*.cif")} == {"2020-02-02"}
    for mistake, message in [
        (("--released", "soon"), "the release date is 'soon'"),
        (("--train-set", str(tmp_path)), "go together"),
        (("-o", str(tmp_path / "in" / "out")), "is inside the folder of predictions"),
    ]:
        assert message in str(command(*words, *mistake).exception)
    assert "nowhere does not exist" in str(command("nowhere", "-o", str(tmp_path / "x")).exception)
