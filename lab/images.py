"""The lab's images: Debian 13 from its mirror, then one target of ``image/Containerfile`` for each kind of host."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.engine import Engine, EngineError
from lab.progress import Progress

SALT_VERSION = "3008.3"
SUITE = "trixie"
BASE_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "procps", "python3"),
    *("iproute2", "iputils-ping", "libbpf1"),  # what Tidegate needs of a host, with ping
    *("curl", "iperf3", "tcpdump"),  # for the person at the keyboard
)
TARGETS = ("router", "customer", "edge-bird2", "edge-bird3", "master", "client")
_FOLDER = Path(__file__).with_name("image")


def cache() -> Path:
    """Where things that are expensive to make are kept: ``TIDEGATE_CACHE``, else ``~/.cache/tidegate``."""
    return Path(os.environ.get("TIDEGATE_CACHE") or Path.home() / ".cache" / "tidegate")


def tag(target: str) -> str:
    """The name of a target's image; it changes with everything the image is made of."""
    inputs = hashlib.sha256("\n".join((_base_tag(), SALT_VERSION)).encode())
    for path in sorted(_FOLDER.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            inputs.update(f"{path.relative_to(_FOLDER)} {path.stat().st_mode}\n".encode() + path.read_bytes())
    return f"localhost/tidegate-lab/{target}:{inputs.hexdigest()[:12]}"


def ensure(engine: Engine, progress: Progress) -> Engine:
    """Build what is missing.

    Returns:
        The engine with the flags it needs here.

    Raises:
        EngineError: a step failed; the message says which, and what was said last.
    """
    folder = cache() / "lab"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "images.lock"):
        if not engine.has_image(_base_tag()):
            progress.note("Debian 13 base")
            engine.import_image(_base_tar(folder), _base_tag())
        missing = [target for target in TARGETS if not engine.has_image(tag(target))]
        engine = engine.fit(_base_tag(), building=bool(missing))
        if missing:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                context = _context(Path(work) / "context")
                args = {"BASE": _base_tag(), "SALT_VERSION": SALT_VERSION}
                for number, target in enumerate(missing, 1):
                    progress.note(f"{target} ({number}/{len(missing)})")
                    engine.build(context, target, tag(target), args, folder / f"{target}.log")
    return engine


def _base_tag() -> str:
    inputs = hashlib.sha256(" ".join((SUITE, *BASE_PACKAGES)).encode())
    return f"localhost/tidegate-lab/base:{inputs.hexdigest()[:12]}"


def _base_tar(folder: Path) -> Path:
    """The root file system of Debian 13, made once and kept."""
    tar = folder / f"{_base_tag().rpartition(':')[2]}.tar"
    if tar.exists():
        return tar
    new, log = tar.with_suffix(".new.tar"), folder / "base.log"
    with tempfile.NamedTemporaryFile("w", dir=folder) as options, log.open("w") as stream:
        options.write(_apt_options())
        options.flush()
        command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}"]
        command += [f"--aptopt={options.name}", SUITE, str(new)]
        if mirror := os.environ.get("TIDEGATE_MIRROR"):
            command.append(mirror)
        code = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        new.unlink(missing_ok=True)
        end = "\n".join(log.read_text().splitlines()[-20:])
        raise EngineError(f"mmdebstrap failed ({code}); {log} ends:\n{end}")
    return new.replace(tar)


def _apt_options() -> str:
    """This machine's way to the mirror; it stays in the image for the packages that its targets add."""
    config = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    return "".join(re.findall(r"^Acquire::(?:https?::(?:Proxy|CaInfo)|Retries) .*\n", config, re.MULTILINE))


def _context(context: Path) -> Path:
    """The build's folder: ``image/`` and this machine's way to the Python package index."""
    shutil.copytree(_FOLDER, context)
    network = context / "network"
    network.mkdir()
    settings = _pip_settings()
    if certificates := settings.pop("PIP_CERT", None):
        shutil.copy(certificates, network / "ca.crt")
        settings["PIP_CERT"] = "/etc/tidegate-network/ca.crt"
    lines = [f"{name}='{value}'" for name, value in settings.items() if "'" not in value and "file:" not in value]
    (network / "env").write_text("\n".join(lines) + "\n")
    return context


def _pip_settings() -> dict[str, str]:
    """What pip uses here, from its files and the environment, as ``PIP_*`` and proxy variables."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    settings = {
        f"PIP_{name.upper().replace('-', '_')}": value
        for name, value in re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", told, re.MULTILINE)
        if name in {"index-url", "extra-index-url", "trusted-host", "proxy", "cert", "timeout", "default-timeout"}
    }
    environment = os.environ
    if "PIP_CERT" not in settings and environment.get("SSL_CERT_FILE"):
        settings["PIP_CERT"] = environment["SSL_CERT_FILE"]
    proxies = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return settings | {name: environment[name] for name in proxies if name in environment}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One builder at a time on this machine."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
