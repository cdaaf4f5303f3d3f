"""Runs stages in one process, the package imported anew for each, and prints the files each imported, as JSON."""

import importlib
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    source = Path(sys.argv[1]) / "src"
    sys.path.insert(0, str(source))
    imported = {}
    for job in sys.argv[2:]:
        stage, task, root = job.split(" ", 2)
        for name in [name for name in sys.modules if name.split(".")[0] == "tasks"]:
            del sys.modules[name]
        if stage == "package":
            importlib.import_module("tasks.common.packaging.command").run_package(task, Path(root))
        else:
            importlib.import_module("tasks.common.stage.run").run_stage(stage, task, Path(root))
        modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "tasks"]
        imported[f"{stage} {task}"] = sorted(str(Path(m.__file__).relative_to(source.parent)) for m in modules)
    sys.stdout.write(json.dumps(imported) + "\n")
