import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphafold3_pytorch.chem import cif
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import AtomAddress, Dna, Job, Ligand, Modification, Protein, Rna
from alphafold3_pytorch.structure.mmcif import read_entry
from alphafold3_pytorch.structure.mmcif_text import mmcif_text
from tests.chem.test_cif import binary

ENTRY = """data_9XYZ
_entry.id 9XYZ
loop_
_exptl.method
'X-ray diffraction'
'neutron diffraction'
_refine.ls_d_res_high 1.75
loop_
_pdbx_audit_revision_history.ordinal
_pdbx_audit_revision_history.revision_date
1 2020-02-03
2 2024-01-01
loop_
_entity.id
_entity.type
1 polymer
2 branched
3 non-polymer
4 water
_entity_poly.entity_id 1
_entity_poly.type 'polypeptide(L)'
loop_
_pdbx_poly_seq_scheme.asym_id
_pdbx_poly_seq_scheme.seq_id
_pdbx_poly_seq_scheme.mon_id
_pdbx_poly_seq_scheme.pdb_seq_num
_pdbx_poly_seq_scheme.pdb_ins_code
A 1 GLY 51 .
A 2 CYS 52 .
A 2 SER 52 .
A 3 CYS 52 A
A 4 ASN 53 .
loop_
_pdbx_branch_scheme.asym_id
_pdbx_branch_scheme.num
_pdbx_branch_scheme.mon_id
_pdbx_branch_scheme.pdb_seq_num
B 1 NAG 101
B 2 NAG 102
B 3 BMA 103
loop_
_pdbx_entity_branch_link.entity_id
_pdbx_entity_branch_link.entity_branch_list_num_1
_pdbx_entity_branch_link.atom_id_1
_pdbx_entity_branch_link.entity_branch_list_num_2
_pdbx_entity_branch_link.atom_id_2
2 2 C1 1 O4
2 3 C1 2 O4
loop_
_struct_conn.conn_type_id
_struct_conn.ptnr1_label_asym_id
_struct_conn.ptnr1_label_seq_id
_struct_conn.ptnr1_label_atom_id
_struct_conn.ptnr1_auth_seq_id
_struct_conn.ptnr1_symmetry
_struct_conn.ptnr2_label_asym_id
_struct_conn.ptnr2_label_seq_id
_struct_conn.ptnr2_label_atom_id
_struct_conn.ptnr2_auth_seq_id
_struct_conn.pdbx_ptnr2_PDB_ins_code
_struct_conn.pdbx_ptnr2_label_alt_id
_struct_conn.ptnr2_symmetry
disulf A 2 SG 52 1_555 A 3 SG 52 A ? 1_555
disulf A 2 SG 52 1_555 A 2 SG 52 ? ? 2_665
covale A 4 ND2 53 1_555 B . C1 101 ? ? 1_555
covale A 3 C 52 1_555 A 4 N 53 ? ? 1_555
covale B . O4 101 1_555 B . C1 102 ? ? 1_555
covale A 4 ND2 53 1_555 C . N1 201 ? B 1_555
metalc A 4 O 53 1_555 D . MG 301 ? ? 1_555
loop_
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_entity_id
_atom_site.label_seq_id
_atom_site.pdbx_PDB_ins_code
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.occupancy
_atom_site.auth_seq_id
_atom_site.auth_asym_id
_atom_site.pdbx_PDB_model_num
N N . CYS A 1 2 ? 1 0 0 1 52 X 1
S SG A CYS A 1 2 ? 2 0 0 0.4 52 X 1
S SG B CYS A 1 2 ? 3 0 0 0.6 52 X 1
O OG . SER A 1 2 ? 9 9 9 0.5 52 X 1
C C . CYS A 1 3 A 4 0 0 1 52 X 1
H HA . CYS A 1 3 A 9 9 9 1 52 X 1
S SG . CYS A 1 3 A 5 0 0 1 52 X 1
N N . ASN A 1 4 ? 6 0 0 1 53 X 1
N ND2 . ASN A 1 4 ? 7 0 0 1 53 X 1
O O . ASN A 1 4 ? 8 0 0 1 53 X 1
C C1 . NAG B 2 . ? 1 1 0 1 101 Y 1
O O4 . NAG B 2 . ? 2 1 0 1 101 Y 1
C C1 . BMA B 2 . ? 3 1 0 1 103 Y 1
C C1 . NAG B 2 . ? 4 1 0 1 102 Y 1
O O4 . NAG B 2 . ? 5 1 0 1 102 Y 1
N N1 A ZZ-9 C 3 . ? 1 2 0 0.5 201 X 1
N N1 B ZZ-9 C 3 . ? 2 2 0 0.5 201 X 1
MG MG . MG D 3 . ? 3 2 0 1 301 X 1
O O . HOH E 4 . ? 4 2 0 1 401 X 1
N N . CYS A 1 2 ? -1 0 0 1 52 X 2
"""


@pytest.fixture(scope="module")
def entry():
    return read_entry(ENTRY)


