"""Python imports this when it starts, in whatever the tests start: kernels and commands too.

`conftest.isolate` puts this folder on PYTHONPATH.
"""

from __future__ import annotations

import no_network

no_network.block()
