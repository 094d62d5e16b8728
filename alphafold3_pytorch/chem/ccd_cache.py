"""The chemical component dictionary as one memory-mapped file in the user's cache folder.

The dictionary comes with Biotite, in a form that takes seconds and half a gigabyte to search. It is unpacked once into
arrays from which one component is read in a millisecond. The file appears whole or not at all.
"""

import contextlib
import os
import sys
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from alphafold3_pytorch.chem import elements
from alphafold3_pytorch.chem.component import ORDERS, Component

VERSION = 1  # of the layout below
SEPARATOR = "\x1f"
ABSENT = np.iinfo(np.int32).min  # an unknown coordinate
SCALE = 1000  # the dictionary gives three decimals


def cache_folder() -> Path:
    """$AF3_CACHE, or the user's cache folder on this system."""
    if chosen := os.environ.get("AF3_CACHE"):
        return Path(chosen)
    home = Path.home()
    places = {"darwin": home / "Library" / "Caches", "win32": Path(os.environ.get("LOCALAPPDATA") or home)}
    default = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return places.get(sys.platform, default) / "alphafold3_pytorch"


def cache_file() -> Path:
    return cache_folder() / f"ccd-{VERSION}-biotite-{metadata.version('biotite')}.safetensors"


class Dictionary:
    """Reads components out of the cache file."""

    def __init__(self, path: Path):
        file = safe_open(path, framework="np")
        self.codes = file.get_tensor("codes").view("S8").ravel()
        self.starts = {part: file.get_tensor(f"{part}_start") for part in ("atom", "bond", "model", "text")}
        self.columns = {name: file.get_slice(name) for name in file.keys()}

    def __contains__(self, code: str) -> bool:
        return self._place(code) is not None

    def _place(self, code: str) -> int | None:
        key = code.encode("utf-8")
        place = int(np.searchsorted(self.codes, key))
        return place if place < len(self.codes) and self.codes[place] == key else None

    def _rows(self, part: str, column: str, place: int) -> np.ndarray:
        start, stop = (int(value) for value in self.starts[part][place : place + 2])
        return self.columns[column][start:stop] if start < stop else self.columns[column][:0]

    def component(self, code: str) -> Component | None:
        place = self._place(code)
        if place is None:
            return None
        text = bytes(self._rows("text", "text", place)).decode("utf-8")
        kind, letter, parent, name, modified = text.split(SEPARATOR)
        model = self._rows("model", "model", place)
        atoms = {column: self._rows("atom", column, place) for column in ("names", "elements", "charges", "leaving")}
        return Component(
            code=code,
            type=kind,
            names=tuple(raw.decode("utf-8") for raw in atoms["names"].view("S8").ravel().tolist()),
            elements=atoms["elements"].astype(np.int16),
            charges=atoms["charges"].astype(np.int16),
            leaving=atoms["leaving"],
            ideal=_angstrom(self._rows("atom", "ideal", place)),
            model=_angstrom(model) if len(model) else None,
            bonds=self._rows("bond", "bonds", place).astype(np.int32),
            orders=self._rows("bond", "orders", place).astype(np.int8),
            aromatic=self._rows("bond", "aromatic", place),
            letter=letter,
            parent=parent,
            name=name,
            modified=modified,
            uncharted=bool(self.columns["uncharted"][place]),
        )


def _angstrom(stored: np.ndarray) -> np.ndarray:
    return np.where(stored == ABSENT, np.nan, stored / SCALE)


@cache
def dictionary() -> Dictionary:
    """The dictionary; the first call ever on a machine writes the file."""
    path = cache_file()
    if not path.exists():
        try:
            _write(path, build())
        except OSError:  # no place to write: a file of this process only
            path = Path(tempfile.mkdtemp()) / path.name
            _write(path, build())
    return Dictionary(path)


def _write(path: Path, tensors: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".draft")
    os.close(handle)
    try:
        save_file(tensors, draft)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


