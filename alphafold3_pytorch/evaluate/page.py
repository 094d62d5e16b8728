"""One page with the plots and tables of an evaluation, which needs nothing beside it."""

import math
from collections.abc import Sequence
from typing import Any

from alphafold3_pytorch.evaluate.rows import NEAR, Judged, Scored
from alphafold3_pytorch.evaluate.summary import DOCKQ, Choice, choice, parts_of
from alphafold3_pytorch.pages.curves import cumulative, histogram, scatter
from alphafold3_pytorch.pages.html import Content, Html, Number, decimal, table, tag
from alphafold3_pytorch.pages.sheet import section, sheet
from alphafold3_pytorch.predict.chemistry import KINDS

FARTHEST = 10.0  # Å, of the curve of ligands
LISTED = 200  # rows of long tables
HEAD = [Number("count"), Number("top-ranked"), Number("best sample"), Number("all samples")]


def page(judged: Sequence[Judged], summary: dict[str, Any]) -> str:
    evaluated = [each for each in judged if each.good]
    samples = [scored for each in evaluated for scored in each.good]
    counts = f"{summary['evaluated']:,} of {summary['targets']:,} targets, {summary['samples']:,} samples"
    body = [
        tag("p", f"{counts}. Top-ranked is the sample with the greatest ranking score, best the one nearest to truth."),
        section("Means over targets", table("Scores", ["score", *HEAD], _means(summary))),
        section("lDDT of all samples", histogram([scored.row.lddt for scored in samples if _is(scored.row.lddt)])),
        _calibration(samples),
        _interfaces(summary),
        _ligands(evaluated, summary),
        section("Chemistry", _chemistry(summary)),
        _failures(summary),
    ]
    return sheet("Evaluation", body)


def _is(value: float) -> bool:
    return math.isfinite(value)


def _cells(values: dict[str, Any]) -> list[str]:
    return [str(values["count"]), *(decimal(values[name], 3) for name in Choice._fields)]


def _means(summary: dict[str, Any]) -> list[list[str]]:
    rows = [[name, *_cells(values)] for name, values in summary["metrics"].items() if values["count"]]
    return rows + [[f"lddt, {kind}", *_cells(values)] for kind, values in summary["lddt_by_kind"].items()]


def _calibration(samples: Sequence[Scored]) -> Html | None:
    """Whether the network knows how good it is."""
    folds = [(s.row.plddt / 100, s.row.lddt, _name(s)) for s in samples if _is(s.row.plddt) and _is(s.row.lddt)]
    docked = [
        (row.iptm, row.dockq, f"{_name(s)} {row.chains}")
        for s in samples
        for row in s.interfaces
        if _is(row.iptm) and _is(row.dockq)
    ]
    parts: list[Content] = []
    if docked:
        parts += [tag("p", "Interfaces of polymers", class_="hint"), scatter(docked, "ipTM of the two chains", "DockQ")]
    if folds:
        parts += [tag("p", "Complexes", class_="hint"), scatter(folds, "mean pLDDT / 100", "lDDT")]
    return section("Confidence against truth", parts) if parts else None


def _name(scored: Scored) -> str:
    return f"{scored.row.target} {scored.row.sample}"


def _interfaces(summary: dict[str, Any]) -> Html | None:
    kinds = summary["interfaces"]
    if not kinds:
        return None
    head = ["interfaces", *HEAD, *(Number(f"top \N{GREATER-THAN OR EQUAL TO} {limit}") for limit in DOCKQ)]
    head += [Number(f"best \N{GREATER-THAN OR EQUAL TO} {limit}") for limit in DOCKQ]
    rows = []
    for kind, values in kinds.items():
        shares = [values[f"at_least_{limit:.2f}"] for limit in DOCKQ]
        cells = [f"{share[name]:.0%}" if _is(share[name]) else "" for name in ("top", "best") for share in shares]
        rows.append([kind, *_cells(values["dockq"]), *cells])
    return section("DockQ", table("0.23 is acceptable, 0.49 medium, 0.80 high", head, rows))


def _ligands(judged: Sequence[Judged], summary: dict[str, Any]) -> Html | None:
    groups = parts_of(judged, lambda scored: scored.ligands, lambda row: (row.kind, row.chain))
    chosen = [
        choice([(top, row.rmsd) for top, row in rows], more=False)
        for (_, kind, _), rows in groups.items()
        if kind == "ligand"
    ]
    curves = [
        (name, class_, [value for each in chosen if _is(value := getattr(each, field))])
        for name, class_, field in (("top-ranked", "kept", "top"), ("best sample", "dropped", "best"))
    ]
    curves = [curve for curve in curves if curve[2]]
    if not curves:
        return None
    legend = tag("p", [tag("span", name, class_=class_) for name, class_, _ in curves], class_="hint")
    labels = {
        "rmsd": "RMSD, Å",
        "lddt_pli": "lDDT-PLI",
        "within_2A": f"within {NEAR:g} Å",
        "within_2A_and_valid": f"within {NEAR:g} Å and valid",
    }
    rows = [[label, *_cells(summary["ligands"][name])] for name, label in labels.items()]
    plot = cumulative(curves, "ligand RMSD, Å", "share of ligands", FARTHEST)
    return section("Ligands", legend, plot, table("Ligands, without ions", ["score", *HEAD], rows))


def _chemistry(summary: dict[str, Any]) -> Html:
    """How often each kind of problem occurs, in predictions and in references."""
    sides = [summary["geometry"][name] for name in ("predictions", "references")]
    rows = []
    for kind, known in KINDS.items():
        counts = [side["problems"].get(kind, {"found": 0, "checked": 0}) for side in sides]
        if any(each["checked"] for each in counts):
            cells = [f"{each[name]:,}" for each in counts for name in ("found", "checked")]
            rows.append([kind.replace("_", " "), known.meaning, *cells])
    names = ("in predictions", "checked", "in references", "checked")
    rms = " and ".join(decimal(side["bond_rmsd"], 3) for side in sides)
    close = " and ".join(decimal(100 * side["bonds_close"], 1) for side in sides)
    words = tag(
        "p",
        f"Bond lengths are off their ideal values by {rms} Å (root mean square, predictions and references); "
        f"{close} % of them are within 0.1 Å.",
    )
    return Html(words + table("Problems of all samples", ["problem", "", *map(Number, names)], rows))


def _failures(summary: dict[str, Any]) -> Html | None:
    failed = summary["failed"]
    if not failed:
        return None
    rows = [[each["target"], each["sample"], each["error"]] for each in failed[:LISTED]]
    caption = f"The first {LISTED} of {len(failed):,}" if len(failed) > LISTED else "All of them"
    return section("Not evaluated", table(caption, ["target", "sample", "why"], rows))
