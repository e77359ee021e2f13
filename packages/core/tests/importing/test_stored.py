"""Reading foreign files: what is damaged is named, pickles run nothing, and memory stays small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from diptych.errors import CheckpointError
from diptych.importing.files import WeightFiles, files_of
from diptych.importing.plan import make_plan
from diptych.importing.rules import rename
from diptych.importing.stored import StoredTensors
from diptych.importing.stream import write_stream


def shards(folder, count=3, *, suffix=".safetensors", numbers=64, each=1):
    """Write `count` shards of `each` tensors and their index."""
    places = {}
    for number in range(count):
        name = f"model-{number + 1:05d}-of-{count:05d}{suffix}"
        seeds = [torch.Generator().manual_seed(number + 100 * more) for more in range(each)]
        tensors = {
            f"layer.{number}.w{more or ''}": torch.randn(numbers, generator=seed) for more, seed in enumerate(seeds)
        }
        save_file(tensors, folder / name) if suffix == ".safetensors" else torch.save(tensors, folder / name)
        places |= dict.fromkeys(tensors, name)
    (folder / f"model{suffix}.index.json").write_text(json.dumps({"weight_map": places}))


def stored(folder):
    return StoredTensors(files_of(folder, (WeightFiles(),)).files)


def fails(folder):
    with pytest.raises(CheckpointError) as caught:
        stored(folder)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_shards_are_found_by_their_index(tmp_path, suffix):
    shards(tmp_path, suffix=suffix)
    found = stored(tmp_path)
    assert [str(each) for each in found.facts.values()] == ["F32 [64]"] * 3
    wanted = torch.randn(64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(found.read("layer.1.w"), wanted)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors"])
def test_whole_files_are_found_by_their_usual_names(tmp_path, name):
    value = {"a": torch.arange(3)}
    save_file(value, tmp_path / name) if name.endswith("s") else torch.save(value, tmp_path / name)
    assert stored(tmp_path).read("a").tolist() == [0, 1, 2]


def test_files_of_several_folders_get_their_prefix(tmp_path):
    for sub in ("unet", "vae"):
        (tmp_path / sub).mkdir()
        save_file({"w": torch.zeros(1)}, tmp_path / sub / "model.safetensors")
    places = (WeightFiles("unet", prefix="unet/"), WeightFiles("vae", prefix="vae/"))
    assert list(StoredTensors(files_of(tmp_path, places).files).facts) == ["unet/w", "vae/w"]


def test_missing_shards_are_all_listed(tmp_path):
    shards(tmp_path)
    for number in (1, 3):
        (tmp_path / f"model-{number:05d}-of-00003.safetensors").unlink()
    text = fails(tmp_path)
    assert "lacks 2 of 3 shards" in text
    assert "model-00001-of-00003.safetensors, model-00003-of-00003.safetensors" in text


@pytest.mark.parametrize("size", [0, 4, 60, 200])
def test_a_truncated_file_is_named(tmp_path, size):
    shards(tmp_path)
    path = tmp_path / "model-00002-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    assert "model-00002-of-00003.safetensors is not a whole safetensors file" in fails(tmp_path)


@pytest.mark.parametrize("size", [0, 100, 900])
def test_a_truncated_pickle_is_named(tmp_path, size):
    torch.save({"a": torch.zeros(100)}, tmp_path / "pytorch_model.bin")
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:size])
    assert "pytorch_model.bin cannot be read as weights alone" in fails(tmp_path)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_pickles_run_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Evil()}, tmp_path / "pytorch_model.bin")
    assert "could run anything" in fails(tmp_path)
    assert not Path("ran").exists()


def test_old_pickles_are_read_too(tmp_path):
    torch.save({"a": torch.arange(4)}, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    assert stored(tmp_path).read("a").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("what", [[1], {"a": {"b": 1}}, {"step": 3}])
def test_pickles_of_something_else_are_refused(tmp_path, what):
    torch.save(what, tmp_path / "pytorch_model.bin")
    assert "does not hold a mapping of names to tensors" in fails(tmp_path)


def test_a_folder_without_weights_says_what_it_holds(tmp_path):
    (tmp_path / "readme.md").touch()
    assert "expected model.safetensors" in fails(tmp_path)
    assert "it holds readme.md" in fails(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 3}}'])
def test_a_damaged_index_is_named(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    assert "model.safetensors.index.json is damaged" in fails(tmp_path)


def test_an_index_cannot_lead_out_of_its_folder(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../secret.safetensors"}}')
    assert "names files outside its folder" in fails(tmp_path)


def test_a_name_in_two_files_is_refused(tmp_path):
    for name in ("a", "b"):
        save_file({"w": torch.zeros(1)}, tmp_path / f"{name}.safetensors")
    files = {f"|{name}": tmp_path / f"{name}.safetensors" for name in "ab"}
    with pytest.raises(CheckpointError, match=r"'w' is in a\.safetensors and again in b\.safetensors"):
        StoredTensors(files)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_numbers_that_are_none_are_refused(tmp_path, dtype):
    save_file({"w": torch.tensor([1.0, float("nan")]).to(dtype)}, tmp_path / "model.safetensors")
    found = stored(tmp_path)
    plan = make_plan([rename("w", "v")], found.facts, None)
    with pytest.raises(CheckpointError, match=r"w: NaN or infinity in model\.safetensors"):
        write_stream(found, plan.made, tmp_path / "out")


MEASURE = """
import sys
from pathlib import Path
from diptych.importing.files import WeightFiles, files_of
from diptych.importing.plan import make_plan
from diptych.importing.rules import rename
from diptych.importing.stored import StoredTensors
from diptych.importing.stream import write_stream

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

def convert(folder):
    stored = StoredTensors(files_of(Path(folder), (WeightFiles(),)).files)
    plan = make_plan([rename("layer.{number}.{rest...}", "ours.{number}.{rest...}")], stored.facts, None)
    assert not plan.problems
    write_stream(stored, plan.made, Path(folder) / "ours.safetensors")

convert(sys.argv[1])  # whatever is imported late is imported now
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
before = peak()
convert(sys.argv[2])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are read from Linux")
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_peak_memory_is_at_most_the_largest_shard_and_a_tenth(tmp_path, suffix):
    small, large = tmp_path / "small", tmp_path / "large"
    for folder, numbers in ((small, 64), (large, 2 << 20)):
        folder.mkdir()
        shards(folder, suffix=suffix, numbers=numbers, each=4)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(small), str(large)], capture_output=True, text=True, check=True
    )
    shard = max(path.stat().st_size for path in large.glob(f"model-*{suffix}"))
    assert (large / "ours.safetensors").stat().st_size > 2.9 * shard
    assert int(run.stdout) <= 1.1 * shard, f"{int(run.stdout) / shard:.2f} of the largest shard"