def build() -> dict[str, np.ndarray]:
    """The arrays of the file, from Biotite's dictionary."""
    from biotite.structure.info import get_ccd

    block: Any = get_ccd()
    entries, atoms, bonds = (block[name] for name in ("chem_comp", "chem_comp_atom", "chem_comp_bond"))
    codes = entries["id"].as_array().astype("S8")
    order = np.argsort(codes)
    codes = codes[order]
    atom_rows, atom_start = _grouped(atoms["comp_id"].as_array(), codes)
    bond_rows, bond_start = _grouped(bonds["comp_id"].as_array(), codes)
    names = atoms["atom_id"].as_array().astype("S8")[atom_rows]
    charges, open_charges = _integers(atoms["charge"])
    ideal = _coordinates(atoms, "pdbx_model_Cartn_{}_ideal")[atom_rows]
    incomplete = _any((ideal == ABSENT).any(axis=1), atom_start)
    with_model = np.repeat(incomplete, np.diff(atom_start))
    texts, text_start = _texts(entries, order)
    tensors = {
        "codes": codes.view(np.uint8).reshape(-1, 8),
        "atom_start": atom_start,
        "bond_start": bond_start,
        "model_start": np.concatenate([[0], np.cumsum(np.diff(atom_start) * incomplete)]),
        "text_start": text_start,
        "text": texts,
        "names": names.view(np.uint8).reshape(-1, 8),
        "elements": _mapped(atoms["type_symbol"].as_array(), elements.atomic_number)[atom_rows],
        "charges": charges[atom_rows],
        "uncharted": _any(open_charges[atom_rows], atom_start),
        "leaving": (atoms["pdbx_leaving_atom_flag"].as_array() == "Y")[atom_rows],
        "ideal": ideal,
        "model": _coordinates(atoms, "model_Cartn_{}")[atom_rows][with_model],
        "bonds": _local_pairs(bonds, bond_rows, bond_start, names, atom_start),
        "orders": _mapped(bonds["value_order"].as_array(), ORDERS.__getitem__)[bond_rows],
        "aromatic": (bonds["pdbx_aromatic_flag"].as_array() == "Y")[bond_rows],
    }
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _grouped(owners: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a table ordered by component, order within one kept, and where each component starts."""
    starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
    place = np.searchsorted(codes, owners[starts].astype("S8"))
    place = np.repeat(place, np.diff(np.append(starts, len(owners))))
    rows = np.argsort(place, kind="stable")
    return rows, np.searchsorted(place[rows], np.arange(len(codes) + 1))


def _numbered(*texts: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The distinct words of some columns together, and for each column the number of the word in every row."""
    packed = [text.astype("S8").view(np.uint64) for text in texts]
    words, numbers = np.unique(np.concatenate(packed), return_inverse=True)
    return words.view("S8"), np.split(numbers, np.cumsum([len(text) for text in texts])[:-1])


def _mapped(values: np.ndarray, function: Any) -> np.ndarray:
    words, (numbers,) = _numbered(values)
    return np.array([function(word.decode("utf-8")) for word in words], np.uint8)[numbers]


def _integers(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values, 0 where the dictionary has none, and where that is so."""
    known = np.ones(len(column), bool) if column.mask is None else column.mask.array == 0
    values = column.data.array
    if values.dtype.kind == "U":
        values = np.where(known, values, "0").astype(np.int8)
    return np.where(known, values, 0).astype(np.int8), ~known


def _coordinates(atoms: Any, pattern: str) -> np.ndarray:
    axes = []
    for column in (atoms[pattern.format(axis)] for axis in "xyz"):
        known = np.ones(len(column), bool) if column.mask is None else column.mask.array == 0
        stored = np.full(len(column), ABSENT)
        stored[known] = np.rint(column.data.array[known].astype(float) * SCALE)
        axes.append(stored.astype(np.int32))
    return np.stack(axes, axis=1)


def _any(flags: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Whether any atom of a component is flagged."""
    count = np.concatenate([[0], np.cumsum(flags)])
    return count[starts[1:]] > count[starts[:-1]]


def _texts(entries: Any, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    names = ("type", "one_letter_code", "mon_nstd_parent_comp_id", "name", "pdbx_modified_date")
    columns = [entries[name].as_array().tolist() for name in names]
    texts = []
    for row in order.tolist():
        values = [column[row] for column in columns]
        texts.append(SEPARATOR.join("" if value in ("?", ".") else value for value in values).encode("utf-8"))
    starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    return np.frombuffer(b"".join(texts), np.uint8), starts


def _local_pairs(
    bonds: Any, rows: np.ndarray, starts: np.ndarray, names: np.ndarray, atom_start: np.ndarray
) -> np.ndarray:
    """Both ends of every bond as places within the component."""
    ends = [bonds[end].as_array().astype("S8")[rows] for end in ("atom_id_1", "atom_id_2")]
    words, (atoms, *ends) = _numbered(names, *ends)
    owners = [np.repeat(np.arange(len(first) - 1), np.diff(first)) for first in (atom_start, starts)]
    keys = owners[0] * len(words) + atoms
    order = np.argsort(keys)
    places = [order[np.searchsorted(keys, owners[1] * len(words) + end, sorter=order)] for end in ends]
    return np.stack([place - atom_start[owners[1]] for place in places], axis=1).astype(np.int16)
