"""Means over targets: of the top-ranked samples, of the best ones (oracle), and of all."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from alphafold3_pytorch import __version__
from alphafold3_pytorch.evaluate.rows import NEAR, NONE, Geometry, InterfaceRow, Judged, LigandRow, Scored, mean

METRICS = {  # whether more is better
    "lddt": True,
    "lddt_trace": True,
    "rmsd": False,
    "tm": True,
    "gdt_ts": True,
    "gdt_ha": True,
    "ilddt": True,
    "dockq": True,
    "lddt_pli": True,
    "ligand_rmsd": False,
}
DOCKQ = (0.23, 0.49, 0.80)  # acceptable, medium, high


class Choice(NamedTuple):
    """A number of a target, or the mean over targets. NaN where there is no ranking."""

    top: float
    best: float
    mean: float


def choice(samples: Sequence[tuple[bool, float]], more: bool = True) -> Choice:
    """Of samples, of which one may be the top-ranked."""
    known = [value for _, value in samples if not math.isnan(value)]
    if not known:
        return Choice(NONE, NONE, NONE)
    top = next((value for is_top, value in samples if is_top), NONE)
    return Choice(top, max(known) if more else min(known), mean(known))


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """What `summary.json` has."""
    failed = [(row.target, row.sample, row.error) for each in judged for row in _rows(each) if row.error]
    evaluated = [each for each in judged if each.good]
    return {
        "software": f"alphafold3-pytorch {__version__}",
        "targets": len(judged),
        "evaluated": len(evaluated),
        "samples": sum(len(each.good) for each in judged),
        "failed": [dict(zip(("target", "sample", "error"), row, strict=True)) for row in failed],
        "metrics": {name: _metric(evaluated, name, more) for name, more in METRICS.items()},
        "lddt_by_kind": _kinds(evaluated),
        "interfaces": _interfaces(evaluated),
        "ligands": _ligands(evaluated),
        "geometry": _geometry(evaluated),
    }


def _rows(judged: Judged) -> list[Any]:
    return [scored.row for scored in judged.samples]


def _over(choices: Iterable[Choice]) -> dict[str, Any]:
    known = [each for each in choices if not math.isnan(each.best)]
    means = {name: mean([getattr(each, name) for each in known]) for name in Choice._fields}
    return {**means, "count": len(known)}


def _metric(judged: Sequence[Judged], name: str, more: bool) -> dict[str, Any]:
    values = ([(scored.row.top_ranked, getattr(scored.row, name)) for scored in each.good] for each in judged)
    return _over(choice(samples, more) for samples in values)


def _kinds(judged: Sequence[Judged]) -> dict[str, Any]:
    kinds = sorted({kind for each in judged for scored in each.good for kind in scored.kinds})
    return {
        kind: _over(
            choice([(scored.row.top_ranked, scored.kinds.get(kind, NONE)) for scored in each.good]) for each in judged
        )
        for kind in kinds
    }


Part = InterfaceRow | LigandRow


def parts_of(
    judged: Sequence[Judged], parts: Callable[[Scored], Sequence[Part]], key: Callable[[Any], tuple[str, str]]
) -> dict[tuple[str, str, str], list[tuple[bool, Any]]]:
    """Rows of one interface or ligand from all samples, by target, kind and name; with whether each is top-ranked."""
    groups: dict[tuple[str, str, str], list[tuple[bool, Any]]] = {}
    for each in judged:
        for scored in each.good:
            for row in parts(scored):
                groups.setdefault((each.name, *key(row)), []).append((scored.row.top_ranked, row))
    return groups


def _interfaces(judged: Sequence[Judged]) -> dict[str, Any]:
    """By kind: mean DockQ, and how often it is acceptable, medium or high."""
    groups = parts_of(judged, lambda scored: scored.interfaces, lambda row: (row.kind, row.chains))
    kinds: dict[str, list[Choice]] = {}
    for (_, kind, _), rows in groups.items():
        chosen = choice([(top, row.dockq) for top, row in rows])
        if not math.isnan(chosen.best):
            kinds.setdefault(kind, []).append(chosen)
    return {
        kind: {"dockq": _over(values), **{f"at_least_{limit:.2f}": _share(values, limit) for limit in DOCKQ}}
        for kind, values in sorted(kinds.items())
    }


def _share(values: Sequence[Choice], limit: float) -> dict[str, float]:
    return {
        name: mean([float(getattr(each, name) >= limit) for each in values if not math.isnan(getattr(each, name))])
        for name in ("top", "best")
    }


def _ligands(judged: Sequence[Judged]) -> dict[str, Any]:
    """Ligands, without ions: how often they are within 2 Å, and chemically possible as well."""
    rows = parts_of(judged, lambda scored: scored.ligands, lambda row: (row.kind, row.chain))
    groups = [group for (_, kind, _), group in rows.items() if kind == "ligand"]
    groups = [[(top, row) for top, row in group if not math.isnan(row.rmsd)] for group in groups]
    near = [choice([(top, float(row.rmsd < NEAR)) for top, row in group]) for group in groups]
    valid = [choice([(top, float(row.rmsd < NEAR and row.problems == 0)) for top, row in group]) for group in groups]
    return {
        "rmsd": _over(choice([(top, row.rmsd) for top, row in group], more=False) for group in groups),
        "lddt_pli": _over(choice([(top, row.lddt_pli) for top, row in group]) for group in groups),
        "within_2A": _over(near),
        "within_2A_and_valid": _over(valid),
    }


def _geometry(judged: Sequence[Judged]) -> dict[str, Any]:
    """Problems of chemistry of all samples beside those of the references."""
    sides = {
        "predictions": [scored.geometry for each in judged for scored in each.good],
        "references": [each.reference for each in judged],
    }
    return {name: _total(geometries) for name, geometries in sides.items()}


def _total(geometries: Sequence[Geometry]) -> dict[str, Any]:
    checked, found = Counter[str](), Counter[str]()
    for each in geometries:
        checked.update(each.checked)
        found.update(each.found)
    kinds = {kind: {"checked": count, "found": found[kind]} for kind, count in checked.items()}
    known = sum(bool(each.checked) for each in geometries)
    bonds = {name: mean([getattr(each, name) for each in geometries]) for name in ("bond_rmsd", "bonds_close")}
    return {"structures": known, **bonds, "problems": kinds}
