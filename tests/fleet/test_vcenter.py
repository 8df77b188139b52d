"""`vms` against a real vCenter API: what is read, how fast, and what is said when it can't be."""

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from evs_fleet.inventory import connection, tags
from tests.fleet.rest import Server
from tests.fleet.run import Done, evs_entitlements, process, refused
from tests.fleet.vcenter import Simulator, simulator


def vms(vcenter: Simulator, cwd: Path, *arguments: str, **environment: str) -> Done:
    place = ["--host", "127.0.0.1", "--port", str(vcenter.port), "--ca-file", str(vcenter.ca_file)]
    return evs_entitlements("vms", *place, *arguments, cwd=cwd, **{**vcenter.environment, **environment})


def rows(done: Done) -> dict[str, dict[str, Any]]:
    assert done.status == 0, done.err
    return {row["name"]: row for row in json.loads(done.out)}


def test_2000_vms_in_less_than_5_seconds(large_vcenter: Simulator, tmp_path: Path) -> None:
    place = ["--host", "127.0.0.1", "--port", large_vcenter.port, "--ca-file", large_vcenter.ca_file]

    def seconds() -> float:
        began = time.perf_counter()
        done = process("vms", *place, cwd=tmp_path, **large_vcenter.environment)
        assert done.err == f"2000 of 2,000 VMs of vCenter 127.0.0.1:{large_vcenter.port}, 1334 of them eligible\n"
        return time.perf_counter() - began

    # Several times, for the machine may be doing other things.
    assert any(seconds() < 5 for _ in range(8))


def test_what_a_vm_has(vcenter: Simulator, tmp_path: Path) -> None:
    vcenter.configure("DC0_H0_VM1", numCPUs=4)
    vcenter.configure("DC0_H0_VM2", guestId="windows2022srvNext_64Guest")
    found = rows(vms(vcenter, tmp_path, "--output", "json"))
    assert len(found) == 8
    one = found["DC0_H0_VM1"]
    assert one["id"] == vcenter.id("DC0_H0_VM1")
    assert (one["folder"], one["vcpus"], one["power"], one["connection"]) == ("/DC0/vm", 4, "on", "connected")
    assert (one["eligible"], one["why"], one["template"], one["host"]) == (True, None, False, "DC0_H0")
    assert len(one["instance_uuid"]) == 36
    assert found["DC0_H0_VM2"]["guest"] == "windows2022srvNext_64Guest"
    assert found["DC0_C0_RP0_VM0"]["cluster"] == "DC0_C0"
    assert one["cluster"] is None


@pytest.mark.parametrize("guest", ["windows8Server64Guest", "windows9_64Guest", "windows11_64Guest", "rhel8_64Guest"])
def test_other_guests_are_not_eligible(vcenter: Simulator, tmp_path: Path, guest: str) -> None:
    vcenter.configure("DC0_H0_VM0", guestId=guest)
    found = rows(vms(vcenter, tmp_path, "--output", "json"))
    assert found["DC0_H0_VM0"]["why"] == f"guest {guest} is not Windows Server 2016 or later"
    assert vcenter.id("DC0_H0_VM0") not in vms(vcenter, tmp_path, "--eligible", "--output", "ids").out.split()


def test_folders_tags_and_attributes_filter(vcenter: Simulator, tmp_path: Path) -> None:
    vcenter.move(["DC0_H0_VM0", "DC0_H0_VM1"], "Windows")
    vcenter.move(["DC0_H0_VM2"], "Windows/SQL")
    vcenter.tag("licence", "aws", [vcenter.id("DC0_H0_VM1"), vcenter.id("DC0_C0_RP0_VM0")])
    vcenter.tag("tier", "gold", [vcenter.id("DC0_H0_VM2")])
    vcenter.attribute("Owner", {"DC0_H0_VM2": "x-team", "DC0_H0_VM3": "y-team"})

    def names(*filters: str) -> set[str]:
        return {name.removeprefix("DC0_") for name in rows(vms(vcenter, tmp_path, *filters, "--output", "json"))}

    assert names("--folder", "/DC0/vm/Windows") == {"H0_VM0", "H0_VM1"}
    assert names("--folder", "/DC0/vm/Windows/*") == {"H0_VM2"}
    assert names("--folder", "/dc0/VM/windows/**") == {"H0_VM0", "H0_VM1", "H0_VM2"}
    assert names("--folder", "/**/SQL") == {"H0_VM2"}
    assert names("--tag", "LICENCE:AWS") == {"H0_VM1", "C0_RP0_VM0"}
    assert names("--tag", "licence:*", "--folder", "/DC0/vm/Windows/**") == {"H0_VM1"}
    assert names("--tag", "licence:own") == set()
    assert names("--attribute", "owner=X*") == {"H0_VM2"}
    assert names("--attribute", "owner=*", "--name", "*vm3") == {"H0_VM3"}
    assert names("--cluster", "dc0_c?", "--name", "*vm[01]") == {"C0_RP0_VM0", "C0_RP0_VM1"}
    assert names("--guest", "windows2019*", "--id", vcenter.id("DC0_H0_VM3")) == {"H0_VM3"}
    assert rows(vms(vcenter, tmp_path, "--output", "json"))["DC0_H0_VM1"]["tags"] == ["licence:aws"]


