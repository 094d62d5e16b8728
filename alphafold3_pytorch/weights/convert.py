"""From anybody's weight file to one of ours, and from ours back to the layout of its owner."""

from pathlib import Path

import torch

from alphafold3_pytorch.weights import native
from alphafold3_pytorch.weights.families import (
    FAMILIES,
    NATIVE,
    Family,
    export_state,
    family_named,
    origin_of,
    plan_file,
)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def convert(
    source: str | Path, to: str | Path, layout: str = NATIVE.name, dtype: str | None = None, force: bool = False
) -> Path:
    """Write the weights of `source` to `to`, whole or not at all, in their own precision or in `dtype`."""
    source, to = Path(source), Path(to)
    family = family_named(layout)
    if dtype and dtype not in DTYPES:
        raise ValueError(f"there is no precision {dtype!r}; known are {', '.join(DTYPES)}")
    check_destination(source, to, family, force)
    file, planned = plan_file(source)
    state = planned.rulebook.load(file.tensors, planned.target, DTYPES[dtype] if dtype else None, free=True)
    config, origin = planned.identity.config, origin_of(planned.identity, file.metadata)
    if family is NATIVE:
        native.save(to, state, config, origin)
    else:
        family.write(to, export_state(state, config, family), origin.get("identifier", ""))
    return to


def check_destination(source: Path, to: Path, family: Family, force: bool) -> None:
    """Everything that can be wrong with the name of the new file, before anything is read."""
    if not to.name.endswith(family.suffixes):
        others = [each.name for each in FAMILIES.values() if to.name.endswith(each.suffixes) and each is not family]
        way_out = f", or choose the layout {' or '.join(others)}" if others else ""
        raise ValueError(
            f"{to}: weights in the layout {family.name} end in {' or '.join(family.suffixes)}; name it so{way_out}"
        )
    if not to.parent.is_dir():
        raise ValueError(f"{to.parent} does not exist; make the folder first")
    if to.is_dir():
        raise ValueError(f"{to} is a folder; give the name of a file")
    if to.exists() and source.exists() and to.samefile(source):
        raise ValueError(f"{to} is the file to read; give another name")
    if to.exists() and not force:
        raise ValueError(f"{to} exists already; give another name, or --force to replace it")
