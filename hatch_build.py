"""The build of the wheel: stages what the function's code is made of beside this project's own.

Owns that crhelper and the service models are in the wheel, made of the pinned versions, with the licences that they
came under, and never in git.
"""

import shutil
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: The folder of the licences within the construct's package.
LICENCES = "third_party_licenses"
#: What has to come along: Apache License 2.0, section 4, (a) the licence and (d) the notice.
REQUIRED = ("LICENSE", "NOTICE")
#: Section 4 (b): what was changed.
_CHANGES = """\
The folder `staged` beside this one holds parts of other projects, which the code of the function is made of:

crhelper {crhelper}
    staged/crhelper: its modules, unchanged.
botocore {botocore}
    staged/models: models of services, changed: operations, shapes and services that are not called, and all
    documentation, are left out.

Their licences and notices are in the folders of their names here.
"""


class StageThirdParty(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `evs_entitlements/staged/` and `evs_entitlements/third_party_licenses/` to a wheel."""

    PLUGIN_NAME = "custom"
    _folder: str | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Stage the files.

        Raises:
            RuntimeError: the build has other versions than the pinned ones, or one without its licence.
        """
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root) / "constructs"))
        try:
            from evs_entitlements import third_party
        finally:
            sys.path.pop(0)
        self._folder = tempfile.mkdtemp(prefix="evs-entitlements-")
        for name, files in (
            (third_party.STAGED, third_party.made_of_installed()),
            (LICENCES, licences(third_party.PINS)),
        ):
            third_party.write(files, Path(self._folder) / name)
            build_data["force_include"][f"{self._folder}/{name}"] = f"evs_entitlements/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was staged."""
        if self._folder is not None:
            shutil.rmtree(self._folder)


def licences(pins: dict[str, str]) -> dict[str, bytes]:
    """Return the licences and notices of installed distributions as path -> text, and what was changed.

    Args:
        pins: name of the distribution -> version.

    Raises:
        RuntimeError: a distribution has no licence or no notice.
    """
    found = {}
    for name in pins:
        for required in REQUIRED:
            texts = [
                file
                for file in distribution(name).files or ()
                if file.stem == required and ".dist-info" in file.parts[0]
            ]
            if not texts:
                raise RuntimeError(f"{name}: got a distribution without {required}, expected one with it")
            for file in texts:
                found[f"{name}/{file.name}"] = Path(str(file.locate())).read_bytes()
    return found | {"README.txt": _CHANGES.format_map(pins).encode()}
