import json
import re

import pytest

from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Dna, Ligand, Modification, Protein, Rna
from alphafold3_pytorch.inputs.read import parse
from alphafold3_pytorch.inputs.write import write

PROTEIN = {
    "proteinChain": {
        "sequence": "MNPSTKW",
        "glycans": [{"residues": "NAG(4-1 NAG(4-1 BMA))", "position": 2}, {"residues": "FUC", "position": 4}],
        "modifications": [{"ptmType": "CCD_HYP", "ptmPosition": 3}],
        "count": 2,
        "maxTemplateDate": "2019-05-30",
    }
}
OTHERS = [
    {"proteinChain": {"sequence": "GEWL", "count": 1, "useStructureTemplate": False}},
    {"dnaSequence": {"sequence": "GATC", "modifications": [{"modificationType": "CCD_6MA", "basePosition": 2}]}},
    {"rnaSequence": {"sequence": "GUAC", "count": 1}},
    {"ligand": {"ligand": "CCD_HEM", "count": 2}},
    {"ion": {"ion": "ZN", "count": 1}},
]
JOB = {
    "name": "one",
    "modelSeeds": ["7", 8],
    "sequences": [PROTEIN, *OTHERS],
    "dialect": "alphafoldserver",
    "version": 1,
}


def test_everything_that_the_dialect_can_say():
    job, second = parse(json.dumps([JOB, {"name": "two", "modelSeeds": [], "sequences": OTHERS[2:3]}]))
    protein, core, fucose, bare, dna, rna, heme, zinc = job.entities
    assert isinstance(protein, Protein) and protein.ids == ("A", "B") and protein.max_template_date == "2019-05-30"
    assert protein.modifications == (Modification("HYP", 3),) and protein.templates is None
    assert isinstance(core, Ligand) and core.ids == ("C", "D") and core.codes == ("NAG", "NAG", "BMA")
    assert isinstance(fucose, Ligand) and fucose.codes == ("FUC",)
    assert isinstance(bare, Protein) and bare.templates == () and bare.ids == ("G",)
    assert isinstance(dna, Dna) and dna.residues()[1] == "6MA" and isinstance(rna, Rna)
    assert isinstance(heme, Ligand) and len(heme.ids) == 2 and isinstance(zinc, Ligand) and zinc.codes == ("ZN",)
    assert [f"{first}-{last}" for first, last in job.bonds[:3]] == ["A:2:ND2-C:1:C1", "C:1:O4-C:2:C1", "C:2:O4-C:3:C1"]
    assert "A:4:OG-E:1:C1" in [f"{first}-{last}" for first, last in job.bonds] and len(job.bonds) == 8
    assert job.seeds == (7, 8) and second.seeds == (1,) and build(job).bonds.shape == (8, 2)


@pytest.mark.parametrize(
    ("short", "long"),
    [("NAG(NAG)", "NAG(4-1 NAG)"), ("NAG(NAG(BMA(MAN)(MAN)))", "NAG(4-1 NAG(4-1 BMA(3-1 MAN)(6-1 MAN)))")],
)
def test_the_core_of_n_glycans_needs_no_linkages(short, long):
    jobs = [parse(changed("glycans", [{"residues": text, "position": 2}])) for text in (short, long)]
    assert jobs[0] == jobs[1]
    with pytest.raises(ValueError, match="say how NAG is bonded"):  # but on a serine it is no such core
        parse(changed("glycans", [{"residues": short, "position": 4}]))


def test_what_the_dialect_can_say_comes_back():
    jobs = parse(json.dumps([{**JOB, "sequences": OTHERS}]))
    draft = write(jobs, "alphafoldserver")
    (text,) = draft.files.values()
    assert not draft.lost and parse(text) == jobs


def changed(where: str, value: object) -> str:
    job = json.loads(json.dumps(JOB))
    inner = job["sequences"][0]["proteinChain"]
    (job if where in ("dialect", "version", "modelSeeds", "sequences", "covalent_bonds") else inner)[where] = value
    return json.dumps([job])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            changed("glycans", [{"residues": "NAG(NAG)(BMA)", "position": 2}]),
            "say how NAG is bonded, for example",
        ),
        (
            changed("glycans", [{"residues": "NAG(FUC)", "position": 2}]),
            "notation does not say which atoms",
        ),
        (changed("glycans", [{"residues": "NAG", "position": 1}]), "residue 1 is M, and glycans hang on N, S or T"),
        (changed("glycans", [{"residues": "NAG", "position": 9}]), "position is 9, but residues are numbered 1 to 7"),
        (changed("glycans", [{"residues": "ATP", "position": 2}]), "ATP is no sugar"),
        (changed("glycans", [{"residues": "", "position": 2}]), "glycans[0]: residues is empty"),
        (changed("maxTemplateDate", "May 2019"), "maxTemplateDate is 'May 2019'; write year-month-day"),
        (changed("useStructureTemplates", True), "unknown key; did you mean useStructureTemplate?"),
        (changed("count", 0), "proteinChain.count: is 0; it must be 1 to 10000"),
        (changed("dialect", "alphafold2"), 'dialect: is "alphafold2"; this reader knows "alphafoldserver"'),
        (changed("version", 9), "version: is 9; known are 1, 2, 3"),
        (changed("modelSeeds", ["x"]), 'modelSeeds[0]: is "x"; it must be a whole number'),
        (changed("covalent_bonds", []), "covalent_bonds: unknown key"),
        (changed("sequences", [{"ions": {}}]), "sequences[0]: must be one of proteinChain, dnaSequence"),
    ],
)
def test_mistakes_are_named_with_their_path(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text)
