"""What the dictionaries of mmCIF have against a file."""

import os
from pathlib import Path

import gemmi
import pytest

# Ligands have no place in a sequence, in files of the PDB neither; the categories of ModelCIF are called contributed.
USUAL = ("CONTRIBUTED", "item-linked-group atom_site 8", "item-linked-group atom_site 9")


def complaints(document: gemmi.cif.Document, *names: str) -> list[str]:
    """Messages about a file by dictionaries of Debian's package libcifpp-data; skips the test where they are absent."""
    folder = Path(os.environ.get("MMCIF_DICTIONARIES", "/usr/share/libcifpp"))
    if not all((folder / name).is_file() for name in names):
        pytest.skip(f"{folder} does not have {' and '.join(names)}; set MMCIF_DICTIONARIES to a folder that does")
    found: list[str] = []
    checker = gemmi.cif.Ddl(logger=found.append)
    for name in names:
        checker.read_ddl(gemmi.cif.read(str(folder / name)))
    found.clear()  # what is wrong with the dictionaries themselves
    valid = checker.validate_cif(document)
    return [line for line in found if not any(words in line for words in USUAL)] + ["invalid"] * (not valid)
