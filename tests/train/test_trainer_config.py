"""The settings of `af3 train`: experiments, what is wrong with a command line in one sentence, and sweeps."""

from dataclasses import asdict, replace

import pytest
import torch
from typer.testing import CliRunner

from alphafold3_pytorch.cli import app
from alphafold3_pytorch.models.presets import preset
from alphafold3_pytorch.train import checkpoints
from alphafold3_pytorch.train.config import changed, interrupted, make_network, runs, settings
from alphafold3_pytorch.weights.families import save_native

GIVEN = ["out=run", "data.folder=structures"]


def test_initial_training_is_the_papers():
    run = settings(GIVEN)
    assert (run.data.crop_size, run.diffusion_copies, run.examples_per_step, run.recycles) == (384, 48, 256, 3)
    assert (run.optimizer.lr, run.optimizer.beta1, run.optimizer.beta2, run.optimizer.eps) == (1.8e-3, 0.9, 0.95, 1e-8)
    assert (run.optimizer.clip, run.optimizer.ema, run.rollout_steps) == (10, 0.999, 20)
    assert (run.loss.diffusion, run.loss.distogram, run.loss.confidence) == (4, 0.03, 1e-4)
    assert (run.loss.bond, run.loss.pae, run.loss.smooth_lddt) == (0, 0, 1)
    assert (run.schedule.warmup, run.schedule.decay, run.schedule.every) == (1000, 0.95, 50_000)


@pytest.mark.parametrize(("stage", "crop"), [(1, 640), (2, 768)])
def test_fine_tuning_is_the_papers(stage, crop):
    run = settings([f"experiment=finetune{stage}", "weights=before.safetensors", *GIVEN])
    assert (run.data.crop_size, run.diffusion_copies, run.loss.bond, run.loss.pae) == (crop, 32, 1, 0)
    assert run.loss.diffusion == 4 and not run.finetune.frozen


def test_the_last_stage_trains_the_confidence_head_alone():
    run = settings(["experiment=finetune3", "weights=before.safetensors", *GIVEN])
    assert (run.data.crop_size, run.loss.diffusion, run.loss.distogram, run.loss.pae) == (768, 0, 0, 1)
    network, _ = make_network(replace(run, weights=None, preset="nano"))
    trained = {name.partition(".")[0] for name, value in network.named_parameters() if value.requires_grad}
    assert trained == {"confidence"}


def test_the_small_network_fits_25_mb():
    network, _ = make_network(settings(["experiment=nano", *GIVEN]))
    assert 2 * sum(value.numel() for value in network.state_dict().values()) < 25e6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stps=3"], "Key 'stps' not in 'RunSettings'; did you mean steps?"),
        (["steps=many"], "steps: Value 'many' of type 'str' could not be converted to Integer"),
        (["data.foldr=x"], "did you mean data.folder"),
        (["experiment=nino"], "Could not find 'experiment/nino'"),
        (["+new=1", *GIVEN], "'+new=1' is no setting; write name=value"),
        (["nonsense"], "'nonsense' is no setting; write name=value"),
        (["out=x"], "data.folder is not set; write data.folder=FOLDER"),
        (["data.folder=x"], "out is not set; write out=FOLDER"),
        (["experiment=finetune1", *GIVEN], "weights is not set; write weights=NAME_OR_PATH"),
        (["batch_size=0", *GIVEN], "batch_size is 0; it must be at least 1"),
        (["data.crop_size=0", *GIVEN], "data.crop_size is 0; it must be at least 1"),
        (["optimizer.lr=-1", *GIVEN], "optimizer.lr is -1.0; it must be at least 0"),
        (["data.distillation_folders=[a]", *GIVEN], "data.distillation_weights has 0 numbers; there are 1 folders"),
        (
            ["data.distillation_folders=[a,b]", "data.distillation_weights=[0.9,0.2]", *GIVEN],
            "data.distillation_weights are [0.9, 0.2]; they are shares of all examples, together up to 1",
        ),
    ],
)
def test_mistakes_are_named(words, message):
    with pytest.raises(ValueError) as error:
        runs(words)
    assert message in str(error.value)


