"""Runs stages in one process and prints, as JSON, which files of the package each had imported at its end."""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    source = Path(sys.argv[1]) / "src"
    sys.path.insert(0, str(source))
    from tasks.common.stage.run import run_stage

    imported = {}
    for job in sys.argv[2:]:
        stage, task, root = job.split(" ", 2)
        run_stage(stage, task, Path(root))
        modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "tasks"]
        imported[stage] = sorted(str(Path(m.__file__).relative_to(source.parent)) for m in modules)
    sys.stdout.write(json.dumps(imported) + "\n")
