from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from gradfleet.data import prepared
from gradfleet.data.cache import prepare_once, read_manifest
from gradfleet.data.dataset import AutoDataset
from gradfleet.data.prepared import DataFacts, DataRef, PreparedData
from gradfleet.errors import ExecutionError

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = np.array(["no", "yes"] * 10)


def fresh(ref: DataRef) -> PreparedData:
    """As a process opens it that has not opened it before."""
    prepared._OPEN.pop(ref.place, None)
    return pickle.loads(pickle.dumps(ref)).open()


def test_facts_survive_json(tmp_path: Path) -> None:
    facts = AutoDataset((X, Y)).open().facts
    assert DataFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts
    plain = DataFacts("regression", (3,), 1)
    assert DataFacts.from_json(json.loads(json.dumps(plain.to_json()))) == plain


def test_a_reference_opens_the_same_rows_in_another_process(tmp_path: Path) -> None:
    ref = AutoDataset((X, Y)).prepare(tmp_path)
    assert Path(ref.place).is_absolute()
    assert len(pickle.dumps(ref)) < 500
    code = (
        "import pickle, sys; ref = pickle.loads(bytes.fromhex(sys.argv[1])); data = ref.open();"
        "print(data.fingerprint, float(data.train.inputs.sum()), data.validation.targets.tolist())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, pickle.dumps(ref).hex()], capture_output=True, text=True, check=True
    )
    here = ref.open()
    assert said.stdout.split(maxsplit=2) == [
        ref.fingerprint,
        str(float(here.train.inputs.sum())),
        f"{here.validation.targets.tolist()}\n",
    ]


def test_data_is_opened_once_a_process(tmp_path: Path) -> None:
    ref = AutoDataset((X, Y)).prepare(tmp_path)
    assert pickle.loads(pickle.dumps(ref)).open() is ref.open()


def test_only_the_latest_prepared_folders_are_kept_open(tmp_path: Path) -> None:
    refs = [AutoDataset((X + number, Y)).prepare(tmp_path) for number in range(10)]
    assert len(prepared._OPEN) == prepared._KEEP_OPEN
    assert torch.equal(refs[0].open().facts and refs[0].open().train.inputs, fresh(refs[0]).train.inputs)


def test_writing_to_opened_rows_changes_no_file(tmp_path: Path) -> None:
    ref = AutoDataset((X, Y)).prepare(tmp_path)
    before = fresh(ref).train.inputs.clone()
    ref.open().train.inputs.zero_()
    assert torch.equal(fresh(ref).train.inputs, before)


def test_a_folder_that_is_gone_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match=r"no intact prepared data at .*nowhere\. Call AutoDataset.prepare again"):
        DataRef("f" * 32, str(tmp_path / "nowhere")).open()
    ref = AutoDataset((X, Y)).prepare(tmp_path)
    with pytest.raises(ExecutionError, match="was prepared from other data"):
        DataRef("f" * 32, ref.place).open()


def test_a_prepared_folder_is_used_again(tmp_path: Path) -> None:
    ref = AutoDataset((X, Y)).prepare(tmp_path / "cache")
    stamp = (Path(ref.place) / "inputs.npy").stat().st_mtime_ns
    assert AutoDataset((X.tolist(), Y)).prepare(tmp_path / "cache") == ref
    assert (Path(ref.place) / "inputs.npy").stat().st_mtime_ns == stamp
    assert os.listdir(tmp_path / "cache") == [Path(ref.place).name]


def test_other_settings_have_another_folder_but_the_same_fingerprint(tmp_path: Path) -> None:
    first, other = (AutoDataset((X, Y), seed=seed).prepare(tmp_path) for seed in (0, 1))
    assert first.fingerprint == other.fingerprint
    assert first.place != other.place
    given = [AutoDataset((X, Y), validation=(X, Y), seed=seed).prepare(tmp_path) for seed in (0, 1)]
    assert given[0] == given[1]


