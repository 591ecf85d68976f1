"""Add to an environment's SBOM what it stands on: the interpreter, and the packages of the base image.

Owns those components. Usage: ``python sbom.py FILE``, in the image in question; the whole SBOM, held against
CycloneDX's schema, goes to standard output. Reads the package database of Debian and nothing else of the system.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

Component = dict[str, object]
FIELDS = "${binary:Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n"


def main() -> int:
    bom = json.loads(Path(sys.argv[1]).read_bytes())
    bom["components"] += [_interpreter(), *_packages()]
    text = json.dumps(bom, indent=2, ensure_ascii=False)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        sys.stderr.write(f"the SBOM is not CycloneDX: {fault}\n")
        return 1
    sys.stdout.write(text + "\n")
    return 0


def _interpreter() -> Component:
    version = platform.python_version()
    return {
        "type": "platform",
        "bom-ref": "python",
        "name": "cpython",
        "version": version,
        "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        "purl": f"pkg:generic/cpython@{version}",
    }


def _packages() -> list[Component]:
    """Every package of the base, in the words by which scanners look for its flaws."""
    release = platform.freedesktop_os_release()
    said = subprocess.run(
        ["/usr/bin/dpkg-query", "--show", f"--showformat={FIELDS}"],
        check=True,
        capture_output=True,
        text=True,
    )
    found: list[Component] = []
    for line in sorted(said.stdout.splitlines()):
        name, version, architecture, status = line.split("\t")
        if status != "installed":
            continue
        plain = name.partition(":")[0]
        purl = (
            f"pkg:deb/{release['ID']}/{quote(plain, safe='')}@{quote(version, safe='')}"
            f"?arch={architecture}&distro={release['ID']}-{release['VERSION_ID']}"
        )
        found.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": plain,
                "version": version,
                "purl": purl,
            }
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
