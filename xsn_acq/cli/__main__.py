"""``python -m xsn_acq.cli``."""

import sys

from xsn_acq.cli.main import main

sys.exit(main())