def test_a_sweep_is_several_runs_in_folders_of_their_own():
    found = runs([*GIVEN, "optimizer.lr=1e-3,2e-3", "seed=1,2"])
    assert [(run.optimizer.lr, run.seed) for run in found] == [(1e-3, 1), (1e-3, 2), (2e-3, 1), (2e-3, 2)]
    assert [run.out for run in found] == ["run/0", "run/1", "run/2", "run/3"]


def test_the_network_changes_by_name_and_type():
    config = changed(preset("openfold3"), {"pairformer": {"depth": 2}, "r_max": 8})
    assert (config.pairformer.depth, config.r_max, config.pairformer.heads) == (2, 8, 16)
    with pytest.raises(ValueError, match=r"network.msa.dpth does not exist; did you mean depth"):
        changed(config, {"msa": {"dpth": 2}})
    with pytest.raises(ValueError, match=r"network.dim_single is 'wide'; it must be int"):
        changed(config, {"dim_single": "wide"})


def small_weights(tmp_path):
    network, _ = make_network(settings(["experiment=nano", *GIVEN]))
    save_native(network, tmp_path / "small.safetensors")
    return network, [f"weights={tmp_path / 'small.safetensors'}", *GIVEN]


def test_weights_are_trained_on_with_frozen_parts_or_adapters(tmp_path):
    start, words = small_weights(tmp_path)
    frozen, _ = make_network(settings([*words, "finetune.frozen=[trunk]"]))
    assert not any(value.requires_grad for value in frozen.trunk.parameters())
    assert all(value.requires_grad for value in frozen.diffusion.parameters())
    torch.testing.assert_close(frozen.state_dict(), start.state_dict())
    adapted, _ = make_network(settings([*words, "finetune.lora=[trunk.pairformer]", "finetune.rank=2"]))
    trained = [name for name, value in adapted.named_parameters() if value.requires_grad]
    assert trained and all("trunk.pairformer" in name and name.endswith((".up", ".down")) for name in trained)
    with pytest.raises(ValueError, match="has no part 'trank'; its parts are inputs, trunk"):
        make_network(settings([*words, "finetune.frozen=[trank]"]))
    with pytest.raises(ValueError, match="leave out preset and network"):
        make_network(settings([*words, "preset=openfold3"]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["experiment=nano", "out=OUT", "data.folder=missing"], "missing is not a folder"),
        (["experiment=nano", "out=OUT", "data.folder=OUT"], "no mmCIF file"),
        (["experiment=nano", "out=OUT", "data.folder=OUT", "--resume"], "there is no checkpoint"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, words, message):
    result = CliRunner().invoke(app, ["train", *(word.replace("OUT", str(tmp_path)) for word in words)])
    assert isinstance(result.exception, ValueError) and message in str(result.exception)


def test_what_may_change_when_a_run_goes_on(tmp_path, caplog):
    words = ["experiment=nano", f"out={tmp_path}", "data.folder=structures"]
    checkpoints.write(tmp_path / "af3.ckpt.3.pt", {"model": {}, "optimizer": {}, "config": asdict(settings(words))})
    path, _ = interrupted(settings([*words, "steps=2000", "data.workers=0"]))
    assert path.name == "af3.ckpt.3.pt"
    assert caplog.messages == ["goes on with steps=2000 (was 5000), data.workers=0 (was 2)"]
    for change in ("optimizer.lr=5e-4", "seed=1", "schedule.warmup=1", "finetune.rank=2", "network.r_max=3"):
        name = change.partition("=")[0]
        with pytest.raises(ValueError, match=f"--resume cannot change {name}=.* start anew with weights=.*weights.sa"):
            interrupted(settings([*words, change]))
    with pytest.raises(ValueError, match="settings that the run began with"):
        interrupted(settings(words[1:]))


def test_the_command_shows_all_settings():
    result = CliRunner().invoke(app, ["train", "experiment=nano", *GIVEN, "--show"])
    assert result.exit_code == 0 and "examples_per_step: 1\n" in result.stdout
    assert set(asdict(settings(GIVEN))) <= {line.split(":")[0] for line in result.stdout.splitlines()}
