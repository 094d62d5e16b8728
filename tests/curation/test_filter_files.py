"""Files in, files out: nothing of the chemistry changes, and what only the asymmetric unit says is found there."""

import gzip
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alphafold3_pytorch.curation import filters
from alphafold3_pytorch.curation.dictionary import with_dictionary
from alphafold3_pytorch.curation.filters import DROPPED, FAILED, KEPT, Settings, filter_file
from alphafold3_pytorch.curation.policy import TRAINING
from alphafold3_pytorch.curation.source import entry_id, read_source
from alphafold3_pytorch.structure.entry_text import entry_text
from alphafold3_pytorch.structure.mmcif import Entry, read_entry

# A hybrid, insertion codes, modified RNA, NMR, other locations, EM, a component that no dictionary has.
SAMPLE = "100d 1a4w 1ehz 1l2y 5pny 7rye 9cox".split()
ASSEMBLIES = "721p-assembly1 4gqj-assembly1 7l8o-assembly1 1fez-assembly1".split()


def source(shared: Path, name: str) -> Path:
    folder = "structures_assembly" if "assembly" in name else "structures"
    path = shared / "data" / folder / f"{name}.cif.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the reference data")
    return path


def atoms(entry: Entry) -> dict[tuple[str, int, str, str], tuple[float, ...]]:
    """Position, element and charge of every atom, by chain, place in the sequence, component and name."""
    structure = entry.structure
    chains = [structure.chains[number] for number in structure.chain.tolist()]
    places = structure.residue.tolist()
    facts = np.column_stack([structure.positions, structure.elements, structure.charges]).tolist()
    return {
        (chain.id, place, chain.residues[place], name): tuple(fact)
        for chain, place, name, fact in zip(chains, places, structure.names.tolist(), facts, strict=True)
    }


def bonds(entry: Entry) -> set[frozenset]:
    addresses = list(atoms(entry))
    return {frozenset((addresses[one], addresses[other])) for one, other in entry.structure.bonds.tolist()}


def facts(entry: Entry) -> tuple:
    """Residues of polymers that the authors have no number for get ours."""
    chains = entry.structure.chains
    numbers = [
        [number or str(place + 1) for place, number in enumerate(names.residues)]
        for names, chain in zip(entry.authors, chains, strict=True)
        if chain.is_polymer
    ]
    authors = [names.chain for names in entry.authors]
    return entry.id, entry.method, entry.resolution, entry.released, chains, numbers, authors


def written(path: Path) -> tuple[Entry, Entry]:
    entry, _ = read_source(path)
    return entry, read_entry(entry_text(entry))


@pytest.mark.parametrize("name", SAMPLE + ASSEMBLIES)
def test_what_is_written_is_what_was_read(shared, name):
    before, after = written(source(shared, name))
    assert atoms(after) == atoms(before)
    assert bonds(after) == bonds(before)
    assert facts(after) == facts(before)


@pytest.mark.parametrize("name", ["721p-assembly1", "100d", "1gzm"])
def test_filtering_takes_away_and_changes_nothing_else(shared, tmp_path, name):
    path = source(shared, name)
    decision = filter_file(path, Settings(TRAINING, tmp_path))
    (target,) = tmp_path.rglob("*.cif")
    before, after = read_source(path)[0], read_entry(target)
    assert decision.status == KEPT and target.parent.name == name[1:3]
    swapped = {key for key in atoms(before) if key[2] == "ARG" and key[3] in ("NH1", "NH2")}
    kept = {key: fact for key, fact in atoms(after).items() if key not in swapped}
    assert kept.items() <= atoms(before).items()
    assert bonds(after) == {bond for bond in bonds(before) if bond <= set(atoms(after))}
    assert {chain for chain in after.structure.chains} <= set(before.structure.chains)
    assert (after.id, after.method, after.resolution, after.released) == (
        before.id,
        before.method,
        before.resolution,
        before.released,
    )
    assert (decision.atoms, decision.chains) == (len(after.structure), len(after.structure.chains))


