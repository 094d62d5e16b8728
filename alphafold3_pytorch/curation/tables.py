"""The tables of a clustering: chains and interfaces with their clusters, as CSV, or Parquet where pyarrow is there."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from alphafold3_pytorch.chem.residues import DNA, LIGAND, PROTEIN, RNA
from alphafold3_pytorch.curation.interfaces import PEPTIDE
from alphafold3_pytorch.weights.atomic import replacing

# Kinds of molecule in each table of chains. Tables made elsewhere call RNA and DNA `nucleic_acid`.
NUCLEIC_ACID = "nucleic_acid"
CHAIN_TABLES: Mapping[str, tuple[str, ...]] = {
    "protein": (PROTEIN,),
    "nucleic_acid": (RNA, DNA, NUCLEIC_ACID),
    "peptide": (PEPTIDE,),
    "ligand": (LIGAND,),
}
CHAIN_COLUMNS = ("pdb_id", "chain_id", "molecule_id", "cluster_id")
INTERFACE_COLUMNS = (
    "pdb_id",
    "interface_chain_id_1",
    "interface_chain_id_2",
    "interface_molecule_id_1",
    "interface_molecule_id_2",
    "interface_chain_cluster_id_1",
    "interface_chain_cluster_id_2",
    "interface_cluster_id",
)
FORMATS = ("csv", "parquet")
Row = Sequence[str | int]


def chain_table(folder: Path, name: str, format: str = "csv") -> Path:
    return folder / f"{name}_chain_cluster_mapping.{format}"


def interface_table(folder: Path, format: str = "csv") -> Path:
    return folder / f"interface_cluster_mapping.{format}"


def check_format(format: str) -> None:
    if format not in FORMATS:
        raise ValueError(f"unknown format of tables {format!r}; use {' or '.join(FORMATS)}")
    if format == "parquet" and find_spec("pyarrow") is None:
        raise ValueError("Parquet needs pyarrow: pip install 'alphafold3-pytorch[parquet]', or write CSV")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """The file appears whole or not at all."""
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            from pyarrow import parquet, table  # pyright: ignore[reportMissingImports]

            cells = list(zip(*rows, strict=True)) or [()] * len(columns)
            parquet.write_table(table(dict(zip(columns, cells, strict=True))), temporary)
            return
        with temporary.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The rows of some columns, in words."""
    return list(table_rows(path, columns))


def table_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The same one after the other."""
    if path.suffix == ".parquet":
        check_format("parquet")
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]

        named = parquet.read_table(path).to_pydict()
        _check_columns(path, list(named), columns)
        yield from (tuple(map(str, row)) for row in zip(*(named[name] for name in columns), strict=True))
        return
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        header = next(rows, [])
        _check_columns(path, header, columns)
        places = [header.index(name) for name in columns]
        yield from (_cells(path, number, row, places) for number, row in enumerate(rows, start=2) if row)


def _cells(path: Path, number: int, row: list[str], places: list[int]) -> tuple[str, ...]:
    if len(row) <= max(places):
        raise ValueError(f"{path}: line {number} has {len(row)} values, which is fewer than the header names")
    return tuple(row[place] for place in places)


def _check_columns(path: Path, there: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]}; a table of clusters has {', '.join(wanted)}")
