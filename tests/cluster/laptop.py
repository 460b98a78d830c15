"""What somebody writes on a laptop: files of a project of their own, and scripts that send sweeps away."""

from __future__ import annotations

from pathlib import Path

HELPERS = """\
from torch import nn
from deeper import OUTPUTS

def head(width):
    return nn.Linear(width, OUTPUTS)
"""

NETWORKS = """\
import os, socket, sys, time
from pathlib import Path
import torch
from torch import nn
from gradfleet import AutoModel, Float, Int, Objective, Tuner
import helpers

SHARED = os.environ["SHARED"]

def mlp(input_shape, num_outputs, width=8):
    host, until = socket.gethostname(), time.monotonic() + 120
    Path(SHARED, f"built-on-{host}").touch()
    # A trial is over before the other host's worker has begun, so the first ones wait for each other.
    while host != "laptop" and len(list(Path(SHARED).glob("built-on-*"))) < 3 and time.monotonic() < until:
        time.sleep(0.1)
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), helpers.head(width))

x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
tuner = Tuner()
tuner.architecture("mlp", mlp, width=Int(4, 64, log=True))
tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
model = AutoModel(tuner, objective=Objective("val_accuracy", "max")).compile(loss="cross_entropy", metrics=["accuracy"])
study = model.fit(
    (x, (x[:, 0] > 0).long()), trials=8, epochs=3, name="networks", cluster=os.environ["CLUSTER"], scheduler="none",
    store=f"{SHARED}/gradfleet.db", resume=True, wait=False, progress=False,
)
assert study.state in ("queued", "running"), study.state
os.kill(os.getpid(), 9)  # the lid is closed
"""

EPOCHS = """\
import os, socket, time
from pathlib import Path
from gradfleet import AutoModel, Float, Objective

LOG, HOLD = Path("@SHARED", "epochs.txt"), Path("@SHARED", "hold")

def train(config, report):
    came_from = report.resume()
    done = 0 if came_from is None else int((came_from / "epoch.txt").read_text())
    LOG.with_name(f"trained-on-{socket.gethostname()}").touch()
    kept = Path("kept")
    kept.mkdir(exist_ok=True)
    for epoch in range(done + 1, 6):
        time.sleep(0.1)
        while epoch == 3 and HOLD.exists():  # what ran is in the middle of it when its host is lost
            time.sleep(0.1)
        with LOG.open("a") as log:
            log.write(f"{config['x']:.6f} {epoch} {socket.gethostname()}\\n")
        (kept / "epoch.txt").write_text(str(epoch))
        report({"score": config["x"] * epoch}, epoch=epoch, checkpoint=kept)

def search():
    return AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
"""

SWEEP = """\
version: 1
name: epochs
recipe: epochs:search
search: {trials: 10, epochs: 5, scheduler: none, sampler: random}
store: gradfleet.db
"""

GANGS = """\
import os, socket
from pathlib import Path
import torch
from torch import nn
from gradfleet import AutoModel, Float, Objective, Resources, Tuner

SHARED = "@SHARED"

def small(input_shape, num_outputs):
    Path(SHARED, f"rank-{os.environ.get('RANK')}-on-{socket.gethostname()}").touch()
    return nn.Sequential(nn.Linear(input_shape[0], 8), nn.Tanh(), nn.Linear(8, num_outputs))

inputs = torch.randn(71, 4, generator=torch.Generator().manual_seed(1))
tuner = Tuner()
tuner.architecture("small", small)
tuner.optimizer("sgd", learning_rate=Float(0.05, 0.5, log=True))
model = AutoModel(tuner, objective=Objective("val_accuracy", "max")).compile(loss="cross_entropy", metrics=["accuracy"])
shared = {"trials": 2, "epochs": 2, "scheduler": "none", "store": f"{SHARED}/gangs.db", "progress": False}
for name in ("gang-a", "gang-b", "alone"):
    gang = {"cluster": os.environ["CLUSTER"], "resources": Resources(cpu=1, workers=2), "wait": False}
    where = gang if name != "alone" else {"cluster": "inline"}
    model.fit((inputs, (inputs[:, 0] > 0).long()), name=name, warm_start=False, **where, **shared)
"""

BAD = """\
import os, sys
from pathlib import Path
from gradfleet import AutoModel, Float, Objective
import licensed

def train(config, report):
    report({"score": licensed.value})

case, disk, shared = sys.argv[1], os.environ["DISK"], os.environ["SHARED"]
store = {"store": f"{disk}/gradfleet.db"}.get(case, f"{shared}/bad.db")
model = AutoModel.from_function(train if case == "import" else lambda config, report: report({"score": 1.0}),
                                {"x": Float(0.0, 1.0)}, Objective("score", "max"))
model.fit(trials=1, name=case, cluster=os.environ["CLUSTER"], store=store, progress=False,
          artifacts=f"{disk}/artifacts" if case == "artifacts" else f"{shared}/artifacts")
"""

LICENSED = """\
import os
from pathlib import Path
value = float(Path(os.environ.get("DISK", "/nowhere"), "licence").read_text())
"""


def write_project(folder: Path, *, shared: Path) -> Path:
    """The project's files, in a new folder; `shared` is seen by the cluster too."""
    folder.mkdir()
    texts = {
        "helpers": HELPERS,
        "networks": NETWORKS,
        "epochs": EPOCHS,
        "gangs": GANGS,
        "bad": BAD,
        "licensed": LICENSED,
    }
    for name, text in {**texts, "licensed": LICENSED, "deeper": "OUTPUTS = 2\n"}.items():
        (folder / f"{name}.py").write_text(text.replace("@SHARED", str(shared)))
    (folder / "lost.yaml").write_text(SWEEP)
    return folder
