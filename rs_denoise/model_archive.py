"""Reads the manifest of a model file without trusting the file.

It limits sizes, detects damage, and rejects programs that use TorchScript's file operators, before
any of their code runs. This is not a sandbox.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from rs_denoise.manifest import Manifest, ModelError
from rs_denoise.shipped_models import shipped_names

MANIFEST = "manifest.json"
MAX_FILE_BYTES = 512 * 2**20
MAX_UNPACKED_BYTES = 1024 * 2**20
MAX_MANIFEST_BYTES = 64 * 2**10
# TorchScript operators that access files or the network.
FORBIDDEN_OPERATORS = re.compile(rb"\b(from_file|save|rpc_\w+)\b")
ZIP_START = b"PK\3\4"
PACKED_BY_TORCH = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_manifest(path: Path) -> Manifest:
    """Checks a model file and reads its manifest.

    Raises:
        ModelError: the file does not exist, or fails a check.
    """
    return Manifest.from_json(_read_text(path), path)


def is_model_file(path: Path) -> bool:
    """Whether a file has a manifest; training checkpoints are archives too, but have none."""
    return zipfile.is_zipfile(path) and any(map(_is_manifest, zipfile.ZipFile(path).namelist()))


def _is_manifest(entry: str) -> bool:
    return entry.endswith(f"/extra/{MANIFEST}")


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise ModelError(
                f"{path}: no such model file; shipped models are {', '.join(shipped_names())}, "
                "and `rs_denoise export` writes a file"
            )
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelError(f"{path}: {size} bytes, more than a model has ({MAX_FILE_BYTES})")
        # zipfile also finds an archive that follows other data, which torch might load instead.
        with path.open("rb") as file:
            if file.read(len(ZIP_START)) != ZIP_START:
                raise zipfile.BadZipFile("it does not start like a zip archive")
        with zipfile.ZipFile(path) as archive:
            return _check_archive(archive, path)
    except ModelError:
        raise
    except Exception as error:  # zipfile raises whatever it stumbled over
        raise ModelError(
            f"{path}: not a model file, or a truncated one ({error}); copy or export it again"
        ) from error


def _check_archive(archive: zipfile.ZipFile, path: Path) -> str:
    """Returns the text of the manifest."""
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES:
        raise ModelError(f"{path}: unpacks to {unpacked} bytes, more than a model has")
    # zipfile decompresses other methods without a limit, and torch does not write them.
    if any(entry.compress_type not in PACKED_BY_TORCH for entry in entries):
        raise ModelError(f"{path}: compressed in a way that torch does not use; export it again")
    found = [entry for entry in entries if _is_manifest(entry.filename)]
    if not found:
        raise ModelError(
            f"{path}: has no manifest, so it is not an rs_denoise model; "
            "`rs_denoise export` writes one"
        )
    if found[0].file_size > MAX_MANIFEST_BYTES:
        raise ModelError(f"{path}: its manifest is larger than {MAX_MANIFEST_BYTES} bytes")
    # torch ignores wrong checksums: one flipped bit would change the network.
    if (damaged := archive.testzip()) is not None:
        raise ModelError(f"{path}: damaged in {damaged}; copy or export it again")
    for entry in entries:
        if not entry.filename.endswith(".py"):
            continue
        if (operator := FORBIDDEN_OPERATORS.search(_read(archive, entry))) is not None:
            raise ModelError(
                f"{path}: its program uses {operator[0].decode()!r}, which a network does not "
                f"need ({entry.filename}): do not trust this file"
            )
    return _read(archive, found[0]).decode("utf-8")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Reads only the size that the entry declares; ZipFile.read would unpack a whole zip bomb."""
    with archive.open(entry) as file:
        return file.read(entry.file_size)
