"""crhelper, imported without boto3.

Owns that import. crhelper imports boto3 for three clients of a polling that is not used here, and boto3 imports
multiprocessing and an S3 transfer manager with it: as much to load as botocore's half. An empty module stands in for
it while crhelper is imported, and only then; where something has imported boto3 already, crhelper gets that.
"""

import sys
from types import ModuleType

_absent = "boto3" not in sys.modules
if _absent:
    sys.modules["boto3"] = ModuleType("boto3")
try:
    from crhelper import CfnResource as CfnResource
    from crhelper import log_helper as log_helper
finally:
    if _absent:
        del sys.modules["boto3"]
