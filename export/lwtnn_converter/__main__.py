"""``python -m lwtnn_converter``: the same as ``keras2lwtnn``."""

from __future__ import annotations

import sys

from lwtnn_converter.cli import main

sys.exit(main())
