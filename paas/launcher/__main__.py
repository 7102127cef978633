"""`python -m paas.launcher`."""

import sys

from paas.launcher.main import main

sys.exit(main())
