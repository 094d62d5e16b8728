"""The parity tool: it notices what is off, takes cases of any make-up, and says so when there is nothing to compare."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tools import parity
from tools.parity_stage import Stage, each, even

CASES = Path(__file__).resolve().parents[1] / "goldens" / "cases"


@pytest.fixture
def case(tmp_path):
    """Makes a copy of a case, to be changed."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(CASES / name, tmp_path / name))

    return copy


def edit(path: Path, change) -> None:
    arrays = load_file(path)
    change(arrays)
    path.unlink()
    save_file({key: value.contiguous() for key, value in arrays.items()}, path)


def run(monkeypatch, capsys, *words: object) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["parity.py", *map(str, words)])
    code = parity.main()
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def names(folder: Path) -> set[str]:
    with torch.no_grad():
        found = list(parity.stages(folder))
    assert all(stage.passed for stage in found), [stage.line() for stage in found if not stage.passed]
    return {stage.name for stage in found}


def test_one_line_per_stage(monkeypatch, capsys):
    code, text = run(monkeypatch, capsys, CASES / "openfold3")
    lines = text.splitlines()
    assert code == 0 and lines[-2] == "all stages agree"
    assert sum(line.startswith("ok ") for line in lines) == 19


@pytest.mark.parametrize(
    ("name", "file", "key"),
    [
        ("openfold3", "weights.safetensors", "pairformer_stack.blocks.0.pair_stack.tri_att_end.linear_z.weight"),
        ("protenix_v1", "weights.safetensors", "confidence_head.linear_no_bias_d_wo_onehot.weight"),
        ("alphafold3", "params.safetensors", "diffuser/evoformer/left_single/weights"),
    ],
)
def test_a_changed_weight_is_noticed(case, monkeypatch, capsys, name, file, key):
    folder = case(name)
    edit(folder / file, lambda arrays: arrays.update({key: arrays[key] * 1.05}))
    code, text = run(monkeypatch, capsys, folder, "--outputs-only")
    assert code == 1 and "OFF" in text and "stages differ" in text


def test_a_changed_output_is_noticed(case, monkeypatch, capsys):
    folder = case("protenix_v2")
    edit(folder / "outputs_f64ref.safetensors", lambda arrays: arrays["rollout_x"].add_(1.0))
    code, text = run(monkeypatch, capsys, folder)
    assert code == 1 and text.count("OFF") == 1 and "1 stages differ" in text


@pytest.mark.parametrize("name", ["alphafold3", "openfold3", "protenix_v1"])
def test_only_weights_inputs_and_one_output_are_needed(case, name):
    folder = case(name)
    for file in ("config.json", "noise_floor.json", "outputs.safetensors" if name != "alphafold3" else "none"):
        (folder / file).unlink(missing_ok=True)
    reference = folder / ("outputs.safetensors" if name == "alphafold3" else "outputs_f64ref.safetensors")
    kept = {"alphafold3": "trunk/pass2/pair", "openfold3": "z_cycle1", "protenix_v1": "z_cycle1"}[name]
    edit(reference, lambda arrays: [arrays.pop(key) for key in list(arrays) if key != kept])
    assert names(folder) == {kept}


def test_outputs_in_single_precision_alone(case):
    folder = case("protenix_v1")
    (folder / "outputs_f64ref.safetensors").rename(folder / "outputs.safetensors")
    assert "pae_logits" in names(folder)


@pytest.mark.parametrize(
    ("name", "noisy", "level"), [("protenix_v2", "x_noisy", "t_hat_noise_level"), ("openfold3", "xl_noisy", "t")]
)
def test_any_number_of_probes(case, name, noisy, level):
    """One noise level, three sets of positions for the confidence head, two rollouts: whatever there is."""
    folder = case(name)
    axis = 1 if name == "openfold3" else 0
    first = lambda x: x.narrow(axis, 0, 1)  # noqa: E731
    again = lambda x: torch.cat([x, first(x)], dim=axis)  # noqa: E731

    def inputs(arrays):
        arrays[f"probe.{noisy}"], arrays[f"probe.{level}"] = (
            first(arrays[f"probe.{noisy}"]),
            first(arrays[f"probe.{level}"]),
        )
        arrays["probe.x_pred_coords"] = again(arrays["probe.x_pred_coords"])
        draws = arrays["probe.rollout_noise"]
        arrays["probe.rollout_noise"] = torch.cat([draws, draws], dim=axis + 1)

    def outputs(arrays):
        arrays["x_denoised"] = first(arrays["x_denoised"])
        for key in arrays:
            if key in ("plddt_logits", "resolved_logits", "experimentally_resolved_logits", "pae_logits", "pde_logits"):
                arrays[key] = again(arrays[key])
        arrays["rollout_x"] = torch.cat([arrays["rollout_x"]] * 2, dim=axis)

    edit(folder / "inputs.safetensors", inputs)
    edit(folder / "outputs_f64ref.safetensors", outputs)
    (folder / "outputs.safetensors").unlink()
    compared = names(folder)
    assert "x_denoised/0" in compared and "x_denoised/1" not in compared and "rollout_x" in compared


def test_constants_of_the_sampler_come_from_the_case(case):
    folder = case("protenix_v1")
    config = json.loads((folder / "config.json").read_text())
    config["config"]["sample_diffusion"]["step_scale_eta"] = 1.0
    (folder / "config.json").write_text(json.dumps(config))
    with torch.no_grad():
        assert [stage.name for stage in parity.stages(folder) if not stage.passed] == ["rollout_x"]


def test_official_parameters_as_records(case):
    from alphafold3_pytorch.weights.records import write_records

    folder = case("alphafold3")
    write_records(folder / "params.bin.zst", load_file(folder / "params.safetensors"))
    (folder / "params.safetensors").unlink()
    edit(folder / "outputs.safetensors", lambda arrays: [arrays.pop(k) for k in list(arrays) if k != "target_feat"])
    assert names(folder) == {"target_feat"}


def test_nothing_to_compare(case, monkeypatch, capsys, tmp_path):
    assert run(monkeypatch, capsys, tmp_path)[0] == 2
    code, text = run(monkeypatch, capsys, tmp_path / "no")
    assert code == 2 and "is not a case directory" in text
    folder = case("openfold3")
    (folder / "weights.safetensors").unlink()
    assert "has no weights.safetensors" in run(monkeypatch, capsys, folder)[1]
    folder = case("protenix_v1")
    for file in ("outputs.safetensors", "outputs_f64ref.safetensors"):
        (folder / file).unlink()
    code, text = run(monkeypatch, capsys, folder)
    assert code == 2 and "holds no outputs that could be compared" in text


def test_stages_judge_by_their_own_deviation():
    reference = torch.tensor([[0.0, 1.0, 2.0], [0.0, 1000.0, 2000.0]])
    good, bad = each("x", reference + 1e-3, reference)
    assert (good.name, good.passed, bad.passed) == ("x/0", False, True)
    assert not Stage("nan", torch.tensor([float("nan")]), torch.tensor([1.0])).passed
    assert not Stage("shape", torch.ones(2), torch.ones(3)).passed
    assert even(torch.tensor([2560.0, 0.0]))[1] == 0
