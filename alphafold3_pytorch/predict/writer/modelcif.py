"""A sample as mmCIF: its structure with pLDDT as B-factors, and what ModelCIF has to say of a model.

The categories beside those of the structure are the ones that official AlphaFold 3 writes, with our software in them
and the settings of the prediction as software parameters.
"""

import numpy as np

from alphafold3_pytorch.predict.provenance import SOFTWARE, Provenance
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import Confidence
from alphafold3_pytorch.structure import cif_text, mmcif_text
from alphafold3_pytorch.structure.cif_text import Table

DICTIONARY = {
    "dict_name": "mmcif_ma.dic",
    "dict_version": "1.4.2",
    "dict_location": "https://raw.githubusercontent.com/ihmwg/ModelCIF/master/dist/mmcif_ma.dic",
}
CITATION = {
    "id": "primary",
    "title": "Accurate structure prediction of biomolecular interactions with AlphaFold 3",
    "journal_full": "Nature",
    "journal_abbrev": "Nature",
    "journal_volume": "630",
    "page_first": "493",
    "page_last": "500",
    "year": "2024",
    "country": "UK",
    "journal_id_ASTM": "NATUAS",
    "journal_id_ISSN": "0028-0836",
    "journal_id_CSD": "0006",
    "book_publisher": "?",
    "pdbx_database_id_PubMed": "38718835",
    "pdbx_database_id_DOI": "10.1038/s41586-024-07487-w",
}
LICENCE_IF_NONE = "No licence is known for the weights that this model was made with."
DATA_TYPES = {bool: "boolean", int: "integer", float: "float", str: "string"}
STEPS = ("coevolution MSA", "template search", "modeling")


def sample_mmcif(name: str, sample: Sample, confidence: Confidence, provenance: Provenance) -> str:
    """The mmCIF text of a sample; a warning stands at its top."""
    structure = mmcif_text.tables(sample.structure, name, sample.plddt)
    atoms = {"atom_site": structure.pop("atom_site")}
    ours = provenance_tables(sample, provenance) | quality_tables(sample, confidence) | target_tables(structure)
    return cif_text.write(name, structure | ours | atoms, [provenance.warning] if provenance.warning else ())


def provenance_tables(sample: Sample, provenance: Provenance) -> dict[str, Table]:
    """What the model was made with, and under which terms."""
    notes = [("license", provenance.licence or LICENCE_IF_NONE)]
    notes += [("disclaimer", provenance.warning)] if provenance.warning else []
    return {
        "audit_conform": _row(**DICTIONARY),
        "citation": _row(**CITATION),
        "pdbx_data_usage": {
            "id": [str(number + 1) for number in range(len(notes))],
            "type": [kind for kind, _ in notes],
            "details": [text for _, text in notes],
        },
        "software": _row(
            pdbx_ordinal="1",
            name=SOFTWARE,
            version=provenance.version,
            type="package",
            description="Structure prediction",
            classification="model building",
            date="?",
            citation_id="primary",
        ),
        "ma_software_parameter": _parameters(sample, provenance),
        "ma_software_group": _row(ordinal_id="1", group_id="1", software_id="1", parameter_group_id="1"),
    }


def _parameters(sample: Sample, provenance: Provenance) -> Table:
    named = {"weights": provenance.weights, "weights_family": provenance.family}
    values = named | {"seed": sample.seed, "sample": sample.number} | dict(provenance.settings)
    return {
        "parameter_id": [str(number + 1) for number in range(len(values))],
        "group_id": ["1"] * len(values),
        "data_type": [DATA_TYPES[type(value)] for value in values.values()],
        "name": list(values),
        "value": [str(value) for value in values.values()],
    }


def target_tables(structure: dict[str, Table]) -> dict[str, Table]:
    """What was modelled: every entity and every chain."""
    entities, chains = structure["entity"]["id"], structure["struct_asym"]
    return {
        "ma_data": _row(id="1", name="Model", content_type="model coordinates"),
        "ma_target_entity": {
            "entity_id": entities,
            "data_id": ["1"] * len(entities),
            "origin": ["."] * len(entities),
        },
        "ma_target_entity_instance": {
            "asym_id": chains["id"],
            "entity_id": chains["entity_id"],
            "details": ["."] * len(chains["id"]),
        },
        "ma_protocol_step": {
            "ordinal_id": [str(number + 1) for number in range(len(STEPS))],
            "protocol_id": ["1"] * len(STEPS),
            "step_id": [str(number + 1) for number in range(len(STEPS))],
            "method_type": list(STEPS),
        },
    }


def quality_tables(sample: Sample, confidence: Confidence) -> dict[str, Table]:
    """How good the model thinks it is: pLDDT of the whole and of each residue, pTM and ipTM where they are defined."""
    scores = {"pLDDT": confidence.plddt, "pTM": confidence.ptm, "ipTM": confidence.iptm}
    known = {name: value for name, value in scores.items() if not np.isnan(value)}
    metrics = [*((name, "global") for name in known), ("pLDDT", "local")]
    count = len(known)
    model = f"seed {sample.seed}, sample {sample.number}"
    return {
        "ma_model_list": _row(
            ordinal_id="1",
            model_id="1",
            model_group_id="1",
            model_name=model,
            model_group_name="Predictions",
            data_id="1",
            model_type="Ab initio model",
        ),
        "ma_qa_metric": {
            "id": [str(number + 1) for number in range(len(metrics))],
            "name": [name for name, _ in metrics],
            "type": [name for name, _ in metrics],
            "mode": [mode for _, mode in metrics],
            "software_group_id": ["1"] * len(metrics),
        },
        "ma_qa_metric_global": {
            "ordinal_id": [str(number + 1) for number in range(count)],
            "model_id": ["1"] * count,
            "metric_id": [str(number + 1) for number in range(count)],
            "metric_value": [f"{value:.2f}" for value in known.values()],
        },
        "ma_qa_metric_local": _residue_plddt(sample, metric=str(len(metrics))),
    }


def _residue_plddt(sample: Sample, metric: str) -> Table:
    rows = list(sample.structure.residues())
    count = len(rows)
    return {
        "ordinal_id": [str(number + 1) for number in range(count)],
        "model_id": ["1"] * count,
        "label_asym_id": [chain.id for chain, _, _ in rows],
        "label_seq_id": [str(place + 1) if chain.is_polymer else "." for chain, place, _ in rows],
        "label_comp_id": [chain.residues[place] for chain, place, _ in rows],
        "metric_id": [metric] * count,
        "metric_value": [f"{sample.plddt[atoms].mean():.2f}" for _, _, atoms in rows],
    }


def _row(**values: str) -> Table:
    return {name: [value] for name, value in values.items()}
