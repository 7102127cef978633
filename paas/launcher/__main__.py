"""`python -m paas.launcher`, and `python -m paas.launcher PART`."""

import sys

from paas.launcher.main import console

sys.exit(console())