@pytest.mark.parametrize("layout", ["{0}.cif.gz", "{1}/{0}.cif.gz"])
def test_what_the_assembly_lacks_comes_from_the_asymmetric_unit(shared, tmp_path, layout):
    """This assembly file says nothing of date, resolution and bonds; the folder of units may have any name."""
    assembly = source(shared, "1fa8-assembly1")
    alone = filter_file(assembly, Settings(TRAINING, tmp_path / "out"))
    assert (alone.status, alone.rule) == (DROPPED, "release date")
    unit = tmp_path / "somewhere" / layout.format("1fa8", "fa")
    unit.parent.mkdir(parents=True)
    shutil.copy(source(shared, "1fa8"), unit)
    decision = filter_file(assembly, Settings(TRAINING, tmp_path / "out", tmp_path / "somewhere"))
    assert (decision.status, decision.released, decision.resolution) == (KEPT, "2000-09-20", 1.7)


def test_bonds_of_the_unit_are_in_every_copy(shared, tmp_path):
    """Two copies of a unit whose sugars are bonded to asparagines; the assembly is written without its bonds."""
    unit = source(shared, "1ncb")
    entry, _ = read_source(unit)
    structure = entry.structure
    count, size = len(structure.chains), len(structure)
    doubled = replace(
        structure,
        chains=(*structure.chains, *(replace(chain, id=f"{chain.id}-2") for chain in structure.chains)),
        chain=np.concatenate([structure.chain, structure.chain + count]),
        residue=np.tile(structure.residue, 2),
        names=np.tile(structure.names, 2),
        elements=np.tile(structure.elements, 2),
        charges=np.tile(structure.charges, 2),
        positions=np.concatenate([structure.positions, structure.positions + 200.0]),
        bonds=np.zeros((0, 2), np.int64),
    )
    text = entry_text(replace(entry, structure=doubled, authors=entry.authors * 2))
    path = tmp_path / "1ncb-assembly1.cif"
    path.write_text("\n".join(line for line in text.splitlines() if "_pdbx_entity_branch_link" not in line))
    (tmp_path / "units").mkdir()
    shutil.copy(unit, tmp_path / "units")
    found, _ = read_source(path, tmp_path / "units")
    expected = {tuple(sorted(pair)) for pair in structure.bonds.tolist()}
    copies = {(one + size, other + size) for one, other in expected}
    assert expected and {tuple(pair) for pair in found.structure.bonds.tolist()} == expected | copies


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("15c8-assembly1.cif.gz", "15c8"),
        ("15C8.bcif", "15c8"),
        ("pdb_000015c8-assembly2.cif", "pdb_000015c8"),
        ("1abc_updated.cif", "1abc"),
    ],
)
def test_names_of_files(name, entry):
    assert entry_id(Path(name)) == entry


def test_every_format_gives_the_same_file(shared, tmp_path):
    packed = source(shared, "100d")
    text = gzip.decompress(packed.read_bytes())
    (tmp_path / "100d.cif").write_bytes(text)
    binary_form(tmp_path / "100d.cif", tmp_path / "100d.bcif")
    (tmp_path / "100d.bcif.gz").write_bytes(gzip.compress((tmp_path / "100d.bcif").read_bytes()))
    results = set()
    for path in (packed, *(tmp_path / f"100d.{ending}" for ending in ("cif", "bcif", "bcif.gz"))):
        out = tmp_path / path.name.replace(".", "_")
        assert filter_file(path, Settings(TRAINING, out)).status == KEPT
        results.add((out / "00" / "100d.cif").read_text())
    assert len(results) == 1


def binary_form(path: Path, target: Path) -> None:
    from biotite.structure.io.pdbx import BinaryCIFBlock, BinaryCIFCategory, BinaryCIFColumn, BinaryCIFFile, CIFFile

    block = next(iter(CIFFile.read(str(path)).values()))
    categories = {
        name: BinaryCIFCategory(
            {column: BinaryCIFColumn(data.data.array, data.mask and data.mask.array) for column, data in table.items()}
        )
        for name, table in block.items()
        if name in ("entry", "exptl", "refine", "pdbx_audit_revision_history", "entity", "entity_poly", "struct_conn")
        or name in ("atom_site", "pdbx_poly_seq_scheme", "pdbx_nonpoly_scheme", "entity_poly_seq")
    }
    BinaryCIFFile({"100D": BinaryCIFBlock(categories)}).write(str(target))


