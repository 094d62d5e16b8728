"""Fetch the Mol* viewer that reports carry: `python tools/bundle_viewer.py VERSION`.

npm fetches the package and compares it with the registry's checksum. Of its 80 MB two files are kept, compressed as a
report embeds them, and the licence. `version.json` says what they are; tests compare the checksums.
"""

import argparse
import gzip
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

TARGET = Path(__file__).parents[1] / "alphafold3_pytorch" / "predict" / "report" / "assets" / "molstar"
BUILT = ("molstar.js", "molstar.css")


def fetch(version: str, folder: Path) -> tuple[Path, str]:
    """The package as npm has it, and its checksum in the registry."""
    command = ["npm", "pack", f"molstar@{version}", "--json", "--pack-destination", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    about = json.loads(done.stdout)[0]
    return folder / about["filename"], about["integrity"]


def bundle(package: Path, version: str, integrity: str) -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    sums: dict[str, str] = {}
    with tarfile.open(package) as archive:
        for name in BUILT:
            content = _member(archive, f"package/build/viewer/{name}")
            (TARGET / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
            sums[name] = hashlib.sha256(content).hexdigest()
        (TARGET / "LICENSE").write_bytes(_member(archive, "package/LICENSE"))
    about = {"package": "molstar", "version": version, "licence": "MIT", "integrity": integrity, "sha256": sums}
    (TARGET / "version.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is not a file"
    return file.read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="as on npm, such as 5.11.0")
    version = parser.parse_args().version
    with tempfile.TemporaryDirectory() as folder:
        package, integrity = fetch(version, Path(folder))
        bundle(package, version, integrity)
    for file in sorted(TARGET.iterdir()):
        print(f"{file.stat().st_size:>9,}  {file}")


if __name__ == "__main__":
    main()
