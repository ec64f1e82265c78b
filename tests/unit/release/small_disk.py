"""A file system of a few megabytes, to be filled."""

import os
import subprocess
from contextlib import contextmanager


def missing():
    """Why there can be none, or nothing."""
    return None if os.geteuid() == 0 else "only root mounts a small file system"


@contextmanager
def mounted(folder):
    """Mount one at a folder that is made for it; yields why that fails here, or nothing."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    try:
        yield done.stderr.strip() if done.returncode else None
    finally:
        if not done.returncode:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path):
    """Write a file until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return
