"""Are the licences of the locked packages, as sbom.json names them, such as the project has agreed to?

A package whose licence is not listed here is named, and the exit code is 1: read the licence, then list it or drop the
package. Needs Python alone. Usage: licences.py [SBOM].
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

SPDX = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT"),
    *("MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib", "Apache-2.0 WITH LLVM-exception"),
}
"""Permissive, or, as MPL-2.0, with a duty for changes to its own files alone, of which there are none."""
NAMES = {
    *("Apache", "Apache 2.0 License", "BSD", "BSD License", "FreeBSD", "ISC License (ISCL)"),
    "Python Software Foundation License",
    "NVIDIA Proprietary Software",
}
"""Names in packages' metadata that are no SPDX expression. NVIDIA's is of CUDA, which torch is built for."""
UNSTATED = {"cuda-toolkit"}
"""Packages that state none: one that holds nothing but requirements, on NVIDIA's."""


def agreed(licences: list[dict[str, Any]]) -> bool:
    """Tell whether one of the alternatives, with all that it joins, is agreed to."""
    for entry in licences:
        facts = entry.get("license", {})
        expression = entry.get("expression") or facts.get("id")
        if facts.get("name") in NAMES:
            return True
        for alternative in re.split(r" OR ", expression or ""):
            if {part.strip("()") for part in alternative.split(" AND ")} <= SPDX:
                return True
    return False


def main(path: Path) -> int:
    """Print a line per package whose licence is not agreed to."""
    components = json.loads(path.read_text())["components"]
    others = [c for c in components if c["name"] not in UNSTATED and not agreed(c.get("licenses", []))]
    for component in others:
        print(f"{component['name']} {component.get('version')}: not agreed to: {json.dumps(component.get('licenses'))}")
    print(f"{path}: {len(components) - len(others)} of {len(components)} packages have a licence that was agreed to")
    return 1 if others or not components else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "sbom.json")))
