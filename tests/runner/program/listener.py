"""A runner program in small: takes one job from the fake GitHub, runs it as GitHub's would, and says the same lines."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CONFIG = "ACTIONS_RUNNER_INPUT_JITCONFIG"


class Interrupted(BaseException):
    """SIGINT or SIGTERM."""


def interrupted(*_: object) -> None:
    raise Interrupted


def main() -> int:
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    settings = json.loads(base64.b64decode(os.environ.pop(CONFIG)))
    (Path.cwd() / ".credentials").write_text(settings["token"])
    say("\u221a Connected to GitHub\n")
    told = False
    try:
        while not (job := ask(settings, "next")):
            if not told:
                say(f"{now()}: Listening for Jobs")
            told = True
            time.sleep(0.02)
    except Interrupted:
        say("Exiting...")
        return 0
    except urllib.error.HTTPError as error:
        say(f"Failed to create a session: {error.code}. Registration {settings['url']} was not found.")
        return 1
    work = Path.cwd() / settings["work"]
    work.mkdir()
    say(f"{now()}: Running job: {job['name']}")
    step = subprocess.Popen(
        ["/bin/sh", "-c", job["script"]], cwd=work, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while step.poll() is None:
            if ask(settings, "cancelled")["cancelled"]:
                raise Interrupted
            time.sleep(0.02)
        result = "Succeeded" if step.returncode == 0 else "Failed"
    except Interrupted:
        os.killpg(step.pid, signal.SIGKILL)
        result = "Canceled"
    ask(settings, "done", conclusion=result)
    say(f"{now()}: Job {job['name']} completed with result: {result}")
    return 0


def ask(settings: dict[str, str], verb: str, **body: str) -> Any:
    request = urllib.request.Request(
        f"{settings['url']}/{verb}", json.dumps(body).encode(), {"Authorization": f"Bearer {settings['token']}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
