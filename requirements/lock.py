"""Write the pinned sets anew: exact versions, hashes, no address of any index."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
COMPILE = [
    "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header",
    "--python-version", "3.11",
]  # fmt: skip
SETS = {
    "build": ["requirements/build.in"],
    "sbom": ["requirements/sbom.in"],
    "runtime": ["pyproject.toml"],
    "local-kafka": ["pyproject.toml", "--extra", "local-kafka"],
    "go": ["requirements/go.in"],
    "test": ["pyproject.toml", "--extra", "local-kafka", "--group", "test"],
}


def main() -> int:
    """Compile each set; later sets are held to what the runtime set chose."""
    for name, arguments in SETS.items():
        held = (
            []
            if name in {"build", "sbom", "runtime", "go"}
            else ["-c", "requirements/runtime.txt"]
        )
        command = [*COMPILE, *arguments, *held, "-o", f"requirements/{name}.txt"]
        subprocess.run(command, check=True, cwd=HERE.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
