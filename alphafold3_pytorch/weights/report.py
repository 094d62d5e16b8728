"""What a weight file is (`inspect`), whether it is sound (`verify`), and which models there are (`list`)."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.shapes import Tensor
from alphafold3_pytorch.weights.families import FAMILIES, NATIVE, Identity, Plan, origin_of, plan_file
from alphafold3_pytorch.weights.readers import WeightFile
from alphafold3_pytorch.weights.rules import identical

FOURIER = ("diffusion.conditioning.fourier.weight", "diffusion.conditioning.fourier.phase")


class Check(NamedTuple):
    """One thing that `verify` looked at."""

    what: str
    passed: bool
    found: str


def models_tables() -> list[Table]:
    """Every published model that loads, and whose they are."""
    models = Table("model", "family", "parameters", "file")
    owners = Table("family", "whose", "licence", "files")
    models.columns[2].justify = "right"
    for family in FAMILIES.values():
        for model in family.models:
            models.add_row(model.preset, family.name, f"{model.parameters:,}", "\n".join(model.files))
        if family.models:
            owners.add_row(
                family.name, f"{family.title}\n{family.origin}", family.licence, family.files, family.citation
            )
    owners.show_lines = True
    return [unwrapped(models), unwrapped(owners)]


def unwrapped(table: Table) -> Table:
    """Long addresses are folded, never cut."""
    for column in table.columns:
        column.overflow = "fold"
    return table


def print_tables(*tables: Table) -> None:
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 120
    console.print(*tables, sep="\n")


# ---- inspect


def inspect_table(path: str | Path) -> Table:
    """What a file is, as far as it tells."""
    file, planned = plan_file(path)
    table = Table(show_header=False, title=str(path))
    for label, value in inspected(file, planned):
        table.add_row(label, value)
    return unwrapped(table)


def inspected(file: WeightFile, planned: Plan) -> Iterator[tuple[str, str]]:
    identity = planned.identity
    origin = origin_of(identity, file.metadata)
    owner = FAMILIES.get(origin.get("family", ""), identity.family)
    yield "family", owner.title if owner is identity.family else f"{owner.title}, as a file of this package"
    yield "model", model_line(identity, origin.get("preset", ""))
    yield "sizes", sizes_line(identity.config)
    yield "container", file.container
    yield from ((key.replace("_", " "), value) for key, value in file.metadata.items() if key in SHOWN)
    yield "parameters", f"{sum(map(prod, planned.target.values())):,} in this package"
    yield "arrays in the file", f"{len(file.tensors)} with {sum(x.numel() for x in file.tensors.values()):,} values"
    yield "precision", precision_line(file.tensors)
    yield from ignored_lines(file, planned)
    yield "sampler, recycles", sampler_line(identity.config)
    yield "both from", settings_line(identity)
    yield "licence", origin.get("licence", "not stated")
    yield "origin", origin.get("origin") or "not stated"
    if owner.citation:
        yield "to cite", owner.citation


SHOWN = ("part", "prefix", "identifier", "step", "epoch", "global_step", "package_version", "left_out")


def model_line(identity: Identity, stated: str) -> str:
    if not identity.presets:
        return f"{stated}, of other sizes" if stated else "unknown: the sizes are of no published model"
    first, *others = identity.presets
    return f"{first} (or {', '.join(others)}: the same sizes)" if others and stated != first else first


def sizes_line(config: NetworkConfig) -> str:
    blocks = config.msa.depth, config.pairformer.depth, config.diffusion.depth, config.confidence.depth
    depths = "{} MSA, {} pairformer, {} diffusion, {} confidence blocks".format(*blocks)
    return f"single {config.dim_single}, pair {config.dim_pair}, MSA {config.msa.dim} channels; {depths}"


def precision_line(tensors: Mapping[str, Tensor]) -> str:
    counts: Counter[str] = Counter()
    for tensor in tensors.values():
        counts[str(tensor.dtype).removeprefix("torch.")] += tensor.numel()
    return ", ".join(f"{name} ({count:,} values)" for name, count in counts.most_common())


def ignored_lines(file: WeightFile, planned: Plan) -> Iterator[tuple[str, str]]:
    used = {part.key for rule in planned.rulebook.rules for part in rule.parts}
    yield "arrays used", str(len(used))
    for ignored in planned.rulebook.ignored({key: tuple(x.shape) for key, x in file.tensors.items()}):
        yield "not used", f"{ignored.arrays} with {ignored.values:,} values: {ignored.reason}"


def sampler_line(config: NetworkConfig) -> str:
    sampler = config.sampler
    return (
        f"{sampler.steps} steps, gamma {sampler.gamma:g} above {sampler.gamma_min:g} Å, noise scale "
        f"{sampler.noise_scale:g}, step scale {sampler.step_scale:g}; {config.recycles} recycles"
    )


def settings_line(identity: Identity) -> str:
    """Where sampler and recycles come from; only our own files hold them."""
    if identity.family is NATIVE:
        return "the file"
    if identity.preset:
        return f"the preset {identity.preset}, no file holds them"
    return f"the defaults of {identity.family.title}, no file holds them"


# ---- verify


def verify(path: str | Path) -> list[Check]:
    """Read a file whole and look at everything that can be wrong with it short of running the model."""
    file, planned = plan_file(path)
    ignored = sum(
        each.arrays for each in planned.rulebook.ignored({k: tuple(v.shape) for k, v in file.tensors.items()})
    )
    count = len({part.key for rule in planned.rulebook.rules for part in rule.parts})
    return [
        Check("container", True, f"{file.container}, read to its end"),
        Check("every array has its place", True, f"{count} used, {ignored} ignored with a reason"),
        finite(file.tensors),
        constants(file.tensors, planned),
        copies(file.tensors, planned),
        round_trip(file.tensors, planned),
    ]


def finite(tensors: Mapping[str, Tensor]) -> Check:
    wrong = [key for key, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    return Check(
        "every value is finite", not wrong, named(wrong) or f"{sum(x.numel() for x in tensors.values()):,} values"
    )


def constants(tensors: Mapping[str, Tensor], planned: Plan) -> Check:
    """Distance bins are the known ones, and the table of the noise embedding is a table of random numbers."""
    known = [ignore for ignore in planned.rulebook.ignores if ignore.fill is not None and not ignore.optional]
    wrong = [each.key for each in known if not close(tensors[each.key], each.fill)]
    tables = [part.key for rule in planned.rulebook.rules if rule.target in FOURIER for part in rule.parts]
    wrong += [key for key in tables if not 0.05 < tensors[key].double().std() < 5]
    found = [f"{len(known)} of distance bins"] if known else []
    found.append("noise embedding in the file" if tables else "noise embedding built in")
    return Check("constants are as expected", not wrong, named(wrong) or ", ".join(found))


def close(left: Tensor, right: Tensor | None) -> bool:
    return right is not None and left.shape == right.shape and torch.allclose(left.double(), right.double(), rtol=1e-3)


def copies(tensors: Mapping[str, Tensor], planned: Plan) -> Check:
    pairs = planned.rulebook.copies(tensors)
    wrong = [key for key, original in pairs.items() if not identical(tensors[key], tensors[original])]
    return Check("copies are equal", not wrong, named(wrong) or (f"{len(pairs)} arrays" if pairs else "there are none"))


def round_trip(tensors: Mapping[str, Tensor], planned: Plan) -> Check:
    wrong = planned.rulebook.changed_by_loading(tensors)
    return Check("loading loses nothing", not wrong, named(wrong) or "every array used comes back bit for bit")


def named(keys: list[str]) -> str:
    if not keys:
        return ""
    return f"not {', '.join(keys[:4])}" + (f" and {len(keys) - 4} more" if keys[4:] else "")


def verify_table(path: str | Path, checks: list[Check]) -> Table:
    table = Table("", "check", "found", title=str(path))
    for check in checks:
        table.add_row("ok" if check.passed else "FAILED", check.what, check.found)
    return unwrapped(table)
