"""A release of the chemical component dictionary that a user has: `components.cif`, read one component at a time."""

import mmap
import re
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.component import Component, read_components
from alphafold3_pytorch.structure.mmcif import Entry

_START = re.compile(rb"^data_(\S+)", re.MULTILINE)


class ComponentFile:
    """Where each component is in the file, found once; the text stays on disk."""

    def __init__(self, path: Path):
        with path.open("rb") as file:
            self.text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        found = [(match[1].decode(), match.start()) for match in _START.finditer(self.text)]
        ends = [start for _, start in found[1:]] + [len(self.text)]
        self.places = {code: (start, end) for (code, start), end in zip(found, ends, strict=True)}

    def component(self, code: str) -> Component | None:
        if code not in self.places:
            return None
        start, end = self.places[code]
        return read_components(self.text[start:end].decode("utf-8"))[code]


@cache
def component_file(folder: Path) -> ComponentFile:
    path = folder / "components.cif"
    if not path.is_file() or not path.stat().st_size:
        raise ValueError(
            f"{folder} has no components.cif; unpack the one of the PDB there, or leave the folder out to use the "
            "dictionary that comes with the package"
        )
    return ComponentFile(path)


@lru_cache(maxsize=4096)
def _component(folder: Path, code: str) -> Component | None:
    return component_file(folder).component(code)


def with_dictionary(entry: Entry, folder: Path | None) -> Entry:
    """The entry with components as the user's dictionary has them."""
    if folder is None:
        return entry
    codes = {code for chain in entry.structure.chains for code in chain.residues}
    own = {code: found for code in codes if (found := _component(folder, code)) is not None}
    components = Components(entry.structure.components.own | own)
    return replace(entry, structure=replace(entry.structure, components=components))
