"""`pawl pictures`, `pawl comment` and `pawl issue`: what is written on GitHub."""

from __future__ import annotations

from typing import Annotated

import typer

from pawl.commands.opening import choices, reports_of
from pawl.errors import PawlError
from pawl.options import HERE, ConfigFile, Folder, Reports

PICTURES_EXAMPLE = "Example: GITHUB_TOKEN=... pawl pictures --repository-slug acme/ct"
COMMENT_EXAMPLE = "Example: GITHUB_TOKEN=... pawl comment --repository-slug acme/ct --pull-request 7"
ISSUE_EXAMPLE = "Example: GITHUB_TOKEN=... pawl issue --repository-slug acme/ct --label regression"

Slug = Annotated[str | None, typer.Option("--repository-slug", help="owner/name; default: the workflow's.")]


def pictures(folder: Folder = HERE, config: ConfigFile = None, reports: Reports = None, slug: Slug = None) -> None:
    """Host the pictures of the report as `images` in pawl.yaml says, and write report.md so that it shows them.

    Where they cannot be hosted, it says why, leaves report.md as it is, and ends with 0: a comment is worth more than
    its pictures.
    """
    from pawl.config import load_config
    from pawl.console import say
    from pawl.publish.pictures import show_pictures

    try:
        settings = load_config(folder.absolute(), config).images
        place = reports_of(choices(folder, None, None, config, reports, False, False))
        shown = show_pictures(place, settings, slug=slug, progress=say)
    except PawlError as error:
        say(f"pictures: none are shown: {error}")
        return
    except OSError as error:
        say(f"pictures: none are shown: {error.filename or 'a file'}: {error.strerror or error}")
        return
    where = {"branch": f"on the branch {settings.branch}", "bucket": f"in {settings.bucket}", "none": ""}
    say(f"pictures: {shown.pictures} {where[settings.where]}".rstrip())
    if shown.left_out:
        say(f"pictures: left out, too large, too many or no PNG: {', '.join(shown.left_out)}")


def comment(
    folder: Folder = HERE,
    reports: Reports = None,
    slug: Slug = None,
    pull_request: Annotated[int | None, typer.Option(help="Its number; default: the workflow's event's.")] = None,
    commit: Annotated[str | None, typer.Option(help="Commit to set the status of; default: comparison.json's.")] = None,
    via: Annotated[str, typer.Option(help="auto, cml or api.")] = "auto",
    status: Annotated[bool, typer.Option(help="Set the commit status `pawl` too.")] = True,
    check: Annotated[bool, typer.Option(help="Set the check `pawl report` too.")] = True,
) -> None:
    """Post report.md as the one sticky comment of the pull request, and the verdict as a check and a commit status."""
    from pawl.publish.step import publish

    place = reports_of(choices(folder, None, None, None, reports, False, False))
    publish(place, slug=slug, pull_request=pull_request, commit=commit, via=via, status=status, check=check)


def issue(
    folder: Folder = HERE,
    reports: Reports = None,
    slug: Slug = None,
    commit: Annotated[str | None, typer.Option(help="Commit that was trained; default: comparison.json's.")] = None,
    title: Annotated[str, typer.Option(help="Tells several issues of one repository apart.")] = "pawl",
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="For a new issue, if the repository has it; may be repeated.")
    ] = None,
) -> None:
    """Open or update the one issue that tells of a scheduled training gone wrong; close it when all is fine again."""
    from pawl.publish.step import tell

    place = reports_of(choices(folder, None, None, None, reports, False, False))
    tell(place, slug=slug, commit=commit, key=title, labels=labels or ())