def atoms(entry):
    structure = entry.structure
    rows = zip(structure.chain.tolist(), structure.residue.tolist(), structure.names.tolist(), strict=True)
    return [f"{structure.chains[chain].id}{place + 1}{name}" for chain, place, name in rows]


def test_what_is_known_of_the_experiment(entry):
    assert (entry.id, entry.resolution, entry.released) == ("9XYZ", 1.75, "2020-02-03")
    assert entry.method == "X-RAY DIFFRACTION; NEUTRON DIFFRACTION"


def test_chains_have_their_whole_sequence(entry):
    chains = {chain.id: (chain.kind, chain.residues) for chain in entry.structure.chains}
    assert chains["A"] == ("protein", ("GLY", "CYS", "CYS", "ASN"))  # the first of two residues in one place
    assert chains["B"] == ("ligand", ("NAG", "NAG", "BMA"))
    assert list(chains) == ["A", "B", "C", "D"]


def test_atoms_are_one_conformation_of_one_model_in_order(entry):
    expected = "A2N A2SG A3C A3SG A4N A4ND2 A4O B1C1 B1O4 B2C1 B2O4 B3C1 C1N1 D1MG".split()
    assert atoms(entry) == expected
    x = dict(zip(expected, entry.structure.positions[:, 0].tolist(), strict=True))
    assert x["A2SG"] == 3 and x["C1N1"] == 1  # the most occupied, the first of equals
    second = read_entry(ENTRY, model=2)
    assert atoms(second) == ["A2N"] and second.structure.positions[0, 0] == -1


def test_a_second_residue_in_one_place_does_not_decide_about_another():
    """An alternative of what is left out counts for no residue."""
    rows = "N N A GLY A 1 1 ? 1 0 0 0.6 51 X 1\nN N B GLY A 1 1 ? 2 0 0 0.4 51 X 1\n"
    text = ENTRY.replace("N N . CYS A 1 2 ? 1 0 0", rows + "N N . CYS A 1 2 ? 1 0 0")
    entry = read_entry(text.replace("O OG . SER A 1 2 ? 9 9 9 0.5", "O OG B SER A 1 2 ? 9 9 9 9.0"))
    assert atoms(entry)[0] == "A1N" and entry.structure.positions[0, 0] == 1
    assert entry.structure.positions[atoms(entry).index("A2SG"), 0] == 3


def test_bonds_between_residues(entry):
    names = atoms(entry)
    bonds = {tuple(names[atom] for atom in bond) for bond in entry.structure.bonds.tolist()}
    assert bonds == {("A2SG", "A3SG"), ("A4ND2", "B1C1"), ("B1O4", "B2C1"), ("B2O4", "B3C1")}
    assert len(entry.structure.bonds) == len(bonds)


def test_names_of_the_authors_are_kept(entry):
    assert entry.authors[0].chain == "X" and entry.authors[0].residues == ("51", "52", "52A", "53")
    assert entry.address(0, 2) == "residue 52A of chain X" and entry.authors[1].residues == ("101", "102", "103")


def test_without_tables_the_atoms_tell_the_sequence():
    (block,) = cif.read(ENTRY)
    sites = ENTRY[ENTRY.index("loop_\n_atom_site") :].replace(" HOH E 4 ", " HOH E ? ")
    bare = read_entry(f"data_X\n{sites}")
    assert [(chain.kind, chain.residues) for chain in bare.structure.chains] == [
        ("protein", ("CYS", "CYS", "ASN")),
        ("ligand", ("NAG", "BMA", "NAG")),
        ("ligand", ("ZZ-9",)),
        ("ligand", ("MG",)),
    ]
    assert (bare.id, bare.method, bare.resolution, bare.released) == ("X", "", None, "") and "entity" in block


def test_a_ligand_with_the_id_of_a_polymer_gets_its_own():
    text = ENTRY.replace("MG MG . MG D 3 . ?", "M MG . MG A 1 301 ?") + "#\n_pdbx_nonpoly_scheme.asym_id A\n"
    text += "_pdbx_nonpoly_scheme.pdb_mon_id MG\n_pdbx_nonpoly_scheme.pdb_seq_num 301\n"
    structure = read_entry(text).structure
    assert [chain.id for chain in structure.chains] == ["A", "B", "C", "A_MG301"]
    assert structure.elements[-1] == 12  # the symbol was cut to M


def test_the_files_own_components_are_read():
    text = ENTRY + "#\nloop_\n_chem_comp.id\n_chem_comp.type\nZZ-9 non-polymer\nCYS 'L-peptide linking'\n"
    text += "loop_\n_chem_comp_atom.comp_id\n_chem_comp_atom.atom_id\n_chem_comp_atom.type_symbol\nZZ-9 N1 N\nCYS N N\n"
    components = read_entry(text).structure.components
    assert (
        list(components.own) == ["ZZ-9"]
        and "ZZ-9" in components
        and "ZZ-9" not in read_entry(ENTRY).structure.components
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ASN A 1 4", "ASN A 1 7", "residue 7 has atoms but is not in the sequence of chain A"),
        ("_atom_site.", "_other.", "is no mmCIF entry.*PDB format have to be converted"),
        ("Cartn_y", "Cartn_t", "data_9XYZ has no _atom_site.Cartn_y"),
        ("C C . CYS", "Qq C . CYS", "element 'Qq' does not exist"),
        (" 4 0 0 1 52", " 4 far 0 1 52", "_atom_site.Cartn_y cannot be read: could not convert string to float: 'far'"),
    ],
)
def test_mistakes_are_named(old, new, message):
    text = ENTRY.replace(old, new)
    text = text.replace("CYS A 1 3 A", "QQQ A 1 3 A") if new.startswith("Qq") else text
    with pytest.raises(ValueError, match=message):
        read_entry(text)


