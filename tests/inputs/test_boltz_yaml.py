import re

import pytest

from alphafold3_pytorch.inputs.job import Ligand, Modification, Protein
from alphafold3_pytorch.inputs.read import parse, read
from alphafold3_pytorch.inputs.write import write
from alphafold3_pytorch.search.alignment import parse_a3m

FULL = """
version: 1
sequences:
  - protein:
      id: [A, B]
      sequence: PVLSCGG
      msa: empty
      modifications:
        - position: 4
          ccd: SEP
      cyclic: true
  - RNA: {id: C, sequence: ACGU}
  - ligand:
      id: D
      ccd: 004
  - ligand: {id: E, ccd: NO}
  - ligand: {id: F, ccd: [NAG, NAG]}
  - ligand: {id: G, smiles: 'CC(=O)O'}
constraints:
  - bond:
      atom1: [F, 1, O4]
      atom2: [F, 2, C1]
"""


def test_everything_that_is_understood():
    (job,) = parse(FULL, source="folder/my-job.yaml")
    protein, _, digits, monoxide, sugars, smiles = job.entities
    assert job.name == "my-job" and isinstance(protein, Protein) and protein.ids == ("A", "B")
    assert protein.modifications == (Modification("SEP", 4),) and protein.unpaired_msa == protein.paired_msa == ""
    assert isinstance(digits, Ligand) and digits.codes == ("004",)  # not the number 4
    assert isinstance(monoxide, Ligand) and monoxide.codes == ("NO",)  # not false
    assert isinstance(sugars, Ligand) and sugars.codes == ("NAG", "NAG")
    assert isinstance(smiles, Ligand) and smiles.smiles == "CC(=O)O"
    assert [f"{a}-{b}" for a, b in job.bonds] == ["F:1:O4-F:2:C1", "A:7:C-A:1:N", "B:7:C-B:1:N"]


def test_what_the_dialect_can_say_comes_back():
    (job,) = parse(FULL)
    draft = write([job], "boltz")
    (text,) = draft.files.values()
    assert not draft.lost and parse(text) == [job]


def test_rows_are_paired_by_key(tmp_path):
    for chain, other in (("A", "PV-"), ("B", "P-L")):
        rows = ["sequence,key", "PVL,0", f"{other},5", "--L,", "PaVL,12"]
        (tmp_path / f"{chain}.csv").write_text("\n".join(rows))
    (tmp_path / "job.yaml").write_text(
        "sequences:\n" + "".join(f"- protein: {{id: {chain}, sequence: PVL, msa: {chain}.csv}}\n" for chain in "AB")
    )
    (job,) = read(tmp_path / "job.yaml")
    first, second = (entity for entity in job.entities if isinstance(entity, Protein))
    paired = [parse_a3m(chain.paired_msa or "") for chain in (first, second)]
    assert paired[0].species() == paired[1].species() and len(set(paired[0].species())) == 3
    assert paired[0].sequence(1) == "PV-" and paired[0].deletions[2].tolist() == [0, 1, 0]
    assert parse_a3m(first.unpaired_msa or "").sequence(1) == "--L"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1", "version: 2", "version: is 2; known is 1"),
        ("cyclic: true", "cyclc: true", "cyclc: unknown key; did you mean cyclic?"),
        ("id: D", "id: []", "id: is empty; give a text or a list of them"),
        ("id: D", "id: {}", "id: is {}; it must be text"),
        ("ccd: 004", "ccd: ATP\n      smiles: C", "has ccd and smiles; give one of them"),
        ("ccd: 004", "ccd: ATP\n      cyclic: true", "is for polymers; the rings of a ligand"),
        ("msa: empty", "msa: no.a3m", "no.a3m: No such file"),
        ("atom1: [F, 1, O4]", "atom1: [F, O4]", 'atom1: is ["F", "O4"]; write chain, residue and atom'),
        ("atom1: [F, 1, O4]", "atom1: [G, 1, C1]", "chain G is given as SMILES, which has no atom names"),
        ("  - bond:", "  - bnd:", "constraints[0].bnd: unknown key; did you mean bond?"),
        ("ACGU}", "AC, cyclic: true}", "a ring has at least 3 residues"),
        ("constraints:", "templates: [{cif: x.cif}]\nconstraints:", "templates[0]: x.cif: No such file"),
        ("constraints:", "templates: [{pdb: x.pdb}]\nconstraints:", "files in the old PDB format are not read"),
        ("constraints:", "templates: [{cif: x, force: true}]\nconstraints:", "not enforced by a potential"),
        ("constraints:", "templates: [{cif: x, chain_id: C}]\nconstraints:", "chain_id: C is no protein chain"),
        ("constraints:", "templates: [{cif: x, template_id: A}]\nconstraints:", "they are pairs"),
        (
            "constraints:",
            "properties: [{affinity: {binder: G}}]\nconstraints:",
            "affinities are not predicted",
        ),
        ("constraints:", "constraints:\n  - pocket: {binder: G}", "pocket and contact constraints are not supported"),
        ("version: 1", "version: 1\nversion: 1", "the key 'version' occurs twice"),
        ("version: 1", "version: &a 1\nx: *a", "aliases (*name) are not supported"),
        ("version: 1", "? [1]\n: 1", "is not text"),
        ("      id: D", "\tid: D", "is not valid YAML"),
    ],
)
def test_mistakes_are_named_with_their_path(old, new, message):
    assert old in FULL
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(FULL.replace(old, new, 1))
