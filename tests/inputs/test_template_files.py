import csv
import json

import pytest
import yaml

from alphafold3_pytorch.features.templates import read_chain
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job, Modification, Protein, Rna
from alphafold3_pytorch.inputs.read import read
from alphafold3_pytorch.inputs.template_files import chain_sequence, template_of
from alphafold3_pytorch.structure.mmcif import read_entry
from alphafold3_pytorch.structure.mmcif_text import mmcif_text

FIRST, SECOND = "MKVLAWGHTEPLSMQRNDYF", "GSHMDDRKWTYQNCEVFILPAGHK"
OTHER = "PPPPPPPPPPPPPPPPPPPP"


@pytest.fixture
def folder(tmp_path):
    """x.cif: chain A with selenomethionine for its second M, chain B, an RNA C."""
    chains = Protein(("A",), FIRST, (Modification("MSE", 14),)), Protein(("B",), SECOND), Rna(("C",), "ACGU")
    structure = build(Job("x", chains))
    structure.positions[:] = structure.residue[:, None] + structure.chain[:, None] * 100.0
    (tmp_path / "x.cif").write_text(mmcif_text(structure, "x"))
    return tmp_path


def pairs(template):
    return list(zip(template.query_indices, template.template_indices, strict=True))


def test_the_chain_most_like_the_query_is_aligned(folder):
    entry = read_entry(folder / "x.cif")
    found = template_of(entry, "GG" + FIRST + "GG")
    assert found is not None and pairs(found) == [(place + 2, place) for place in range(20)]
    assert read_chain(found.mmcif).positions[4, 1].tolist() == [4, 4, 4]
    second = template_of(entry, SECOND[3:])
    assert second is not None and pairs(second) == [(place, place + 3) for place in range(21)]
    assert template_of(entry, OTHER) is None and template_of(entry, FIRST, "B") is None
    with pytest.raises(ValueError, match="x has no protein chain C; it has A, B"):
        template_of(entry, FIRST, "C")


def test_a_deposited_chain_is_its_own_template(shared):
    rows = csv.DictReader((shared / "data" / "index.csv").read_text().splitlines())
    files = [row["file"] for row in rows if 50 < int(row["n_tokens"]) < 200 and row["n_polymer_chains"] == "1"]
    for file in files[::40]:
        entry = read_entry(shared / "data" / file)
        if entry.structure.chains[0].kind != "protein":
            continue
        sequence = chain_sequence(entry, 0)
        found = template_of(entry, sequence[10:40] + sequence[45:])
        wanted = [(place, place + (10 if place < 30 else 15)) for place in range(len(sequence) - 15)]
        assert found is not None and len(set(pairs(found)) & set(wanted)) > 0.8 * len(wanted)


def boltz(*templates: dict) -> str:
    sequences = [{"protein": {"id": ["P", "Q"], "sequence": FIRST}}, {"protein": {"id": "R", "sequence": SECOND}}]
    return yaml.safe_dump({"sequences": sequences, "templates": list(templates)})


@pytest.mark.parametrize(
    ("template", "counts"),
    [
        ({}, (1, 1)),
        ({"chain_id": "R"}, (0, 1)),
        ({"chain_id": ["P", "Q"]}, (1, 0)),
        ({"chain_id": ["Q"], "template_id": ["A"]}, (1, 0)),
        ({"chain_id": ["P", "R"], "template_id": ["A", "B"]}, (1, 1)),
    ],
)
def test_templates_of_boltz(folder, template, counts):
    (folder / "job.yaml").write_text(boltz({"cif": "x.cif"} | template))
    (job,) = read(folder / "job.yaml")
    proteins = [entity for entity in job.entities if isinstance(entity, Protein)]
    assert tuple(len(protein.templates or ()) for protein in proteins) == counts


def test_templates_of_boltz_that_do_not_fit_are_refused(folder):
    (folder / "job.yaml").write_text(boltz({"cif": "x.cif", "chain_id": "P", "template_id": "B"}))
    with pytest.raises(ValueError, match=r"templates\[0\]: no chain of x.cif is like the sequence of P"):
        read(folder / "job.yaml")


@pytest.mark.parametrize("chains", [None, ["A"], [None]])
def test_templates_of_openfold3(folder, chains):
    chain = {"molecule_type": "protein", "chain_ids": "P", "sequence": FIRST, "template_cif_paths": "x.cif"}
    query = {"chains": [chain | ({"template_cif_chain_ids": chains} if chains else {})]}
    (folder / "job.json").write_text(json.dumps({"queries": {"one": query}}))
    (protein,) = read(folder / "job.json")[0].entities
    assert isinstance(protein, Protein) and len(protein.templates or ()) == 1