def test_models_are_counted():
    with pytest.raises(ValueError, match="data_9XYZ has models 1 to 2, not 3"):
        read_entry(ENTRY, model=3)


@given(st.data())
def test_broken_files_are_refused(data):
    """Any line may be missing or doubled: it is read or refused, never anything else."""
    lines = ENTRY.splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place : place + 1] = data.draw(st.sampled_from([[], [lines[place]] * 2, [lines[place][:-3]]]))
    try:
        read_entry("\n".join(lines))
    except ValueError:
        pass


def test_a_structure_that_is_written_is_read_again():
    job = Job(
        "law",
        (
            Protein(("A", "C"), "GCCMN", (Modification("SEP", 2),)),
            Rna(("D",), "ACGU"),
            Dna(("E",), "ACGT"),
            Ligand(("F", "G"), codes=("NAG", "NAG")),
            Ligand(("B",), codes=("ATP",)),
        ),
        tuple((AtomAddress(chain, 1, "O4"), AtomAddress(chain, 2, "C1")) for chain in ("F", "G"))
        + ((AtomAddress("A", 5, "ND2"), AtomAddress("F", 1, "C1")),),
    )
    ours = build(job)
    ours.positions[:] = np.random.default_rng(1).normal(size=(len(ours), 3)).round(3)
    text = mmcif_text(ours, "law")
    for source in (text, binary(text)):
        theirs = read_entry(source).structure
        assert theirs.chains == ours.chains
        for name in ("chain", "residue", "names", "elements", "charges"):
            assert np.array_equal(getattr(theirs, name), getattr(ours, name)), name
        assert np.allclose(theirs.positions, ours.positions)
        assert {frozenset(bond) for bond in theirs.bonds.tolist()} == {frozenset(bond) for bond in ours.bonds.tolist()}


# Where the index of the reference data counts otherwise: polymers of sugars, which are ligands here (1u19, 3pqr, 3run),
# and a ligand with the id of a polymer (2muw).
OTHERWISE = {"1u19", "3pqr", "3run", "2muw"}


def test_deposited_entries(shared):
    """Against what gemmi found in the same files."""
    folder = shared / "data"
    rows = list(csv.DictReader((folder / "index.csv").read_text().splitlines()))
    for row in rows[::12]:
        entry = read_entry(folder / row["file"])
        kinds = [chain.kind for chain in entry.structure.chains]
        resolution = float(row["resolution"]) if row["resolution"] else None
        found = entry.released, entry.resolution, entry.method, entry.id.lower()
        assert found == (row["release_date"], resolution, row["method"].upper(), row["entry_id"]), row["entry_id"]
        if row["entry_id"] in OTHERWISE:
            continue
        polymers = [chain for chain in entry.structure.chains if chain.is_polymer]
        assert len(polymers) == int(row["n_polymer_chains"]) and kinds.count("protein") == int(row["n_protein"])
        assert sum(len(chain.residues) for chain in polymers) == int(row["n_polymer_residues"])
        ligand = np.array([kind == "ligand" for kind in kinds])[entry.structure.chain]
        assert ligand.sum() == int(row["n_nonpolymer_heavy_atoms"]), row["entry_id"]


@pytest.mark.parametrize(
    "name", ["1dmr-assembly1", "4gqj-assembly1", "721p-assembly1", "7a4d-assembly1", "1fa8-assembly1"]
)
def test_assemblies_and_files_of_other_writers(shared, name):
    structure = read_entry(shared / "data" / "structures_assembly" / f"{name}.cif.gz").structure
    assert len(structure) > 100 and any(chain.is_polymer for chain in structure.chains)
    assert len({chain.id for chain in structure.chains}) == len(structure.chains)
    if name == "4gqj-assembly1":
        assert {"A", "A-2"} <= {chain.id for chain in structure.chains}


def test_text_file_and_binary_are_the_same(shared, tmp_path):
    path = shared / "data" / "structures" / "2hyv.cif.gz"
    path = path if path.exists() else sorted(path.parent.glob("1[a-c]*.cif.gz"))[0]
    text = gzip.decompress(path.read_bytes()).decode()
    packed: Path = tmp_path / "x.bcif.gz"
    packed.write_bytes(gzip.compress(binary(text)))
    entries = [read_entry(source) for source in (text, path, packed)]
    for other in entries[1:]:
        assert other.structure.chains == entries[0].structure.chains and other.authors == entries[0].authors
        assert np.array_equal(other.structure.positions, entries[0].structure.positions)
        assert np.array_equal(other.structure.bonds, entries[0].structure.bonds)
