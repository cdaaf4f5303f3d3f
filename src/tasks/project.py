"""The command of the MLflow Project: `python src/tasks/project.py --KEY VALUE ...`, see MLproject."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # As in stage.py: the code of this checkout first.
    here = Path(__file__).resolve().parent
    sys.path[:] = [str(here.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != here)]

    from tasks.retinopathy.mlflow_project import run_project_command

    sys.exit(run_project_command(sys.argv[1:], here.parents[1], Path.cwd()))
