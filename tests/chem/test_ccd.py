import time

import numpy as np
import pytest

from alphafold3_pytorch.chem import ccd, ccd_cache
from alphafold3_pytorch.chem.component import read_components
from alphafold3_pytorch.inputs.reading import read_text

OWN = """data_LIG-1
_chem_comp.id LIG-1
_chem_comp.type non-polymer
loop_
_chem_comp_atom.atom_id
_chem_comp_atom.type_symbol
_chem_comp_atom.charge
_chem_comp_atom.pdbx_model_Cartn_x_ideal
_chem_comp_atom.pdbx_model_Cartn_y_ideal
_chem_comp_atom.pdbx_model_Cartn_z_ideal
C1 C 0 0.0 0.0 0.0
O1 O -1 1.2 0.0 ?
loop_
_chem_comp_bond.atom_id_1
_chem_comp_bond.atom_id_2
_chem_comp_bond.value_order
C1 O1 SING
"""


def test_a_component_has_atoms_bonds_and_words():
    serine = ccd.component("SEP")
    assert (serine.type, serine.parent, serine.letter, serine.kind) == ("L-PEPTIDE LINKING", "SER", "S", "protein")
    assert serine.names[:3] == ("N", "CA", "CB") and serine.elements[0] == 7
    assert set(serine.neighbours("P")) == {"OG", "O1P", "O2P", "O3P"}
    assert serine.leaving[serine.index["OXT"]] and not serine.leaving[serine.index["OG"]]
    assert ccd.component("MG").is_ion and ccd.component("MG").charges[0] == 2
    assert (
        ccd.component("NAG").is_saccharide
        and ccd.component("A").kind == "rna"
        and ccd.component("ATP").kind == "ligand"
    )


def test_the_first_component_of_a_process_is_cheap():
    ccd.component("ALA")  # writes the cache on a fresh machine
    started = time.perf_counter()
    assert ccd_cache.Dictionary(ccd_cache.cache_file()).component("TRP") is not None
    assert time.perf_counter() - started < 0.3


def test_dictionary_and_mmcif_give_the_same(root):
    given = read_components(read_text(root / "tests/goldens/features/components.cif.gz"))
    changed = {"HEM", "CLR"}  # revised since
    for code, theirs in given.items():
        ours = ccd.component(code)
        assert ours.names == theirs.names and (ours.letter, ours.parent) == (theirs.letter, theirs.parent)
        for name in ("elements", "leaving", "bonds", "orders", "aromatic"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), (code, name)
        if code not in changed:
            assert np.array_equal(ours.ideal, theirs.ideal, equal_nan=True) and (ours.charges == theirs.charges).all()


def test_components_need_no_marks_between_them(root):
    """As users' own files come: no # between tables, lines of Windows, keywords in capitals."""
    text = read_text(root / "tests/goldens/features/components.cif.gz")
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    bare = bare.replace("data_", "DATA_").replace("loop_", "Loop_").replace("\n", "\r\n")
    known, found = read_components(text), read_components(f"\r\n{bare}")
    assert known.keys() == found.keys() and len(known) > 10
    for code, component in known.items():
        assert component.names == found[code].names and np.array_equal(component.bonds, found[code].bonds)


def test_unknown_codes_name_the_near_ones():
    with pytest.raises(ValueError, match="did you mean ATP"):
        ccd.component("atp")
    with pytest.raises(ValueError, match=r"unknown component code 'ATPQ7'.*(SMILES|mmCIF)"):
        ccd.component("ATPQ7")


def test_own_components_come_first():
    own = read_components(OWN)
    library = ccd.Components(own | {"ATP": own["LIG-1"]})
    assert "LIG-1" in library and library["ATP"].names == ("C1", "O1") and "GTP" in library and "none" not in library
    assert own["LIG-1"].positions("2021-09-30").tolist() == [[0, 0, 0], [1.2, 0, 0]]


def test_many_components_in_one_block():
    block = """data_ENTRY
loop_
_chem_comp.id
_chem_comp.type
ALA 'L-peptide linking'
X1 non-polymer
X2 non-polymer
loop_
_chem_comp_atom.comp_id
_chem_comp_atom.atom_id
_chem_comp_atom.type_symbol
X2 C1 C
X2 O1 O
X1 N1 N
loop_
_chem_comp_bond.comp_id
_chem_comp_bond.atom_id_1
_chem_comp_bond.atom_id_2
_chem_comp_bond.value_order
X2 C1 O1 doub
"""
    found = read_components(block)
    assert {code: component.names for code, component in found.items()} == {"X1": ("N1",), "X2": ("C1", "O1")}
    assert found["X2"].bonds.tolist() == [[0, 1]] and found["X2"].orders.tolist() == [2] and not len(found["X1"].bonds)
    assert np.isnan(found["X1"].ideal).all() and found["X1"].charges.tolist() == [0]


def test_a_component_without_rows_behind_the_last_of_a_table_is_read():
    """Its slice starts where the table ends."""
    dictionary = ccd_cache.dictionary()
    ends = dictionary.starts["model"]
    place = int(np.searchsorted(ends, ends[-1]))
    assert dictionary.component(dictionary.codes[place].decode()) is not None
    assert dictionary.component(dictionary.codes[-1].decode()) is not None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("O1 O -1", "C1 O -1", "two atoms named C1"),
        ("O1 O -1", "O1 Oo -1", "'Oo' does not exist"),
        ("O1 O -1", "O1 O x", "_chem_comp_atom.charge cannot be read.*'x'"),
        ("O1 O -1", "O1 O -0.5", "charge has -0.5; use whole numbers"),
        ("C1 O1 SING", "C1 O2 SING", "atom O2, which is not in"),
        ("C1 O1 SING", "C1 O1 FIVE", "order 'FIVE'"),
        ("1.2", "far", "could not convert"),
        ("_chem_comp.", "_other.", "no chemical component"),
    ],
)
def test_mistakes_in_own_components(old, new, message):
    with pytest.raises(ValueError, match=message):
        read_components(OWN.replace(old, new))


def test_the_cache_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    def half(tensors, path):
        path_written.append(path)
        raise KeyboardInterrupt

    path_written: list[str] = []
    monkeypatch.setattr(ccd_cache, "save_file", half)
    with pytest.raises(KeyboardInterrupt):
        ccd_cache._write(tmp_path / "cache" / "ccd.safetensors", {})
    assert path_written and not list((tmp_path / "cache").iterdir())


def test_the_cache_folder_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("AF3_CACHE", str(tmp_path))
    assert ccd_cache.cache_file().parent == tmp_path
