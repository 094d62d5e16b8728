import numpy as np
import pytest

from alphafold3_pytorch.chem.residues import GAP, INDEX, UNKNOWN
from alphafold3_pytorch.features.featurize import prepare
from alphafold3_pytorch.features.options import ALPHAFOLD3
from alphafold3_pytorch.features.templates import PLACE, read_chain
from alphafold3_pytorch.inputs.job import Job, Ligand, Protein, Template

HEAD = """data_T
loop_
_entity_poly_seq.entity_id
_entity_poly_seq.num
_entity_poly_seq.mon_id
1 1 ALA
1 2 ARG
1 3 MSE
1 4 GLY
1 5 QQQ
2 1 TRP
loop_
_atom_site.label_asym_id
_atom_site.label_entity_id
_atom_site.label_seq_id
_atom_site.label_comp_id
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.occupancy
_atom_site.pdbx_PDB_model_num
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
"""
ROWS = """A 1 2 ARG N . 1 1 0 0 0
A 1 2 ARG CA . 1 1 1 0 0
A 1 2 ARG C . 1 1 1 1 0
A 1 2 ARG CB A 0.4 1 9 9 9
A 1 2 ARG CB B 0.6 1 1 0 1
A 1 2 ARG CD . 1 1 0 0 9
A 1 2 ARG NH1 . 1 1 0 0 5
A 1 2 ARG NH2 . 1 1 0 0 8
A 1 3 MSE SE . 1 1 4 4 4
A 1 4 GLY CA . 1 1 5 5 5
A 1 2 ARG N . 1 2 7 7 7
B 2 . HOH O . 1 1 8 8 8
"""


def test_a_chain_is_read_with_all_its_residues():
    chain = read_chain(HEAD + ROWS)
    assert chain.restype.tolist() == [INDEX["ALA"], INDEX["ARG"], INDEX["MET"], INDEX["GLY"], UNKNOWN]
    assert not chain.mask[0].any() and chain.mask[1].sum() == 7 and chain.mask[4].sum() == 0
    assert chain.positions[1, PLACE["N"]].tolist() == [0, 0, 0]  # the first model
    assert chain.positions[1, PLACE["CB"]].tolist() == [1, 0, 1]  # the location with the larger occupancy
    assert chain.positions[1, PLACE["NH1"]].tolist() == [0, 0, 8]  # the one nearer to CD
    assert chain.mask[2, PLACE["SD"]] and chain.positions[2, PLACE["SD"]].tolist() == [4, 4, 4]


def job(query=(0, 2), hit=(1, 3), text=HEAD + ROWS, **more):
    template = Template(text, tuple(query), tuple(hit))
    return Job("j", (Protein(("A", "B"), "RAGSR", templates=(template,)), Ligand(("C",), codes=("MG",))), **more)


def test_residues_stand_in_the_places_of_the_query():
    templates = prepare(job(), 1, ALPHAFOLD3).templates
    assert templates.restype[0].tolist() == [1, GAP, 7, GAP, GAP] * 2 + [0] and (templates.restype[1:] == 0).all()
    backbone, known = templates.backbone()
    assert known[0].tolist() == [True] + [False] * 4 + [True] + [False] * 5
    assert backbone[0, 0].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    beta, seen = templates.pseudo_beta()
    assert beta[0, 0].tolist() == [1, 0, 1] and beta[0, 2].tolist() == [5, 5, 5] and seen[0, 2]
    assert not np.isnan(templates.positions).any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (job(query=(0, 5)), "template 1 of chain A: queryIndices has 5, but the chain has residues 0 to 4"),
        (job(hit=(1, 9)), "templateIndices has 9, but the template has residues 0 to 4"),
        (job(text=HEAD + ROWS.replace("B 2 . HOH O", "B 2 1 TRP N")), r"2 polymer chains \(A, B\)"),
        (job(text=HEAD + ROWS.replace("A 1 4 GLY", "A 1 8 GLY")), "residue 8 has atoms but is not in the sequence"),
        (job(text="data_T\n_a.b 1\n"), "template 1 of chain A: this text is no mmCIF entry"),
    ],
)
def test_templates_that_do_not_fit(changed, message):
    with pytest.raises(ValueError, match=message):
        prepare(changed, 1)
