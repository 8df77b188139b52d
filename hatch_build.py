"""The build of the wheel: stages what the function's code is made of beside this project's own.

Owns that crhelper and the service models are in the wheel, made of the pinned versions, and never in git.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StageThirdParty(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `evs_entitlements/staged/` to a wheel."""

    PLUGIN_NAME = "custom"
    _folder: str | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Stage the files.

        Raises:
            RuntimeError: the build has other versions than the pinned ones.
        """
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root) / "constructs"))
        try:
            from evs_entitlements import third_party
        finally:
            sys.path.pop(0)
        self._folder = tempfile.mkdtemp(prefix="evs-entitlements-")
        third_party.write(third_party.made_of_installed(), Path(self._folder))
        build_data["force_include"][self._folder] = f"evs_entitlements/{third_party.STAGED}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was staged."""
        if self._folder is not None:
            shutil.rmtree(self._folder)
