"""Cloud assemblies for the CDK CLI that hold a given template and a given code of the function.

Owns the form: what the CDK itself has written for the fixed app, with another template and other code put in. So the
CLI deploys a stored version as it deployed it then, and reads no format that it has forgotten.
"""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from .stored_code import digest

#: A file within the code that says whose it is: two versions with the same code are two assets, and the function is
#: updated.
LABEL = "deployed-as.txt"


def write(shell: Path, stack: str, template: dict[str, Any], code: Path, label: str) -> str:
    """Write a cloud assembly beside another one, and return its folder.

    Parameters
    ----------
    shell
        The cloud assembly of the fixed app, as this version's construct makes it.
    stack
        Name of the stack.
    template
        What to deploy as that stack.
    code
        Folder of the code of its functions.
    label
        What makes this code differ from the same code of another version.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{stack}-{label}-", dir=shell.parent))
    for path in shell.glob("*.json"):
        shutil.copy(path, folder)
    shutil.copy(shell / "cdk.out", folder)
    files = json.loads((folder / f"{stack}.assets.json").read_text())["files"]
    former = {one["source"]["packaging"]: name for name, one in files.items()}
    assert set(former) == {"zip", "file"} and len(files) == 2, files  # noqa: PT018
    code_key = hashlib.sha256(f"{digest(code)} {label}".encode()).hexdigest()
    shutil.copytree(code, folder / f"asset.{code_key}", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / f"asset.{code_key}" / LABEL).write_text(label)
    text = json.dumps(_with_code(template, f"{code_key}.zip"))
    (folder / f"{stack}.template.json").write_text(text)
    # The CLI uploads nothing that has a key which is there already.
    template_key = hashlib.sha256(text.encode()).hexdigest()
    for path in (folder / "manifest.json", folder / f"{stack}.assets.json"):
        path.write_text(path.read_text().replace(former["zip"], code_key).replace(former["file"], template_key))
    return str(folder)


def _with_code(template: dict[str, Any], key: str) -> dict[str, Any]:
    resources = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Function":
            properties = resource["Properties"]
            properties = {**properties, "Code": {**properties["Code"], "S3Key": key}}
            resources[name] = {**resource, "Properties": properties}
        else:
            resources[name] = resource
    return {**template, "Resources": resources}
