import gzip
import json
import logging
from dataclasses import replace

import pytest

from alphafold3_pytorch.features.featurize import featurize
from alphafold3_pytorch.features.templates import read_chain
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job, Modification, Protein, Rna
from alphafold3_pytorch.search.hits import Hit, parse_hits
from alphafold3_pytorch.search.templates import TemplateLimits, complete, find_entry, templates_of
from alphafold3_pytorch.structure.mmcif_text import mmcif_text

SEQUENCE = "MKVLAWGHTEPLSMQRNDYF"
QUERY = "GG" + SEQUENCE + "GGGG"
DATED = "_pdbx_audit_revision_history.revision_date 2015-01-01\n"


def hit(**changes) -> Hit:
    count = len(SEQUENCE)
    base = Hit("1abc", "A", SEQUENCE, 0, count, tuple(range(2, 2 + count)), tuple(range(count)))
    return replace(base, **changes)


@pytest.fixture
def folder(tmp_path):
    """1abc: chain A with selenomethionine for its second M, and an RNA."""
    job = Job("1abc", (Protein(("A", "C"), SEQUENCE, (Modification("MSE", 14),)), Rna(("B",), "ACGU")))
    structure = build(job)
    structure.positions[:] = structure.residue[:, None] + structure.chain[:, None] * 100.0
    text = mmcif_text(structure, "1abc") + DATED
    (tmp_path / "1abc.cif").write_text(text)
    (tmp_path / "bc").mkdir()
    (tmp_path / "bc" / "2bcd-assembly1.cif.gz").write_bytes(gzip.compress(text.replace("1abc", "2bcd").encode()))
    return tmp_path


def test_a_hit_becomes_a_chain_with_pairs_of_residues(folder):
    (template,) = templates_of([hit()], QUERY, folder)
    assert template.query_indices == tuple(range(2, 22)) and template.template_indices == tuple(range(20))
    chain = read_chain(template.mmcif)
    assert len(chain.restype) == 20 and chain.restype[13] == 12  # M
    assert chain.positions[4, 1].tolist() == [4, 4, 4] and chain.mask[13, 18]  # SE in the place of SD
    assert "2015-01-01" in template.mmcif


@pytest.mark.parametrize(
    ("changed", "limits"),
    [
        (hit(), TemplateLimits(released_by="2014-12-31")),
        (hit(sequence=SEQUENCE[:9], indices=tuple(range(9)), query_indices=tuple(range(9))), TemplateLimits()),
        (hit(indices=(0, 1), query_indices=(0, 1)), TemplateLimits()),
        (hit(chain="B"), TemplateLimits()),
        (hit(chain="Z"), TemplateLimits()),
        (hit(sequence="W" * 20, length=30), TemplateLimits()),
    ],
    ids=["too new", "too short", "hardly aligned", "no protein", "no such chain", "another sequence"],
)
def test_hits_that_do_not_pass(folder, changed, limits):
    assert templates_of([changed], QUERY, folder, limits) == ()
    assert len(templates_of([changed, hit()], QUERY, folder)) == 1


def test_a_copy_of_the_query_is_left_out(folder):
    whole = hit(query_indices=tuple(range(20)))
    assert templates_of([whole], SEQUENCE, folder) == ()
    assert len(templates_of([whole], SEQUENCE, folder, TemplateLimits(longest_copy=1.0))) == 1
    assert len(templates_of([whole], SEQUENCE[:-1] + "W", folder)) == 1


def test_the_same_template_counts_once_and_no_more_than_wanted(folder):
    others = [hit(query_indices=tuple(range(shift, shift + 20))) for shift in range(6)]
    assert len(templates_of([hit(), hit(chain="C"), hit(entry="2bcd")], QUERY, folder)) == 1
    assert len(templates_of(others, QUERY, folder)) == 4
    assert len(templates_of(others, QUERY, folder, TemplateLimits(most=20))) == 6


def test_hits_of_another_numbering_are_aligned_again(folder):
    """The searched sequence had a tag in front and no residues 10 and 11."""
    part = SEQUENCE[:10] + SEQUENCE[12:]
    shifted = hit(sequence=part, start=3, length=40, indices=tuple(range(18)), query_indices=tuple(range(18)))
    (template,) = templates_of([shifted], QUERY, folder)
    assert template.template_indices == (*range(10), *range(12, 20)) and template.query_indices == tuple(range(18))


def test_missing_files_are_named(folder, caplog):
    with caplog.at_level(logging.WARNING):
        assert len(templates_of([hit(entry="9zzz"), hit()], QUERY, folder)) == 1
    assert f"{folder} has no mmCIF file of 9zzz" in caplog.text


