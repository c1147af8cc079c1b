"""``python -m tco`` is the shell ``tco``."""

import sys

from tco.cli import main

sys.exit(main())
