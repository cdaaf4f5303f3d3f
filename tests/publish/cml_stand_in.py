"""A stand-in for the program `cml`, faults included, because CML itself needs npm.

What matters of CML 0.20: `comment update` with strict options; the token and the commit from the environment; any host
but github.com means https://HOST/api/v3; the first page of 30 comments, whatever the author; the last one whose text
holds the mark anywhere is overwritten, else a new one is posted; the address is printed; `safe.directory` goes into the
global git configuration.
It notes its arguments and the names in its environment in the folder that is its first argument.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

OPTIONS = {"--driver", "--repo", "--target", "--publish", "--watermark-title", "--log"}


def main() -> None:
    notes, *arguments = sys.argv[1:]
    with (Path(notes) / "notes.jsonl").open("a") as file:
        file.write(json.dumps({"arguments": arguments, "environment": sorted(os.environ)}) + "\n")
    if arguments[:2] != ["comment", "update"]:
        sys.exit("unknown command")
    options = dict(option.split("=", 1) for option in arguments[2:] if option.startswith("--"))
    (report,) = [argument for argument in arguments[2:] if not argument.startswith("--")]
    if set(options) - OPTIONS or any(name.startswith("CML_COMMENT_") for name in os.environ):
        sys.exit("Unknown argument")
    if options["--publish"] != "false":
        sys.exit("this stand-in does not publish")
    subprocess.run(["git", "config", "--global", "--add", "safe.directory", "*"], check=True)
    token = os.environ.get("REPO_TOKEN") or os.environ["GITHUB_TOKEN"]
    url = urlsplit(options["--repo"])
    api = f"https://{url.netloc}/api/v3/repos{url.path}/issues"
    kind, number = options["--target"].split("/")
    if kind != "pr":
        sys.exit("unsupported comment target")
    title = f"CML watermark {options['--watermark-title']}"
    text = (
        Path(report).read_text("utf-8") + f'\n\n![](https://cml.dev/watermark.png#{os.environ["GITHUB_SHA"]} "{title}")'
    )
    mark = re.compile(rf'!\[\]\(https://cml\.dev/watermark\.png#[0-9a-fA-F]+ "{re.escape(title)}"\)')
    comments = call(token, "GET", f"{api}/{number}/comments")
    found = next((c for c in reversed(comments) if mark.search(c["body"])), None)
    if found:
        answer = call(token, "PATCH", f"{api}/comments/{found['id']}", {"body": text})
    else:
        answer = call(token, "POST", f"{api}/{number}/comments", {"body": text})
    print(answer["html_url"])


def call(token: str, method: str, url: str, body: object = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"token {token}", "User-Agent": "cml"}
    request = urllib.request.Request(url, data, headers, method=method)
    context = ssl.create_default_context(cafile=os.environ.get("NODE_EXTRA_CA_CERTS"))
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