@pytest.mark.parametrize("damage", ["missing", "short", "manifest"])
def test_a_damaged_folder_is_made_again(tmp_path: Path, damage: str) -> None:
    ref = AutoDataset((X, Y)).prepare(tmp_path)
    before = fresh(ref).train.inputs.clone()
    inputs, manifest = Path(ref.place) / "inputs.npy", Path(ref.place) / "manifest.json"
    if damage == "missing":
        inputs.unlink()
    elif damage == "short":
        inputs.write_bytes(inputs.read_bytes()[:-1])
    else:
        manifest.write_text("{")
    prepared._OPEN.clear()
    assert AutoDataset((X, Y)).prepare(tmp_path) == ref
    assert torch.equal(fresh(ref).train.inputs, before)
    assert os.listdir(tmp_path) == [Path(ref.place).name]


def test_a_killed_process_leaves_nothing_that_is_believed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from gradfleet.data.cache import prepare_once\n"
        "def fill(draft):\n"
        "    (draft / 'rows').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "prepare_once(Path(sys.argv[1]), 'key', fill)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert read_manifest(tmp_path / "key") is None

    def fill(draft: Path) -> dict[str, str]:
        (draft / "rows").write_text("whole")
        return {}

    place = prepare_once(tmp_path, "key", fill)
    assert (place / "rows").read_text() == "whole"
    assert os.listdir(tmp_path) == ["key"]


def test_two_that_prepare_at_once_end_with_one_folder_that_one_of_them_filled(tmp_path: Path) -> None:
    start, filled = threading.Barrier(2), []

    def fill(draft: Path) -> dict[str, str]:
        filled.append(draft)
        (draft / "rows").write_text("whole")
        return {}

    def prepare(_: int) -> Path:
        start.wait()
        return prepare_once(tmp_path, "key", fill)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(prepare, range(2))) == [tmp_path / "key"] * 2
    assert len(filled) == 1
    assert os.listdir(tmp_path) == ["key"]


def test_a_faster_process_behind_another_lock_wins_and_its_folder_stays(tmp_path: Path) -> None:
    def write(draft: Path, who: str) -> dict[str, str]:
        (draft / "rows").write_text(who)
        return {}

    def slow(draft: Path) -> dict[str, str]:
        for lock in tmp_path.glob(".*.lock"):
            lock.unlink()  # as on another node, which the lock does not reach
        other = threading.Thread(target=prepare_once, args=(tmp_path, "key", lambda draft: write(draft, "first")))
        other.start()
        other.join()
        return write(draft, "second")

    assert (prepare_once(tmp_path, "key", slow) / "rows").read_text() == "first"


def test_an_error_takes_away_every_folder_that_was_made_for_it(tmp_path: Path) -> None:
    def fail(draft: Path) -> dict[str, str]:
        (draft / "rows").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_once(tmp_path / "a" / "b", "key", fail)
    assert os.listdir(tmp_path) == []


def test_files_for_direct_use_go_with_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data = AutoDataset((X, Y))
    rows = data.open().train.inputs
    assert data.open().train.inputs is rows
    assert len(os.listdir(tmp_path)) == 1
    del data
    assert os.listdir(tmp_path) == []
    assert rows.isfinite().all()


def test_two_processes_end_with_one_folder_that_one_of_them_filled(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from gradfleet.data.cache import prepare_once\n"
        "def fill(draft):\n"
        "    time.sleep(0.3); (draft / 'rows').write_text('whole'); (Path(sys.argv[2]) / str(os.getpid())).touch()\n"
        "    return {}\n"
        "print(prepare_once(Path(sys.argv[1]), 'key', fill))"
    )
    folder, log = tmp_path / "cache", tmp_path / "log"
    log.mkdir()
    command = [sys.executable, "-c", code, str(folder), str(log)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == [str(folder / "key")] * 2
    assert len(os.listdir(log)) == 1
    assert os.listdir(folder) == ["key"]
