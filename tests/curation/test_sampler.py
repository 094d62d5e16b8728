"""Draws of chains and interfaces: their frequencies, and the same draws again."""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare
from torch.utils.data import Sampler

from alphafold3_pytorch.curation.sampler import WeightedPDBSampler as Moved
from alphafold3_pytorch.curation.tables import CHAIN_COLUMNS, INTERFACE_COLUMNS, write_table
from alphafold3_pytorch.data.weighted_pdb_sampler import WeightedPDBSampler

PROTEINS = [("1aaa", "A", "protein", 0), ("1bbb", "A", "protein", 0), ("1ccc", "A", "protein", 1)]
OTHERS = [("1aaa", "B", "ligand-ATP", 0), ("1ccc", "B", "nucleic_acid", 1), ("1ddd", "A", "peptide", 2)]
INTERFACES = [
    ("1aaa", "A", "B", "protein", "ligand-ATP", 0, 0, 0),
    ("1ccc", "A", "B", "protein", "rna", 1, 1, 1),
    ("1eee", "A", "B", "dna", "dna", 3, 3, 1),
    ("1eee", "C", "D", "ligand-MG", "ligand-ATP", 4, 0, 2),
]
# (beta / cluster size) * (alphas of the molecules), row by row. An id in two tables is two clusters.
WEIGHTS = [0.75, 0.75, 1.5, 0.5, 1.5, 1.5, 4, 3, 3, 2]


@pytest.fixture
def tables(tmp_path) -> tuple[list[str], str]:
    paths = [tmp_path / "protein.csv", tmp_path / "other.csv", tmp_path / "interface.csv"]
    for path, columns, rows in zip(
        paths, (CHAIN_COLUMNS, CHAIN_COLUMNS, INTERFACE_COLUMNS), (PROTEINS, OTHERS, INTERFACES), strict=True
    ):
        write_table(path, columns, rows)
    return [str(path) for path in paths[:2]], str(paths[2])


def made(tables: tuple[list[str], str], **options: Any) -> WeightedPDBSampler:
    return WeightedPDBSampler(*tables, options.pop("batch_size", 1), **options)


def test_it_is_a_sampler_under_both_names(tables):
    sampler = made(tables, batch_size=3)
    assert WeightedPDBSampler is Moved and isinstance(sampler, Sampler) and len(sampler) == 3
    assert sampler.rows[:2] == [("1aaa", "A", ""), ("1bbb", "A", "")] and sampler.rows[6] == ("1aaa", "A", "B")


def test_weights_are_those_of_the_paper(tables):
    np.testing.assert_allclose(made(tables).weights, np.array(WEIGHTS) / sum(WEIGHTS))
    one = WeightedPDBSampler(tables[0][0], tables[1], 1, beta_chain=2.0, beta_interface=0.0, alpha_prot=5.0)
    np.testing.assert_allclose(one.weights, [0.25, 0.25, 0.5, 0, 0, 0, 0])


def test_frequencies_equal_the_weights(tables):
    sampler = made(tables, seed=1)
    counts = Counter(sampler.sample(50_000))
    assert chisquare([counts[row] for row in sampler.rows], np.array(WEIGHTS) / sum(WEIGHTS) * 50_000).pvalue > 1e-3


def test_clusters_are_as_likely_and_weights_count_inside(tables):
    sampler = made(tables, seed=2)
    counts = Counter(sampler.cluster_based_sample(50_000))
    sizes = np.bincount(sampler.clusters, sampler.weights)
    wanted = sampler.weights / sizes[sampler.clusters] / len(sizes)
    assert len(sizes) == 2 + 3 + 3
    assert chisquare([counts[row] for row in sampler.rows], wanted * 50_000).pvalue > 1e-3


def test_rows_without_weight_are_never_drawn(tables):
    sampler = made(tables, alpha_ligand=0.0, beta_chain=0.0)
    for draw in (sampler.sample, sampler.cluster_based_sample):
        assert {row[2] for row in draw(2000)} == {"B"}, "C and D are ligands"


