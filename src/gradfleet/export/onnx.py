"""ONNX: a network as a graph that onnxruntime runs, whole or with its matrix products in 8 bits."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch

from gradfleet.errors import ExportError

GRAPH = "model.onnx"
_NEEDED = ("onnx", "onnxscript", "onnxruntime")


def require_onnx() -> None:
    """Raises ExportError with the extra's name when one of the packages is missing."""
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise ExportError(f'ONNX needs {" and ".join(missing)}: pip install "gradfleet[export]".')


def write_onnx(program: torch.export.ExportedProgram, names: Sequence[str], folder: Path) -> None:
    """Write the program as `model.onnx`, with inputs of these names and an output "outputs", of any number of rows.

    Raises:
        ExportError: an operation has no counterpart in ONNX; torch's reason is in the message.
    """
    try:
        with _quiet():
            graph = torch.onnx.export(
                program, (), dynamo=True, input_names=list(names), output_names=["outputs"], verbose=False
            )
            assert graph is not None, "with dynamo=True there is a program"
            graph.save(folder / GRAPH)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(f"The network cannot be written as ONNX: {reason}") from error


def quantize(folder: Path) -> None:
    """Turn the weights of matrix products and embeddings into 8-bit integers; activations are measured as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = folder / GRAPH
    small = folder / "quantized.onnx"
    with _quiet():
        quantize_dynamic(whole, small, weight_type=QuantType.QInt8, per_channel=True)
    small.replace(whole)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch and onnxruntime say about parts of themselves; errors are raised all the same."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
