"""Runs a notebook in two kernels: the first one is killed at the cell that is tagged `new-kernel`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    at = next(at for at, cell in enumerate(notebook.cells) if "new-kernel" in cell.metadata.get("tags", []))
    for cells in (notebook.cells[:at], notebook.cells[at:]):
        part = nbformat.v4.new_notebook(cells=cells)
        NotebookClient(part, timeout=300, kernel_name="python3", shutdown_kernel="immediate").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    sys.stdout.write(json.dumps(outputs))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
