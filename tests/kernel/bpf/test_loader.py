"""Loading objects: what is wrong is said in one error, and nothing is written to stderr."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tidegate.bpf import libbpf
from tidegate.bpf.loader import MAPS_VERSION, load, pinned_maps
from tidegate.bpf.pins import device, ensure, mount_point, name, remove
from tidegate.host.errors import Failed
from tidegate.host.paths import paths

LOOKS_PAST_THE_END = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int careless(struct xdp_md *ctx) { return *(char *)(long)ctx->data; }
char LICENSE[] SEC("license") = "GPL";
"""


def compiled(source: str, directory: Path) -> Path:
    clang = next((found for name in ("clang", "clang-19", "clang-14") if (found := shutil.which(name))), None)
    if clang is None:
        pytest.skip("no clang")
    (directory / "x.bpf.c").write_text(source)
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    command = [clang, "-target", "bpf", "-O2", "-g", include, "-c", directory / "x.bpf.c", "-o", directory / "x.bpf.o"]
    subprocess.run(command, check=True)
    return directory / "x.bpf.o"


def test_maps_are_pinned_and_reused(machine, objects):
    directory = paths().bpffs / "xdp" / MAPS_VERSION
    ensure(directory, paths().bpffs)
    with load(objects / "xdp.bpf.o", directory) as loaded:
        first = {name: libbpf.map_info(one).id for name, one in loaded.maps.items() if "." not in name}
    with pinned_maps(directory) as maps:
        assert {name: libbpf.map_info(one).id for name, one in maps.items()} == first
    with load(objects / "xdp.bpf.o", directory) as loaded:
        again = {name: libbpf.map_info(one).id for name, one in loaded.maps.items() if "." not in name}
    assert again == first
    remove(paths().bpffs)
    assert not paths().bpffs.exists()


def test_a_private_instance_pins_nothing(machine, objects):
    with load(objects / "tc.bpf.o") as loaded:
        assert set(loaded.programs) == {"tidegate_tc", "tidegate_police"}
    assert not paths().bpffs.exists()
    assert [path for path in (machine / "bpf").iterdir() if path.suffix != ".debug"] == []


def test_a_missing_object_says_how_to_build_it(tmp_path):
    with pytest.raises(Failed, match="script/build-bpf"), load(tmp_path / "xdp.bpf.o"):
        pass


def test_what_is_no_object(tmp_path, capfd):
    (tmp_path / "xdp.bpf.o").write_text("nonsense")
    with pytest.raises(Failed, match="not a BPF object"), load(tmp_path / "xdp.bpf.o"):
        pass
    assert capfd.readouterr().err == ""


def test_the_verifier_is_quoted(tmp_path, capfd):
    with (
        pytest.raises(Failed, match="invalid access to packet") as refused,
        load(compiled(LOOKS_PAST_THE_END, tmp_path)),
    ):
        pass
    assert len(str(refused.value).splitlines()) < 10
    assert capfd.readouterr().err == ""


def test_pins_of_another_layout_are_not_taken_over(machine, objects):
    """Same name, other size: libbpf refuses, and the error says which map."""
    directory = paths().bpffs / "xdp" / MAPS_VERSION
    ensure(directory, paths().bpffs)
    stranger = libbpf.map_create(2, "slots", 4, 8, 2, 0)
    libbpf.pin(stranger, directory / "slots")
    os.close(stranger)
    with pytest.raises(Failed, match="slots"), load(objects / "xdp.bpf.o", directory):
        pass
    with pytest.raises(Failed, match="mixed versions"), pinned_maps(directory):
        pass


def test_an_lpm_table_takes_a_batch(objects):
    trie = libbpf.map_create(libbpf.MAP_TYPE_LPM_TRIE, "t", 8, 8, 1000, libbpf.F_NO_PREALLOC)
    elements = {(24).to_bytes(4, "little") + bytes([10, 0, n % 256, n // 256]): bytes(8) for n in range(1000)}
    libbpf.map_update_all(trie, elements)
    assert libbpf.map_lookup(trie, next(iter(elements)), 8) == bytes(8)
    os.close(trie)


def test_bpffs_is_mounted_where_it_is_missing(machine, monkeypatch):
    root = machine / "elsewhere" / "tidegate"
    assert mount_point(root) is None
    try:
        ensure(root / "xdp", root)
        assert mount_point(root) == root.parent
        ensure(root / "xdp", root)
    finally:
        subprocess.run(["umount", root.parent], check=False)


@pytest.mark.parametrize("text", ["eth0", "eth0.100", "a%b", "%2E", "eth0.%25"])
def test_names_of_pins(text):
    assert device(name(text)) == text
    assert "." not in name(text)
