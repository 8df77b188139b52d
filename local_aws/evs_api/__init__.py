"""The EVS API on this machine, served from botocore's own model of the service.

A `World` holds what is entitled; `EvsApi` serves it over HTTP; `EvsControl` steers it from any process.
"""

from local_aws.evs_api.client import ControlError, EvsControl
from local_aws.evs_api.errors import ApiError
from local_aws.evs_api.faults import FaultRule
from local_aws.evs_api.server import EvsApi
from local_aws.evs_api.settings import Settings
from local_aws.evs_api.world import World

__all__ = ["ApiError", "ControlError", "EvsApi", "EvsControl", "FaultRule", "Settings", "World"]