def test_an_entry_without_a_date_counts_as_too_new(folder):
    path = folder / "3cde.cif"
    path.write_text((folder / "1abc.cif").read_text().replace(DATED, ""))
    assert templates_of([hit(entry="3cde")], QUERY, folder) == ()
    assert len(templates_of([hit(entry="3cde")], QUERY, folder, TemplateLimits(released_by=None))) == 1


def test_components_that_are_not_known_are_named(folder, caplog):
    text = (folder / "1abc.cif").read_text().replace("MSE", "ZZ-9").replace("_chem_comp_atom.", "_other_atom.")
    (folder / "3cde.cif").write_text(text)
    assert templates_of([hit(entry="3cde")], QUERY, folder) == ()
    assert "template 3cde_A left out: it has the unknown component ZZ-9" in caplog.text


def test_a_broken_file_is_named(folder):
    (folder / "3cde.cif").write_text((folder / "1abc.cif").read_text().replace("_atom_site.Cartn_x", "_atom_site.x"))
    with pytest.raises(ValueError, match="template 3cde_A .*3cde.cif.* has no _atom_site.Cartn_x"):
        templates_of([hit(entry="3cde")], QUERY, folder)


def test_hits_of_another_query_are_refused(folder):
    with pytest.raises(ValueError, match="hit 1abc_A is aligned to residue 22 of a query of 10"):
        templates_of([hit()], QUERY[:10], folder)


def test_files_are_found_in_both_layouts(folder):
    assert find_entry(folder, "1abc") == folder / "1abc.cif" and find_entry(folder, "9zzz") is None
    assert find_entry(folder, "2bcd") == folder / "bc" / "2bcd-assembly1.cif.gz"


def test_the_same_templates_as_official_alphafold3(shared, root):
    """Hits of three searches, of which its pipeline kept these, with these pairs of residues."""
    with gzip.open(root / "tests/goldens/template_hits/alphafold3.json.gz", "rt") as file:
        cases = json.load(file)
    assert sum(len(case["kept"]) for case in cases.values()) == 24
    for case in cases.values():
        folder = shared / "data" / "structures"
        found = templates_of(parse_hits(case["a3m"]), case["query"], folder, TemplateLimits(most=20))
        assert len(found) == len(case["kept"])
        for template, (name, runs) in zip(found, case["kept"], strict=True):
            pairs = [(query + step, place + step) for query, place, length in runs for step in range(length)]
            ours = list(zip(template.query_indices, template.template_indices, strict=True))
            assert (template.mmcif[5:9].lower(), ours) == (name[:4], pairs)


REPORT = f">1abc_A/1-20 mol:protein length:20\n--{SEQUENCE}----\n>1abc_Z/1-20\n--{SEQUENCE}----\n"


def test_a_job_with_hits_gets_templates(folder):
    bare, decided = Protein(("B",), QUERY), Protein(("C",), QUERY, templates=())
    job = Job("one", (Protein(("A",), QUERY, template_hits=REPORT), bare, decided))
    first, *others = complete(job, folder).entities
    assert isinstance(first, Protein) and len(first.templates or ()) == 1 and first.template_hits is None
    assert others == [bare, decided] and complete(Job("two", (bare,)), None) == Job("two", (bare,))


@pytest.mark.parametrize(
    ("own", "limit", "count"),
    [("", "2014-12-31", 0), ("2015-01-01", "2014-12-31", 1), ("2014-12-31", "2021-09-30", 0)],
)
def test_the_date_limit_of_the_chain_goes_first(folder, own, limit, count):
    job = Job("one", (Protein(("A",), QUERY, template_hits=REPORT, max_template_date=own),))
    (protein,) = complete(job, folder, TemplateLimits(released_by=limit)).entities
    assert isinstance(protein, Protein) and len(protein.templates or ()) == count


@pytest.mark.parametrize(
    ("report", "place", "message"),
    [
        (REPORT, None, "template hits of protein A: give the folder .*--template-folder"),
        (REPORT, "nowhere", "the template folder .*nowhere is not there"),
        ("1abc\t2\t3\n", "", "template hits of protein A: line 1 is "),
        (REPORT.replace("--M", "----M"), "", "is aligned to 28 columns, but the query has 26 residues"),
    ],
)
def test_hits_that_cannot_become_templates(folder, report, place, message):
    job = Job("one", (Protein(("A",), QUERY, template_hits=report),))
    with pytest.raises(ValueError, match=message):
        complete(job, None if place is None else folder / place)


def test_hits_are_not_passed_over():
    with pytest.raises(ValueError, match="protein A has hits of templates; make templates of them first"):
        featurize(Job("one", (Protein(("A",), QUERY, template_hits=REPORT),)))


@pytest.mark.parametrize("text", ["May 2019", "20190530", ""])
def test_a_date_is_a_date(text):
    with pytest.raises(ValueError, match=f"'{text}' is no date that templates can be released by"):
        TemplateLimits(released_by=text)
