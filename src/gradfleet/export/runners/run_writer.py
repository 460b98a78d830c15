"""run_writer.py EXPORT TEXTS WRITTEN: what an exported encoder-decoder writes, with transformers and torch alone."""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

export, texts, written = sys.argv[1:]
network = AutoModelForSeq2SeqLM.from_pretrained(export, local_files_only=True).eval()
tokenizer = AutoTokenizer.from_pretrained(export, local_files_only=True)
read = json.loads(Path(texts).read_text(encoding="utf-8"))
found = [""] * len(read)
order = sorted(range(len(read)), key=lambda row: len(read[row]))  # texts of like length need little padding
for start in range(0, len(order), 32):
    rows = order[start : start + 32]
    batch = tokenizer([read[row] for row in rows], truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        tokens = network.generate(**batch)
    for row, text in zip(rows, tokenizer.batch_decode(tokens, skip_special_tokens=True), strict=True):
        found[row] = text.strip()
Path(written).write_text(json.dumps(found), encoding="utf-8")
assert "gradfleet" not in sys.modules
