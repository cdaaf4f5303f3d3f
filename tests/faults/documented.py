"""The matrix in docs/reliability.md: what the tests compare with, and `python -m tests.faults.documented` to renew it.

Renewing plays every cell and writes the tables between the headings; it takes about ten minutes. Read the difference
before committing it: each changed word is a change of what people are promised.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from functools import cache
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
SERVICES = {"GitHub": ("github", 6), "The bucket": ("bucket", 12), "MLflow": ("mlflow", 90)}
"""Heading -> service, and the patience in seconds with which it is played."""


def documented(heading: str, row: str, column: str) -> str | None:
    """The words in that table; None where there are none."""
    return tables().get((heading, row, column))


@cache
def tables() -> dict[tuple[str, str, str], str]:
    """(heading, row, column) -> words, of every table of the document."""
    found = {}
    for section in re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading = section.splitlines()[0]
        rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
        for row in rows[1:]:
            for column, words in zip(rows[0][1:], row[1:], strict=True):
                found[heading, row[0], column] = words
    return found


def main() -> None:
    """Play everything and write the tables; a broken promise is said, and ends with 1."""
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from tests.faults import cells, kill, matrix
    from tests.faults.site import open_site

    text, broken = DOCUMENT.read_text(encoding="utf-8"), []
    with tempfile.TemporaryDirectory() as folder:
        for heading, (service, patience) in SERVICES.items():
            place = Path(folder, service)
            with open_site(place, patience_seconds=patience, with_mlflow=service == "mlflow", warm=True) as site:
                played = matrix.play_all(site, cells.cells(service))
            broken += [error for error in played.values() if isinstance(error, AssertionError)]
            text = _with_table(text, heading, cells.table({cell: str(said) for cell, said in played.items()}))
        with open_site(Path(folder, "kill"), patience_seconds=60, warm=True) as site:
            killed = kill.play_moments(site)
        broken += [error for error in killed.values() if isinstance(error, AssertionError)]
        text = _with_table(text, "Killed", kill.table({moment: str(said) for moment, said in killed.items()}))
    for error in broken:
        print(error, file=sys.stderr)
    if broken:
        sys.exit(1)
    DOCUMENT.write_text(text, encoding="utf-8")


def _with_table(text: str, heading: str, table: str) -> str:
    section = re.search(rf"^## {heading}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"{DOCUMENT} has no heading {heading!r}"
    print(f"## {heading}\n{table}\n", flush=True)
    renewed = re.sub(r"(?:^\|.*\n)+", lambda _: f"{table}\n", section[0], count=1, flags=re.MULTILINE)
    return text.replace(section[0], renewed)


if __name__ == "__main__":
    main()