BROKEN = {
    "1aaa.cif": (b"", "unreadable", "no mmCIF entry"),
    "1aab.cif.gz": (b"\x1f\x8b\x08\x00\x00", "unreadable", "cannot be read"),
    "1aac.cif": (b"HEADER    OXYGEN STORAGE\nATOM      1  N   MET A   1\n", "unreadable", "no mmCIF entry"),
    "1aad.bcif": (b"\x82\xa7", "unreadable", "cannot be read"),
    "1aae.cif": (b"\x00\xff\xfe rubbish", "unreadable", "cannot be read"),
    "notes.cif": (b"data_x\n", "unreadable", "no PDB id in front"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_one_line(tmp_path, name):
    content, rule, words = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    decision = filter_file(tmp_path / name, Settings(TRAINING, tmp_path / "out"))
    assert (decision.status, decision.rule) == (FAILED, rule) and words in decision.reason
    assert "\n" not in decision.reason and not (tmp_path / "out").exists()


def test_truncated_wrongly_named_and_missing_files(shared, tmp_path):
    path = source(shared, "100d")
    cut = tmp_path / "100d.cif.gz"
    cut.write_bytes(path.read_bytes()[:9000])
    half = tmp_path / "100d.cif"
    text = gzip.decompress(path.read_bytes())
    half.write_bytes(text[: text.index(b"ATOM ") + 5000])
    other = tmp_path / "1abc.cif.gz"
    shutil.copy(path, other)
    for wrong, words in ((cut, "cannot be read"), (half, "table"), (other, "holds entry 100D")):
        decision = filter_file(wrong, Settings(TRAINING, tmp_path / "out"))
        assert decision.status == FAILED and words in decision.reason
    gone = filter_file(tmp_path / "1xyz.cif", Settings(TRAINING, tmp_path / "out"))
    assert (gone.status, gone.rule) == (FAILED, "file") and "No such file" in gone.reason


def test_time_limit(shared, tmp_path):
    decision = filter_file(source(shared, "4hhb"), Settings(TRAINING, tmp_path, seconds=0.01))
    assert (decision.status, decision.rule) == (FAILED, "time")
    assert filter_file(source(shared, "100d"), Settings(TRAINING, tmp_path)).status == KEPT


@pytest.mark.skipif(not filters.STATUS.exists(), reason="this system does not tell how much memory a process has")
def test_memory_limit(shared, tmp_path):
    path = tmp_path / "1aaa.cif.gz"
    path.write_bytes(gzip.compress(b"data_x\n_a.b " + b"x" * 200_000_000, 1))
    decision = filter_file(path, Settings(TRAINING, tmp_path, gigabytes=0.1))
    assert (decision.status, decision.rule) == (FAILED, "memory")
    assert filter_file(source(shared, "100d"), Settings(TRAINING, tmp_path)).status == KEPT


def test_a_full_disk_leaves_nothing_half_written(shared, tmp_path, monkeypatch):
    def full(entry: Entry) -> str:
        raise OSError(28, os.strerror(28), "100d.cif")

    monkeypatch.setattr(filters, "entry_text", full)
    decision = filter_file(source(shared, "100d"), Settings(TRAINING, tmp_path))
    assert (decision.status, decision.rule) == (FAILED, "disk full")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_was_kept_before_goes_when_it_is_left_out(shared, tmp_path):
    path = source(shared, "100d")
    filter_file(path, Settings(TRAINING, tmp_path))
    assert (tmp_path / "00" / "100d.cif").exists()
    filter_file(path, Settings(replace(TRAINING, latest="1990-01-01"), tmp_path))
    assert not (tmp_path / "00" / "100d.cif").exists()


def test_a_dictionary_of_the_user(shared, tmp_path):
    """In a release that knows no N7 of guanine, guanines have none."""
    entry = read_source(source(shared, "100d"))[0]
    guanine = entry.structure.components["DG"]
    atoms_of = "\n".join(f"DG {name} C" for name in guanine.names if name != "N7")
    columns = "\n".join(f"_chem_comp_atom.{name}" for name in ("comp_id", "atom_id", "type_symbol"))
    (tmp_path / "components.cif").write_text(
        f"data_DC\n_chem_comp.id DC\nloop_\n{columns}\nDC P P\nDC X C\n#\n"
        f"data_DG\n_chem_comp.id DG\n_chem_comp.type 'DNA LINKING'\nloop_\n{columns}\n{atoms_of}\n"
    )
    components = with_dictionary(entry, tmp_path).structure.components
    assert "N7" not in components["DG"].index and "N7" in guanine.index
    assert components["DC"].names == ("P", "X") and "SPM" in components
    with pytest.raises(ValueError, match="no components.cif"):
        with_dictionary(entry, tmp_path / "empty")
