"""What a user is told where EVS does not know the environment or the connector, or can't be asked. Pure."""

from ..aws.calls import AwsError, NotFound
from ..errors import Failure
from ..values import Connector


def explained(error: AwsError, connector: Connector, place: str) -> Failure:
    """Return an error of a look as it is told to a user; `place` is as `not_found` takes it."""
    if isinstance(error, NotFound):
        return not_found(error, connector, place)
    return Failure(f"EVS can't be asked for the entitlements of {connector}: {error}")


def not_found(error: NotFound, connector: Connector, place: str) -> Failure:
    """Name the environment or connector that does not exist, and where it was looked for.

    Args:
        place: region and account in words, or an empty string.
    """
    which = {
        connector.environment_id: f"environment {connector.environment_id}",
        connector.connector_id: f"connector {connector.connector_id} of environment {connector.environment_id}",
    }
    what = which.get(error.resource_id, f"environment {connector.environment_id} or connector {connector.connector_id}")
    said = f" (EVS: {error.message})" if error.message and "not found" not in error.message.lower() else ""
    return Failure(
        f"{what} was not found{place and f' in {place}'}{said}. `evs-entitlements environments` lists what there is, "
        "and so does `aws evs list-environments`"
    )
