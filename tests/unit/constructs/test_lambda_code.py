"""The function's code: small, the same bytes everywhere, and with an EVS model that botocore loads."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import crhelper
import pytest
from botocore.loaders import Loader
from botocore.stub import Stubber

from evs_entitlements import lambda_code, service_model, third_party
from evs_entitlements.lambda_code import stage_code, staged_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from tests.unit.constructs.conftest import Synth

PROJECT = Path(__file__).resolve().parents[3]
MODEL = "models/evs/2023-07-27"


@pytest.fixture
def restored_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def listing(folder: Path) -> list[tuple[str, int, float, bytes]]:
    """Everything about a tree that can reach a zip file."""
    return [
        (path.relative_to(folder).as_posix(), path.stat().st_mode, path.stat().st_mtime, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def test_asset_holds_the_handler_crhelper_and_the_model() -> None:
    files = staged_files()
    handler = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "lambda_handler").rglob("*.py")}
    handler |= {f"evs_health/{path.name}" for path in (PROJECT / "fleet" / "evs_health").glob("*.py")}
    helper = {f"crhelper/{path.name}" for path in Path(crhelper.__file__).parent.glob("*.py")}
    models = {
        f"models/{folder}/{name}.json"
        for folder in (
            "evs/2023-07-27",
            "dynamodb/2012-08-10",
            "lambda/2015-03-31",
            "cloudformation/2010-05-15",
            "events/2015-10-07",
        )
        for name in ("service-2", "endpoint-rule-set-1")
    }
    assert set(files) == handler | helper | models | {"models/endpoints.json"}
    assert "crhelper/resource_helper.py" in files


def test_folders_within_the_handler_are_staged_however_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lambda_handler"
    names = ["__init__.py", "main.py", "aws/__init__.py", "evs/deep/row.py", "evs/__pycache__/row.py", "evs/notes.txt"]
    for name in names:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("")
    own_package = lambda_code._own_package
    monkeypatch.setattr(
        lambda_code, "_own_package", lambda name, folder: {package.name: package}.get(name) or own_package(name, folder)
    )
    staged = {name for name in staged_files() if name.startswith("lambda_handler/")}
    assert staged == {f"lambda_handler/{name}" for name in names[:4]}


def test_same_bytes_whatever_the_umask_the_folder_and_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored_umask: None
) -> None:
    stage_code(tmp_path / "one")
    (tmp_path / "elsewhere" / "two").mkdir(parents=True)
    (tmp_path / "elsewhere" / "two" / "left_over.py").write_text("")
    monkeypatch.chdir(tmp_path / "elsewhere")
    os.umask(0o077)
    stage_code(Path("two"))
    one = listing(tmp_path / "one")
    assert one == listing(tmp_path / "elsewhere" / "two")
    assert {mode & 0o777 for _, mode, _, _ in one} == {0o644}
    assert len({mtime for _, _, mtime, _ in one}) == 1


def test_same_asset_hash_in_two_apps_under_different_umasks(synth: Synth, tmp_path: Path, restored_umask: None) -> None:
    def asset(synth: Synth) -> str:
        synth.declare(synth.stack, "Windows", "vm-1")
        (function,) = synth.resources("AWS::Lambda::Function").values()
        key: str = function["Properties"]["Code"]["S3Key"]
        folder = synth.outdir / f"asset.{key.removesuffix('.zip')}"
        assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.py")} == {0o644}
        return key

    first = asset(synth)
    os.umask(0o077)
    assert asset(type(synth)(tmp_path / "another")) == first


def test_asset_stays_small() -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in staged_files().items():
            archive.writestr(name, content)
    assert len(zipped.getvalue()) < 126_000


def test_a_failure_leaves_no_half_of_an_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_model, "_installed_data", lambda: tmp_path / "none")
    with pytest.raises(RuntimeError):
        stage_code(tmp_path / "asset")
    assert not (tmp_path / "asset").exists()


class TestModel:
    @pytest.fixture(params=sorted(service_model.CALLED))
    def service(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def client(self, service: str, tmp_path: Path) -> Any:
        """A client that knows its service from the asset alone."""
        stage_code(tmp_path)
        session = botocore.session.Session()
        # Without botocore's own folder there is no other model; its partitions and retry rules are not the
        # service's.
        own = tmp_path / "own"
        own.mkdir()
        data = Path(botocore.__file__).parent / "data"
        for path in data.glob("*.json*"):
            (own / path.name).symlink_to(path)
        loader = Loader(extra_search_paths=[str(tmp_path / "models"), str(own)], include_default_search_paths=False)
        session.register_component("data_loader", loader)
        return session.create_client(
            service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
        )

    def test_client_has_the_operations_and_no_other(self, client: Any, service: str) -> None:
        assert sorted(client.meta.service_model.operation_names) == sorted(service_model.CALLED[service])
        assert client.meta.endpoint_url == f"https://{service}.eu-central-1.amazonaws.com"

    def test_requests_and_answers_are_those_of_the_full_model(self, client: Any, service: str) -> None:
        full = botocore.session.Session().create_client(
            service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        for name in service_model.CALLED[service]:
            ours, theirs = (one.meta.service_model.operation_model(name) for one in (client, full))
            for shape in ("input_shape", "output_shape"):
                assert described(getattr(ours, shape)) == described(getattr(theirs, shape))
        assert {shape.name for shape in client.meta.service_model.error_shapes} == {
            shape.name for shape in full.meta.service_model.error_shapes
        }

    @pytest.mark.parametrize("service", ["evs"])
    def test_calls(self, client: Any) -> None:
        arguments = {"environmentId": "env-abcde12345", "connectorId": "cnctr-abcde12345"}
        row = {"vmId": "vm-1", "status": "CREATED"}
        with Stubber(client) as stub:
            stub.add_response("list_vm_entitlements", {"entitlements": [row]})
            stub.add_client_error("delete_entitlement", "InternalServerException")
            type_ = client.meta.service_model.shape_for("EntitlementType").enum[0]
            assert client.list_vm_entitlements(entitlementType=type_, **arguments)["entitlements"] == [row]
            with pytest.raises(client.exceptions.InternalServerException):
                client.delete_entitlement(vmIds=["vm-1"], entitlementType=type_, **arguments)

    def test_has_no_documentation_and_is_a_fraction(self) -> None:
        for name, content in service_model.staged_files().items():
            assert b"<p>" not in content
            assert len(content) < 25_000, name

    def test_members_called_like_the_models_own_words_stay(self) -> None:
        reference = {"shape": "Text", "documentation": "<p>about</p>"}
        service = {
            "version": "2.0",
            "metadata": {},
            "operations": {"CreateEntitlement": {"input": {"shape": "In"}}, "Other": {"input": {"shape": "Unused"}}},
            "shapes": {
                "In": {"type": "structure", "members": {"documentation": reference, "shape": reference}},
                "Text": {"type": "string"},
                "Unused": {"type": "structure", "members": {}},
                "Broken": {"type": "structure", "members": {}, "exception": True},
            },
        }
        trimmed = service_model.trimmed(service)
        assert sorted(trimmed["shapes"]) == ["Broken", "In", "Text"]
        assert trimmed["shapes"]["In"]["members"] == {"documentation": {"shape": "Text"}, "shape": {"shape": "Text"}}


class TestOldBotocore:
    def test_without_an_evs_model(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError, match=r"botocore .* has no EVS model; install boto3>=1\.42\.92"):
            service_model.staged_files(tmp_path)

    def test_without_the_entitlement_operations(self, tmp_path: Path) -> None:
        folder = tmp_path / "evs" / "2023-07-27"
        folder.mkdir(parents=True)
        (folder / "service-2.json.gz").write_bytes(
            gzip.compress(json.dumps({"operations": {"GetEnvironment": {}}}).encode())
        )
        with pytest.raises(
            RuntimeError, match=r"has no CreateEntitlement, DeleteEntitlement, .*install boto3>=1\.42\.92"
        ):
            service_model.staged_files(tmp_path)


def described(shape: Any, within: AbstractSet[str] = frozenset()) -> Any:
    """A shape and all below it, as far as it governs what is sent and understood."""
    if shape is None:
        return None
    if shape.name in within:
        return (shape.type_name, shape.name)
    within = {*within, shape.name}
    if shape.type_name == "structure":
        members = {name: described(member, within) for name, member in shape.members.items()}
        return (shape.type_name, members, sorted(shape.required_members))
    if shape.type_name == "list":
        return (shape.type_name, shape.metadata, described(shape.member, within))
    if shape.type_name == "map":
        return (shape.type_name, described(shape.key, within), described(shape.value, within))
    return (shape.type_name, shape.metadata)


def test_an_installed_wheel_stages_the_same_and_brings_no_package_of_a_common_name(tmp_path: Path) -> None:
    source, wheels, site = tmp_path / "source", tmp_path / "wheels", tmp_path / "site"
    for name in ("constructs", "fleet", "lambda_handler"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "hatch_build.py"):
        shutil.copy(PROJECT / name, source)
    wheel = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(wheels)]
    subprocess.run([sys.executable, "-m", "pip", *wheel, str(source)], check=True, capture_output=True)
    (built,) = wheels.iterdir()
    # A second build must find nothing of this one: what a later version dropped would be in its asset.
    assert {path.name for path in source.iterdir()} - {"__pycache__"} == {
        "constructs",
        "fleet",
        "lambda_handler",
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "hatch_build.py",
    }
    with zipfile.ZipFile(built) as archive:
        archive.extractall(site)
    assert {path.name.partition("-")[0] for path in site.iterdir()} == {"evs_entitlements", "evs_fleet", "evs_health"}
    # Another project's package of that name does not matter, nor which botocore and crhelper are installed, if any.
    for name in ("lambda_handler", "botocore", "boto3", "crhelper"):
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("raise RuntimeError")
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[1])\n"
        "from evs_entitlements import lambda_code\n"
        "assert lambda_code.__file__.startswith(sys.argv[1])\n"
        "print(json.dumps({name: content.decode() for name, content in lambda_code.staged_files().items()}))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(site)], cwd=tmp_path, check=True, capture_output=True)
    staged = {name: content.decode() for name, content in staged_files().items()}
    assert json.loads(done.stdout) == staged


@pytest.fixture
def another_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"botocore": "1.42.92", "crhelper": "2.0.12"}
    monkeypatch.setattr(third_party, "version", installed.__getitem__)


def test_a_checkout_with_another_boto3_stages_what_its_set_up_has_kept(
    monkeypatch: pytest.MonkeyPatch, another_boto3: None, tmp_path: Path
) -> None:
    pinned = dict(third_party.PINS)
    with monkeypatch.context() as right:
        right.setattr(third_party, "version", pinned.__getitem__)
        expected = staged_files()
        right.setattr(third_party, "_kept", lambda: tmp_path / "kept")
        third_party.keep()
    monkeypatch.setattr(third_party, "_kept", lambda: tmp_path / "kept")
    monkeypatch.setattr(service_model, "staged_files", lambda: pytest.fail("the installed models are of no use"))
    assert staged_files() == expected


def test_a_checkout_with_another_boto3_and_nothing_kept_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, another_boto3: None, tmp_path: Path
) -> None:
    monkeypatch.setattr(third_party, "_kept", lambda: tmp_path / "kept")
    with pytest.raises(RuntimeError, match=r"got botocore 1\.42\.92, expected botocore .* run `make set-up`"):
        staged_files()


def test_line_ends_of_a_checkout_on_windows_do_not_matter(tmp_path: Path) -> None:
    for name, end in (("unix", b"\n"), ("windows", b"\r\n")):
        (tmp_path / name / "package").mkdir(parents=True)
        (tmp_path / name / "package" / "__init__.py").write_bytes(b"one" + end + b"two" + end)
    unix, windows = (third_party.sources(tmp_path / name / "package") for name in ("unix", "windows"))
    assert unix == windows


def test_the_pins_are_the_same_wherever_they_stand() -> None:
    build = tomllib.loads((PROJECT / "pyproject.toml").read_text())["build-system"]["requires"]
    constraints = (PROJECT / "constraints.txt").read_text().splitlines()
    for name, number in third_party.PINS.items():
        assert f"{name}=={number}" in build
        assert f"{name}=={number}" in constraints


def built(folder: Path, target: str, into: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (made,) = into.iterdir()
    return made


def test_built_twice_the_wheel_has_the_same_bytes_and_the_sdist_builds_it_too(
    tmp_path: Path, restored_umask: None
) -> None:
    first = built(PROJECT, "wheel", tmp_path / "first")
    os.umask(0o077)
    sdist = built(PROJECT, "sdist", tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert not [path for path in source.rglob("*") if path.name.startswith("test_") or path.name == "tools"]
    second = built(source, "wheel", tmp_path / "second")
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("botocore", ["1.42.92", "1.43.40"])
def test_the_same_code_from_the_wheel_beside_a_real_botocore_of_another_version(tmp_path: Path, botocore: str) -> None:
    wheel = built(PROJECT, "wheel", tmp_path / "wheel")
    site, other = tmp_path / "site", tmp_path / "other"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(other)]
    subprocess.run([*pip, f"botocore=={botocore}"], check=True, capture_output=True)
    script = (
        "import botocore, json\n"
        "from evs_entitlements import lambda_code\n"
        "print(json.dumps([botocore.__version__, {k: v.decode() for k, v in lambda_code.staged_files().items()}]))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{other}{os.pathsep}{site}", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, env=environment
    )
    assert json.loads(done.stdout) == [botocore, {name: content.decode() for name, content in staged_files().items()}]
