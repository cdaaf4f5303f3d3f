"""The command of the stage package in dvc.yaml: `python src/tasks/package.py TASK`.

It is no word of stage.py's, because every stage depends on that file and on what it imports: each change there trains
all models again.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # As in stage.py: the code of this checkout first.
    here = Path(__file__).resolve().parent
    sys.path[:] = [str(here.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != here)]

    from tasks.common.packaging.command import run_package_command

    sys.exit(run_package_command(sys.argv[1:], Path.cwd()))
