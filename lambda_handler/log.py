"""The function's logger; `cloudformation/log.py` gives its lines their form."""

import logging

logger = logging.getLogger("evs_entitlements")
