"""Featurising in another implementation, in its own environment: seconds of several runs as one line of JSON.

    PYTHON bench/featurize_peer.py {protenix,openfold3} JOB RUNS

Each does what its own inference does with one query, from the file to the tensors that its model reads.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

COMPONENTS = (
    "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL UNK SEP ATP MG NAG".split()
)


def openfold3(job: Path) -> Callable[[], int]:
    from openfold3.core.data.framework.single_datasets.inference import InferenceDataset
    from openfold3.core.data.pipelines.preprocessing.template import TemplatePreprocessorSettings
    from openfold3.projects.of3_all_atom.config.dataset_configs import InferenceDatasetConfigKwargs, InferenceJobConfig
    from openfold3.projects.of3_all_atom.config.inference_query_format import InferenceQuerySet

    def run() -> int:
        queries = InferenceQuerySet.from_json(job)
        usual, templates = InferenceDatasetConfigKwargs(), TemplatePreprocessorSettings(mode="predict")
        config = InferenceJobConfig(
            query_set=queries, msa=usual.msa, template=usual.template, template_preprocessor_settings=templates
        )
        dataset: Any = InferenceDataset(config)
        (query,) = queries.queries.values()
        return len(dataset.create_all_features(query)["residue_index"])

    return run


def protenix(job: Path) -> Callable[[], int]:
    """Its dictionary and its cache of conformers are downloads; those of the job are made here and not timed."""
    sys.modules["esm"] = MagicMock()  # the language model, which is not used
    from protenix.data.core import ccd
    from protenix.data.inference.infer_dataloader import InferenceDataset

    ccd.COMPONENTS_FILE = str(job.parent / "components.cif")
    write_components(ccd.COMPONENTS_FILE)
    ccd._ccd_rdkit_mols = {code: cached_molecule(ccd, code) for code in ccd.get_all_ccd_code()}
    dataset: Any = InferenceDataset.__new__(InferenceDataset)
    dataset.configs = SimpleNamespace(sample_diffusion=SimpleNamespace(guidance=SimpleNamespace(enable=False)))
    dataset.use_msa = dataset.use_rna_msa = dataset.msa_pair_as_unpair = True
    dataset.use_template, dataset.esm_enable, dataset.online_template_featurizer = False, False, None

    def run() -> int:
        (sample,) = json.loads(job.read_text())
        return len(dataset.process_one(sample)[0]["input_feature_dict"]["residue_index"])

    return run


def write_components(path: str) -> None:
    """The components of the job in mmCIF form, from the dictionary that Biotite has."""
    from biotite.structure.info import get_ccd
    from biotite.structure.io.pdbx import CIFBlock, CIFCategory, CIFFile

    dictionary: Any = get_ccd()
    file = CIFFile({code: CIFBlock() for code in COMPONENTS})
    for table, key in {"chem_comp": "id", "chem_comp_atom": "comp_id", "chem_comp_bond": "comp_id"}.items():
        owners = dictionary[table][key].as_array()
        rows = {code: (owners == code).nonzero()[0] for code in COMPONENTS}
        columns = {name: column.as_array(str) for name, column in dictionary[table].items()}
        for code, mine in rows.items():
            if len(mine):
                file[code][table] = CIFCategory({name: column[mine] for name, column in columns.items()})
    file.write(path)


def cached_molecule(ccd: Any, code: str) -> Any:
    """The ideal coordinates of a component as its conformer, with what the implementation keeps beside it."""
    import numpy as np
    from biotite.interface.rdkit import to_mol
    from biotite.structure import BondList

    atoms = ccd.get_component_atom_array(code, keep_leaving_atoms=True, keep_hydrogens=True)
    atoms.bonds = atoms.bonds or BondList(len(atoms))
    mol: Any = to_mol(atoms)
    mol.name, mol.ref_conf_id, mol.ref_conf_type, mol.sanitized = code, 0, "ideal", True
    mol.atom_map = {name: place for place, name in enumerate(atoms.atom_name.tolist())}
    mol.ref_mask = np.ones(mol.GetNumAtoms(), bool)
    return mol


def main() -> None:
    which, job, runs = sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3])
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the implementation prints
    os.chdir(job.parent)
    run = {"protenix": protenix, "openfold3": openfold3}[which](job)
    seconds, busy, tokens = [], [], 0
    for _ in range(runs):
        start, start_busy = time.perf_counter(), time.process_time()
        tokens = run()
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - start_busy)
    print(json.dumps(dict(tokens=tokens, seconds=seconds, busy=busy)), file=output)


if __name__ == "__main__":
    main()
