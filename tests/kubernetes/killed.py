"""`python -m tests.kubernetes.killed FILE`: applies a pickled spec, to be killed on the way."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from paas.runtimes.kubernetes import KubernetesRuntime
from tests.kubernetes.conftest import SETTINGS

if __name__ == "__main__":
    spec, token = pickle.loads(Path(sys.argv[1]).read_bytes())
    for _ in KubernetesRuntime(SETTINGS).apply(spec, token):
        pass