@pytest.mark.parametrize("method", ["sample", "cluster_based_sample"])
def test_ranks_share_the_draws_of_one_stream(tables, method):
    alone = getattr(made(tables, seed=7), method)(300)
    shared = [getattr(made(tables, seed=7, rank=rank, world_size=3), method)(100) for rank in range(3)]
    assert [row for step in zip(*shared, strict=True) for row in step] == alone
    assert len({tuple(rows) for rows in shared}) == 3


def test_ranks_never_use_the_same_random_numbers(tables):
    numbers = [made(tables, rank=rank, world_size=4)._uniform(1000)[:, 0].tolist() for rank in range(4)]
    assert len({number for own in numbers for number in own}) == 4000


def test_a_resumed_epoch_equals_an_uninterrupted_one(tables):
    make = lambda: made(tables, seed=3, rank=1, world_size=2)  # noqa: E731
    whole, first, second = make(), make(), make()
    for each in (whole, first):
        each.set_epoch(5)
    draws = [whole.sample(4), whole.cluster_based_sample(3), list(islice(whole, 11)), whole.sample(6)]
    first.sample(4)
    second.load_state_dict(first.state_dict())
    assert second.cluster_based_sample(3) == draws[1]
    assert list(islice(second, 5)) == draws[2][:5]
    first.load_state_dict(second.state_dict())
    assert list(islice(first, 6)) == draws[2][5:] and first.sample(6) == draws[3]


def test_a_state_goes_on_with_other_ranks(tables):
    alone = made(tables).sample(30)
    two = [made(tables, rank=rank, world_size=2) for rank in range(2)]
    for each in two:
        each.sample(9)
    assert two[0].state_dict() == two[1].state_dict()
    three = [made(tables, rank=rank, world_size=3) for rank in range(3)]
    for each in three:
        each.load_state_dict(two[0].state_dict())
    assert [row for step in zip(*(each.sample(4) for each in three), strict=True) for row in step] == alone[18:]


def test_epochs_and_seeds_differ_and_repeat(tables):
    sampler = made(tables)
    streams = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        streams.append(sampler.sample(50))
    assert streams[0] == streams[2] != streams[1]
    assert made(tables, seed=9).sample(50) not in streams


def test_entries_to_skip_and_to_keep(tables):
    assert {row[0] for row in made(tables, pdb_ids_to_skip=["1aaa", "1eee"]).rows} == {
        "1bbb",
        "1ccc",
        "1ddd",
    }
    kept = made(tables, pdb_ids_to_keep=["1aaa", "1bbb"], pdb_ids_to_skip=["1bbb"])
    assert {row[0] for row in kept.rows} == {"1aaa"}
    np.testing.assert_allclose(kept.weights, np.array([1.5, 0.5, 4]) / 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pdb_ids_to_keep": ["9zzz"]}, "nothing is left to draw"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"rank": 2, "world_size": 2}, "rank is 2; of world_size 2 it goes from 0 to 1"),
        ({"alpha_prot": -1.0}, "weights are negative"),
        ({"beta_chain": 0.0, "beta_interface": 0.0}, "all 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tables, arguments, message):
    with pytest.raises(ValueError, match=message):
        made(tables, **arguments)


def test_a_state_of_other_tables_and_unknown_molecules_are_refused(tables, tmp_path):
    state = made(tables).state_dict()
    with pytest.raises(ValueError, match="of a sampler of 10 chains and interfaces, this one has 7"):
        WeightedPDBSampler(tables[0][0], tables[1], 1).load_state_dict(state)
    bad = tmp_path / "bad.csv"
    write_table(bad, CHAIN_COLUMNS, [("1abc", "A", "water", 0)])
    with pytest.raises(ValueError, match="unknown molecule 'water'"):
        WeightedPDBSampler(bad, Path(tables[1]), 1)


def test_tables_of_the_original_are_read(tmp_path):
    text = "pdb_id,chain_id,molecule_id,cluster_id\n209d-assembly1,C,ligand-PXA,0\n721p-assembly1,A,ligand-MG,1\n"
    (tmp_path / "ligand.csv").write_text(text)
    write_table(tmp_path / "interface.csv", INTERFACE_COLUMNS, [])
    sampler = WeightedPDBSampler(str(tmp_path / "ligand.csv"), str(tmp_path / "interface.csv"), 64)
    assert set(sampler.sample(100)) == {("209d-assembly1", "C", ""), ("721p-assembly1", "A", "")}
