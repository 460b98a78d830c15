"""run_bundle.py BUNDLE PREPARED METRICS: measure a bundle on prepared validation rows, as JSON."""

import json
import sys
from pathlib import Path

from gradfleet.data.prepared import read_prepared
from gradfleet.export.bundle import Bundle

bundle, prepared, metrics = sys.argv[1:]
# The caller has just written this bundle itself, so its program is trusted.
measured = Bundle.load(bundle, trust_program=True).evaluate(read_prepared(Path(prepared)).validation)
Path(metrics).write_text(json.dumps(measured), encoding="utf-8")
