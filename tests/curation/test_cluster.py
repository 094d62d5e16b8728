"""Chains and interfaces of entries, their clusters, and the tables of them."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alphafold3_pytorch.cli import main
from alphafold3_pytorch.curation import mmseqs
from alphafold3_pytorch.curation.cluster_command import script
from alphafold3_pytorch.curation.clustering import LOG, Request, check, cluster_folder, summary
from alphafold3_pytorch.curation.clusters import cluster_entries, read_sequences, whole, write_sequences, write_tables
from alphafold3_pytorch.curation.interfaces import describe, describe_folder, interfaces_of, molecules_of
from alphafold3_pytorch.curation.mmseqs import cluster, find_tool, groups, hits, one_strand, release, search
from alphafold3_pytorch.curation.per_file import entry_files
from alphafold3_pytorch.curation.tables import CHAIN_COLUMNS, INTERFACE_COLUMNS, read_table, write_table
from alphafold3_pytorch.structure.mmcif import read_entry
from tests.curation.sets import GOLDENS, NAMES, RECORDED, described, needs_mmseqs, proteins, real, write


def test_what_is_described_of_real_entries():
    hybrid = describe(GOLDENS / "entries" / "124d.cif.gz")
    assert hybrid == described("124d", "dna:GTCACATG", "rna:CAUGUGAC", pairs=((0, 1),))
    molecules = molecules_of(real("5i55").structure)
    assert [each.id for each in molecules] == ["protein", "ligand-MPD", "ligand-ACT"]
    assert molecules[0].text == "MEFVAKLFKFFKDLLGKFLGNN"


def test_short_proteins_are_peptides_and_glycans_have_all_their_codes(shared):
    molecules = molecules_of(read_entry(shared / "data" / "structures" / "6x79.cif.gz").structure)
    assert {each.id for each in molecules} >= {"protein", "ligand-NAG_NAG"}
    peptides = molecules_of(read_entry(shared / "data" / "structures" / "193d.cif.gz").structure)
    assert {each.kind for each in peptides} >= {"dna", "peptide"}


@pytest.mark.parametrize("name", ["193d", "1a34"])
def test_interfaces_are_those_of_all_distances(name, shared):
    structure = read_entry(shared / "data" / "structures" / f"{name}.cif.gz").structure
    count, found = len(structure.chains), set()
    for one in range(count):
        for other in range(one + 1, count):
            mine, theirs = (structure.positions[structure.chain == chain] for chain in (one, other))
            if np.linalg.norm(mine[:, None] - theirs[None], axis=-1).min() < 5:
                found.add((one, other))
    assert set(interfaces_of(structure)) == found


def test_a_chain_without_positions_touches_nothing():
    structure = real("124d").structure
    positions = np.where((structure.chain == 1)[:, None], np.nan, structure.positions)
    assert interfaces_of(replace(structure, positions=positions)) == ()
    collapsed = replace(structure, positions=np.zeros_like(structure.positions))
    assert interfaces_of(collapsed) == ((0, 1),)


def real_folder(folder: Path) -> Path:
    for name in NAMES:
        (folder / name[1:3]).mkdir(parents=True, exist_ok=True)
        shutil.copy(GOLDENS / "entries" / f"{name}.cif.gz", folder / name[1:3])
    return folder


def test_a_file_is_read_once_and_a_cut_log_goes_on(tmp_path):
    folder, log = real_folder(tmp_path / "in"), tmp_path / "log.jsonl"
    (folder / "2xyz.cif").write_text("data_2XYZ\n_entry.id")
    entries, problems = describe_folder(folder, log, 1)
    assert [entry.id for entry in entries] == sorted(NAMES)
    assert [problem.id for problem in problems] == ["2xyz"] and problems[0].text
    written = log.read_bytes()
    assert describe_folder(folder, log, 1) == (entries, problems) and log.read_bytes() == written
    log.write_bytes(written[:-40])
    assert describe_folder(folder, log, 1) == (entries, problems)
    assert len(log.read_text().split()) and log.read_bytes().startswith(written[:-40] + b"\n")
    write(folder, "2xyz", real("1crn"))
    entries, problems = describe_folder(folder, log, 2)
    assert not problems and [entry.id for entry in entries] == ["124d", "1crn", "2xyz", "5i55"]


def test_two_files_of_one_name_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="has no mmCIF file"):
        entry_files(tmp_path)
    for name in ("a", "b"):
        write(tmp_path / name, "1crn", real("1crn"))
    with pytest.raises(ValueError, match="are both called 1crn; remove one"):
        entry_files(tmp_path)
    with pytest.raises(ValueError, match="is no folder"):
        entry_files(tmp_path / "c")


ENTRIES = [
    described("1aaa", f"protein:{proteins()[1]}", "dna:ACGT", "ligand:ATP", pairs=((0, 1), (0, 2))),
    described("1bbb", f"protein:{proteins()[3]}", "ligand:ATP", "ligand:MG", pairs=((0, 1), (1, 2))),
    described("1ccc", "ligand:ATP", f"protein:{proteins()[2]}", "rna:ACGU", "dna:ACGT", pairs=((0, 1), (2, 3))),
    described("1ddd", *(f"protein:{text}" for text in proteins()[:1]), "peptide:ACDEF", pairs=((0, 1),)),
    *(described(f"2aa{n}", f"protein:{text}") for n, text in enumerate(proteins()[4:])),
]


def test_clusters_are_those_of_the_recorded_program():
    clusters = cluster_entries(ENTRIES, RECORDED, 1)
    of = lambda place: clusters.chains["protein", proteins()[place]]  # noqa: E731
    assert of(1) == of(2) == of(3) and of(4) == of(5) and of(6) == of(7)
    assert len({of(place) for place in range(12)}) == 12 - 2 - 1 - 1
    assert clusters.chains["rna", "ACGU"] != clusters.chains["dna", "ACGT"]
    same = {
        clusters.of_pair(ENTRIES[0], (0, 2)),
        clusters.of_pair(ENTRIES[1], (0, 1)),
        clusters.of_pair(ENTRIES[2], (0, 1)),
    }
    assert len(same) == 1, "lysozyme and ATP, in any order"


def test_an_id_stands_for_one_cluster_whatever_the_table(tmp_path):
    clusters = cluster_entries(ENTRIES, RECORDED, 1)
    write_tables(tmp_path, [whole(entry) for entry in ENTRIES], clusters)
    ids = [{row[-1] for row in rows(path)} for path in sorted(tmp_path.glob("*.csv"))]
    assert sum(map(len, ids)) == len(set().union(*ids)) == len({*clusters.chains.values()}) + len(clusters.interfaces)


def rows(path: Path) -> list[tuple[str, ...]]:
    return read_table(path, INTERFACE_COLUMNS if path.name.startswith("interface") else CHAIN_COLUMNS)


def test_clusters_do_not_depend_on_the_order_of_entries():
    shuffled = random.Random(0).sample(ENTRIES, len(ENTRIES))
    assert cluster_entries(shuffled, RECORDED, 1) == cluster_entries(ENTRIES, RECORDED, 1)


@pytest.mark.parametrize("kept", ["protein:ACDEFGHIKLMN", "peptide:ACD", "rna:AC", "dna:ACGTACGT", "ligand:MG", None])
def test_absent_kinds_have_empty_tables(kept, tmp_path):
    entries = [described("1aaa", kept)] if kept else []
    write_tables(tmp_path, [whole(entry) for entry in entries], cluster_entries(entries, RECORDED, 1))
    found = [row for path in tmp_path.glob("*.csv") for row in rows(path)]
    assert len(list(tmp_path.glob("*.csv"))) == 5 and len(found) == len(entries)


def test_tables_have_the_columns_of_old(tmp_path):
    write_tables(tmp_path, [whole(ENTRIES[0])], cluster_entries(ENTRIES, RECORDED, 1))
    lines = (tmp_path / "interface_cluster_mapping.csv").read_text().splitlines()
    assert lines[0] == (
        "pdb_id,interface_chain_id_1,interface_chain_id_2,interface_molecule_id_1,interface_molecule_id_2,"
        "interface_chain_cluster_id_1,interface_chain_cluster_id_2,interface_cluster_id"
    )
    assert [line.split(",")[:5] for line in lines[1:]] == [
        ["1aaa", "A", "B", "protein", "dna"],
        ["1aaa", "A", "C", "protein", "ligand-ATP"],
    ]
    header, row = (tmp_path / "ligand_chain_cluster_mapping.csv").read_text().splitlines()
    assert header == "pdb_id,chain_id,molecule_id,cluster_id" and row.startswith("1aaa,C,ligand-ATP,")


def test_what_is_wrong_with_a_table_is_said(tmp_path):
    table = tmp_path / "protein_chain_cluster_mapping.csv"
    table.write_text("pdb_id,chain_id\n1abc,A\n")
    with pytest.raises(ValueError, match="has no column molecule_id"):
        read_table(table, CHAIN_COLUMNS)
    table.write_text("pdb_id,chain_id,molecule_id,cluster_id\n1abc,A\n")
    with pytest.raises(ValueError, match="line 2 has 2 values"):
        read_table(table, CHAIN_COLUMNS)


def test_parquet_holds_the_same(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    for content in ([("1abc", "A", "protein", 3), ("1abc", "B", "ligand-MG", 4)], []):
        write_table(tmp_path / "a.parquet", CHAIN_COLUMNS, content)
        assert read_table(tmp_path / "a.parquet", CHAIN_COLUMNS) == [tuple(map(str, row)) for row in content]


def test_a_reference_is_read_back(tmp_path):
    write_sequences(tmp_path, [whole(entry) for entry in ENTRIES])
    assert read_sequences(tmp_path) == [replace(entry, interfaces=()) for entry in ENTRIES]
    assert json.loads((tmp_path / "interface_chain_ids.json").read_text())["1aaa"][1] == "A:protein+C:ligand-ATP"
    with pytest.raises(ValueError, match="is no reference clustering"):
        read_sequences(tmp_path / "nowhere")


def test_output_of_the_program_is_read():
    text = (GOLDENS / "mmseqs" / "proteins_cluster.tsv").read_text()
    assert groups(text, 13) == [[0], [1, 2, 3], [4, 5], [6, 7], [8], [9], [10], [11], [12]]
    found = hits((GOLDENS / "mmseqs" / "proteins_search.tsv").read_text())
    assert (6, 7, 0.434) in found and (1, 2, 0.975) in found


def test_identical_nucleic_acids_run_the_same_way():
    sequences = ["GGGCCCUUUAAACCCGGG", "GGGCCCUUUAAACCCGGGA", "CCCGGGUUUAAAGGGCCC", "CCGGGUUUAAAGGGCCC"]
    assert one_strand([0, 1, 2, 3], sequences) == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("version", "number"),
    [("14-7e284+ds-1+b2", 14), ("13.45111", 13), ("8cc5ce367b5638c4306c2d7cfc652dd099a4643f", 18), ("0" * 40, None)],
)
def test_versions(version, number):
    assert release(version) == number


def fake_tool(folder: Path, script: str) -> str:
    program = folder / "mmseqs"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_a_missing_old_or_broken_program_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(mmseqs, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="not on the search path; install it with `apt-get install mmseqs2`"):
        find_tool()
    fake_tool(tmp_path, "echo 11-e1a1c")
    with pytest.raises(ValueError, match="is MMseqs2 11-e1a1c; 13 or newer is needed"):
        find_tool()
    fake_tool(tmp_path, "exit 1")
    with pytest.raises(ValueError, match="does not tell its version"):
        find_tool()
    fake_tool(tmp_path, 'if [ "$1" = version ]; then echo 15-6f452; else echo "Input is bad" >&2; exit 3; fi')
    with pytest.raises(ValueError, match=r"mmseqs easy-cluster failed \(exit code 3\): Input is bad"):
        cluster(find_tool(), "protein", ["ACD", "EFG"], 0.4, 1)
    fake_tool(tmp_path, 'if [ "$1" = version ]; then echo 15-6f452; else kill -9 $$; fi')
    with pytest.raises(ValueError, match=r"\(killed by signal 9\): it said nothing"):
        search(find_tool(), "protein", ["ACD"], ["EFG"], 0.4, 1)


@pytest.mark.slow
@needs_mmseqs
def test_the_program_says_what_was_recorded():
    tool, texts = find_tool(), proteins()
    assert cluster(tool, "protein", texts, 0.4, 1) == cluster(RECORDED, "protein", texts, 0.4, 1)
    assert {hit[:2] for hit in search(tool, "protein", texts, texts, 0.4, 1)} == {
        hit[:2] for hit in search(RECORDED, "protein", texts, texts, 0.4, 1)
    }


@needs_mmseqs
@pytest.mark.parametrize("kind", ["peptide", "dna"])
def test_sequences_that_the_program_cannot_see_are_alone(kind):
    assert cluster(find_tool(), kind, ["A", "AC", "ACG"], 1.0, 1) == [[0], [1], [2]]
    assert search(find_tool(), kind, ["A", "AC"], ["ACG"], 0.4, 1) == []


def test_a_folder_from_end_to_end_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(mmseqs, "find_tool", lambda: RECORDED)
    request = Request("train", real_folder(tmp_path / "in"), tmp_path / "out")
    result = cluster_folder(request)
    assert [entry.id for entry in result.entries] == sorted(NAMES) and not result.problems
    made = {path.name: path.read_bytes() for path in request.out.iterdir()}
    assert {"all_chain_sequences.json", "sequences_protein.fasta", "interface_cluster_mapping.csv", LOG} <= set(made)
    assert b">5i55_A\nMEFVAKLFKFFKDLLGKFLGNN\n" in made["sequences_protein.fasta"]
    (request.out / "protein_chain_cluster_mapping.csv").unlink()
    cluster_folder(request)
    assert {path.name: path.read_bytes() for path in request.out.iterdir()} == made


def test_an_evaluation_set_lists_what_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr(mmseqs, "find_tool", lambda: RECORDED)
    train = Request("train", tmp_path / "in", tmp_path / "train")
    write(train.folder, "1crn", real("1crn"))
    cluster_folder(train)
    everything = real_folder(tmp_path / "all")
    val = cluster_folder(Request("val", everything, tmp_path / "val", [train.out]))
    assert [each.entry.id for each in val.selected] == ["124d", "5i55"] and len(val.entries) == 3
    test = cluster_folder(Request("test", everything, tmp_path / "test", [train.out, tmp_path / "val"]))
    assert test.selected == [] and (tmp_path / "test" / "interface_cluster_mapping.csv").read_text().count("\n") == 1
    assert summary(val).row_count == summary(test).row_count == 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"set": "dev"}, "unknown set 'dev'"),
        ({"set": "val"}, "0 reference clusterings are given for set val"),
        ({"references": [Path("a")]}, "it takes none"),
        ({"workers": 0}, "number of workers is 0"),
        ({"format": "xlsx"}, "unknown format of tables 'xlsx'"),
    ],
)
def test_what_cannot_work_is_refused_at_once(wrong, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        check(replace(Request("train", tmp_path, tmp_path), **wrong))


def test_the_script_and_the_command_say_what_is_wrong_in_one_line(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as left:
        script(
            "val", ["--mmcif_dir", str(tmp_path), "--format", "xlsx", "-n", "1", "--clustering_filtered_pdb_dataset"]
        )
    assert left.value.code == 2 and capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr("sys.argv", ["af3", "data", "cluster", str(tmp_path), "-o", str(tmp_path), "--split", "test"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(
        "af3: 0 reference clusterings are given for set test; it takes the clusters"
    )


def test_the_script_writes_tables_and_tells_of_broken_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mmseqs, "find_tool", lambda: RECORDED)
    (real_folder(tmp_path / "in") / "2bad.cif").write_text("nothing")
    with pytest.raises(SystemExit) as left:
        script("train", ["--mmcif_dir", str(tmp_path / "in"), "--output_dir", str(tmp_path / "out"), "-n", "1"])
    printed = capsys.readouterr()
    assert left.value.code == 1 and printed.err.startswith("2bad: ")
    assert "3 of 3 entries are in the tables" in printed.out and "1 files could not be read" in printed.out
