"""The command of every stage in dvc.yaml: `python src/tasks/stage.py STAGE TASK`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The code of this checkout first: an editable installation of another one must never supply a stage's code.
    here = Path(__file__).resolve().parent
    sys.path[:] = [str(here.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != here)]

    from tasks.common.stage.run import run_stage_command

    sys.exit(run_stage_command(sys.argv[1:], Path.cwd()))