def test_a_vm_whose_storage_is_away(tmp_path: Path) -> None:
    with simulator(guests="windows2019srv_64Guest", inaccessible=True) as vcenter:
        found = rows(vms(vcenter, tmp_path, "--output", "json"))
    (away,) = [row for row in found.values() if not row["eligible"]]
    # The summary still has what its configuration was.
    assert (away["guest"], away["vcpus"], len(away["instance_uuid"])) == ("windows2019srv_64Guest", 1, 36)
    assert away["why"] == "its connection state is inaccessible"


def test_a_name_with_slashes_and_brackets(vcenter: Simulator, tmp_path: Path) -> None:
    vcenter.rename("DC0_H0_VM0", "a/b [x] 50%")
    assert "a/b [x] 50%" in rows(vms(vcenter, tmp_path, "--output", "json"))
    assert "a/b [x] 50%" in vms(vcenter, tmp_path).out


def test_the_policy_says_where_the_vcenter_is(vcenter: Simulator, tmp_path: Path, write_policy: Any) -> None:
    write_policy('[[include]]\nname = "*"\n')
    done = evs_entitlements("vms", "--output", "ids", cwd=tmp_path, **vcenter.environment)
    assert len(done.out.split()) == 8


def test_a_ca_file_is_relative_to_the_policy(vcenter: Simulator, tmp_path: Path, write_policy: Any) -> None:
    path = write_policy('[[include]]\nname = "*"\n')
    path.write_text(path.read_text().replace(str(vcenter.ca_file), "vc-ca.pem"))
    (tmp_path / "vc-ca.pem").write_bytes(vcenter.ca_file.read_bytes())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = evs_entitlements(
        "-f", "../entitlements.toml", "vms", "--output", "ids", cwd=elsewhere, **vcenter.environment
    )
    assert len(done.out.split()) == 8


def test_a_wrong_password_or_user(vcenter: Simulator, tmp_path: Path) -> None:
    refused(vms(vcenter, tmp_path, VCENTER_PASSWORD="wrong"), f"127.0.0.1:{vcenter.port}", "password", "reader@")
    refused(vms(vcenter, tmp_path, VCENTER_USER="nobody"), "nobody")


def test_a_certificate_of_another_authority(vcenter: Simulator, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    refused(vms(vcenter, tmp_path, "--ca-file", "other.pem"), "not trusted", "other.pem")
    place = ["--host", "127.0.0.1", "--port", vcenter.port]
    refused(evs_entitlements("vms", *place, cwd=tmp_path, **vcenter.environment), "not trusted", "ca_file is not set")


def test_a_certificate_for_another_name(vcenter: Simulator, tmp_path: Path) -> None:
    refused(vms(vcenter, tmp_path, "--host", "localhost"), "not trusted", "localhost")


def test_a_ca_file_that_is_none(vcenter: Simulator, tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("hello\n")
    refused(vms(vcenter, tmp_path, "--ca-file", "text.pem"), "text.pem", "no certificates")
    refused(vms(vcenter, tmp_path, "--ca-file", "none.pem"), "none.pem", "No such file")
    refused(vms(vcenter, tmp_path, "--ca-file", "."), "directory")


def test_a_host_that_is_not_reached(vcenter: Simulator, tmp_path: Path) -> None:
    refused(vms(vcenter, tmp_path, "--host", "vc.invalid"), "vc.invalid", "not known")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        refused(vms(vcenter, tmp_path, "--port", port), port, "not reached", "refused")


def test_a_port_without_tls(vcenter: Simulator, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        answering = threading.Thread(target=answer_plainly, args=(server,))
        answering.start()
        refused(vms(vcenter, tmp_path, "--port", port), port, "no TLS")
        answering.join()


def answer_plainly(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_port_that_never_answers(vcenter: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        refused(vms(vcenter, tmp_path, "--port", port), port, "no answer in time")


def test_what_is_no_vcenter(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        place = ["--host", "127.0.0.1", "--port", server.port, "--ca-file", server.ca_file]
        done = evs_entitlements("vms", *place, cwd=tmp_path, VCENTER_USER="x", VCENTER_PASSWORD="y")
        refused(done, str(server.port), "not that of a vCenter")
    finally:
        server.close()


def test_tags_that_cannot_be_read_are_a_warning_unless_they_are_asked_for(
    vcenter: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags._Old, "session", "/nowhere")
    monkeypatch.setattr(tags._New, "session", "/nowhere")
    done = vms(vcenter, tmp_path, "--output", "ids")
    assert len(done.out.split()) == 8
    assert "warning: vCenter 127.0.0.1" in done.err
    assert "tags can't be read: HTTP status 404" in done.err
    refused(vms(vcenter, tmp_path, "--tag", "a:*"), "tags can't be read")


def test_neither_user_nor_terminal(vcenter: Simulator, tmp_path: Path) -> None:
    place = ["--host", "127.0.0.1", "--port", vcenter.port]
    refused(evs_entitlements("vms", *place, cwd=tmp_path), "VCENTER_USER")
    refused(evs_entitlements("vms", *place, cwd=tmp_path, VCENTER_USER="x"), "VCENTER_PASSWORD")


def test_the_password_is_in_no_output(vcenter: Simulator, tmp_path: Path) -> None:
    done = vms(vcenter, tmp_path, VCENTER_PASSWORD="wr0ng-pa55", EVS_ENTITLEMENTS_DEBUG="1")
    assert "wr0ng-pa55" not in done.out + done.err
