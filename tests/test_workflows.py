"""What the workflows promise and act does not enforce: triggers, rights, pins, order, and which step knows what."""

from __future__ import annotations

import re

import pytest

from tests.security.workflows import ACTION, CHAT, PROMOTE, SHARE, TRAINING, Workflows, own_workflows
from tests.test_workflow_shares import SHARES
from tests.workflow_grants import LOGIN, LOGINS, MLFLOW, REGISTRY, RIGHTS, SECOND, TOLD

OWN_CODE = "github.event.pull_request.head.repo.full_name == github.repository"
OF_MAIN = "(github.event_name == 'push' || github.event_name == 'schedule')"
ORDER = {
    "train": [
        "Log in to read main's remote", "Pull", "Drop the credentials", "Train", "Compare", "Track", "Hand over",
        "Hand over what MLflow has not taken", "Log in to write the pull requests' remote", "Keep the results",
    ],
    "share": [
        "Log in to read main's remote", "Pull", "Drop the credentials", "Train",
        "Log in to write the pull requests' remote", "Keep the results",
    ],
    "push": [
        "Log in to read main's remote", "Plan", "Pull", "Drop the credentials", "Train what nobody has trained",
        "Log in to write main's remote", "Push", "Hand over",
    ],
    "register": [
        "Log in to read main's remote", "Ask for the champions, and pull", "Drop the credentials",
        "Measure beside the champions", "Register", "Hand over",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def own() -> Workflows:
    return own_workflows()


def test_triggers(own: Workflows) -> None:
    """None that gives a stranger's change a token that writes; no filter, which would leave a check pending."""
    on = {name: own.parsed(name)[True] for name in own.texts if name != ACTION}
    assert set(on) == {TRAINING, SHARE, PROMOTE, CHAT}
    assert set(on[TRAINING]) == {"pull_request", "push", "schedule", "workflow_dispatch"}
    assert on[TRAINING]["pull_request"] is None
    assert on[TRAINING]["push"] == {"branches": ["main"]}
    assert set(on[SHARE]) == {"workflow_call"}
    assert set(on[PROMOTE]) == {"workflow_call", "workflow_dispatch"}
    assert on[CHAT] == {"issue_comment": {"types": ["created"]}}


def test_no_shell_line_holds_an_expression(own: Workflows) -> None:
    for place, step in own.steps():
        assert "${{" not in step.get("run", ""), place


def test_every_job_has_the_least_rights_and_says_what_for(own: Workflows) -> None:
    for name in (TRAINING, SHARE, PROMOTE, CHAT):
        assert own.parsed(name)["permissions"] == {}, name
        granted = re.findall(r"^ {6}([a-z-]+): (read|write)\b(.*)$", own.texts[name], re.MULTILINE)
        assert len(granted) == sum(len(rights) for (file, _), rights in RIGHTS.items() if file == name)
        for right, _, reason in granted:
            assert re.fullmatch(r" # (to|for) \w.{10,}", reason), f"{name}: {right} has no reason beside it"
    assert {(file, job): content["permissions"] for file, job, content in own.jobs()} == RIGHTS


def test_machines_of_ours_hold_no_token_that_writes(own: Workflows) -> None:
    for file, job, content in own.jobs():
        if content.get("runs-on", "ubuntu-latest") != "ubuntu-latest":
            writes = {right for right, kind in content["permissions"].items() if kind == "write"}
            assert writes <= {"id-token"}, (file, job)


def test_actions_are_few_and_pinned_by_commit(own: Workflows) -> None:
    pins: dict[str, str] = {}
    for name, text in own.texts.items():
        for line in text.splitlines():
            if not re.match(r"\s*(- )?uses:", line) or re.search(r"uses: \./\.github/[a-z/]+(\.yml)?$", line):
                continue
            owners = r"actions/[a-z-]+|google-github-actions/auth"
            found = re.fullmatch(rf"\s*(?:- )?uses: ({owners})@([0-9a-f]{{40}} # v\d+\.\d+\.\d+)", line)
            assert found, f"{name}: {line}"
            assert pins.setdefault(found[1], found[2]) == found[2], f"{name}: two pins of {found[1]}"


def test_no_checkout_leaves_its_token_behind(own: Workflows) -> None:
    checkouts = [(place, step) for place, step in own.steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 9
    for place, step in checkouts:
        assert step["with"]["persist-credentials"] is False, place


def test_each_step_is_told_what_it_needs_and_no_more(own: Workflows) -> None:
    assert {place: set(step["env"]) for place, step in own.steps() if "env" in step} == TOLD
    for name in (TRAINING, SHARE, PROMOTE, CHAT):
        assert "env" not in own.parsed(name)
    for file, job, content in own.jobs():
        assert set(content.get("env", {})) <= {"DVC_NO_ANALYTICS", "PAWL_CACHE"}, (file, job)
        handed = {name: f"${{{{ secrets.{name} }}}}" for name in MLFLOW | REGISTRY} if job == "promote" else {}
        assert content.get("secrets", {}) == handed, "a called workflow is handed others"


def test_secrets_are_for_tracking_alone(own: Workflows) -> None:
    """And for the registry; there only for code of people who may push: the command is the checkout's own."""
    mentioned = {name: set(re.findall(r"\bsecrets\.(\w+)", text)) for name, text in own.texts.items()}
    both = MLFLOW | REGISTRY
    assert mentioned == {TRAINING: both, PROMOTE: both, SHARE: set(), CHAT: set(), ACTION: set()}
    for place, step in own.steps():
        told = {value for value in step.get("env", {}).values() if "secrets" in value}
        if place == (TRAINING, "train", "Track"):
            # Main's login by GitHub's word for the event: a dispatch, too, runs under main's name.
            assert told == {
                f"${{{{ {OF_MAIN} && secrets.MLFLOW_MAIN_{word} || secrets.MLFLOW_TRACKING_{word} }}}}"
                for word in ("USERNAME", "PASSWORD", "TOKEN")
            }
            continue
        wanted = {
            (PROMOTE, "register", "Ask for the champions, and pull"): MLFLOW,
            (PROMOTE, "register", "Register"): REGISTRY,
        }.get(place, set())
        assert told == {f"${{{{ secrets.{secret} }}}}" for secret in wanted}, place
        assert "secrets" not in str({key: value for key, value in step.items() if key not in ("env", "name")}), place
    for file, job, content in own.jobs():
        rest = {key: value for key, value in content.items() if key not in ("steps", "secrets")}
        assert "secrets" not in str(rest), (file, job)
    track = own.step(TRAINING, "train", "Track")
    assert {name for name, value in track["env"].items() if "secrets" in value} == MLFLOW
    assert "&& needs.plan.outputs.trusted == 'true' }}" in track["if"]


def test_a_login_is_told_to_the_steps_that_read_or_write_the_remote_alone(own: Workflows) -> None:
    assert {place for place, told in TOLD.items() if LOGIN in told} == set(LOGINS)
    for (file, job, name), (login, identity) in LOGINS.items():
        step = own.step(file, job, login)
        assert step["with"]["service_account"] == f"${{{{ vars.{identity} }}}}"
        assert step["with"]["export_environment_variables"] is False
        path = own.step(file, job, name)["env"][LOGIN]
        assert path == f"${{{{ steps.{step['id']}.outputs.credentials_file_path }}}}"
    logins = {place for place, step in own.steps() if "google-github-actions" in step.get("uses", "")}
    assert logins == {(file, job, login) for (file, job, _), (login, _) in LOGINS.items()}


def test_only_trusted_code_logs_in(own: Workflows) -> None:
    login = "Log in to read main's remote"
    for job, trusted in (("plan", "steps.decide.outputs.trusted"), ("train", "needs.plan.outputs.trusted")):
        condition = own.step(TRAINING, job, login)["if"]
        assert condition == f"${{{{ vars.GOOGLE_IDENTITY_PROVIDER != '' && {trusted} == 'true' }}}}"
    # Shares are for runs alone whose results may be kept, which are those of trusted code (see below).
    assert own.step(SHARE, "share", login)["if"] == "${{ vars.GOOGLE_IDENTITY_PROVIDER != '' }}"
    keeper = own.step(TRAINING, "train", "Log in to write the pull requests' remote")["if"]
    assert "&& vars.PAWL_PULL_REQUESTS_REMOTE != '' &&" in keeper
    for condition in (keeper, own.step(TRAINING, "train", "Keep the results")["if"]):
        assert condition.endswith("&& needs.plan.outputs.keeps == 'true' }}")
    # Before the stranger's code is checked out, which could say anything.
    names = own.names(TRAINING, "plan")
    assert names.index("Decide who may do what") < names.index("Check out the commit that was asked for")
    for name in ("trusted", "keeps"):
        assert own.parsed(TRAINING)["jobs"]["plan"]["outputs"][name] == f"${{{{ steps.decide.outputs.{name} }}}}"


def test_main_never_hears_of_the_pull_requests_remote(own: Workflows) -> None:
    for job, step, decided in (("plan", "Plan", "steps.decide"), ("train", "Pull", "needs.plan")):
        address = own.step(TRAINING, job, step)["env"][SECOND]
        assert address == f"${{{{ {decided}.outputs.keeps == 'true' && vars.{SECOND} || '' }}}}"
    for job in SHARES:
        assert "&& needs.plan.outputs.keeps == 'true' &&" in " ".join(own.parsed(TRAINING)["jobs"][job]["if"].split())
    for step in ("Plan", "Pull"):
        address = own.step(PROMOTE, "push", step)["env"][SECOND]
        assert address == f"${{{{ inputs.cache == 'pull-requests' && vars.{SECOND} || '' }}}}"


@pytest.mark.parametrize(
    ("file", "job", "order"),
    [
        (TRAINING, "train", ORDER["train"]),
        (SHARE, "share", ORDER["share"]),
        (PROMOTE, "push", ORDER["push"]),
        (PROMOTE, "register", ORDER["register"]),
    ],
    ids=ORDER,
)
def test_pull_drop_the_login_train_hand_over(own: Workflows, file: str, job: str, order: list[str]) -> None:
    names = own.names(file, job)
    assert names[-len(order) :] == order
    drop = own.step(file, job, "Drop the credentials")
    login = own.step(file, job, order[0])
    assert drop["run"] == 'rm -f -- "$CREDENTIALS"'
    assert drop["env"]["CREDENTIALS"] == f"${{{{ steps.{login['id']}.outputs.credentials_file_path }}}}"
    assert drop["if"] == "${{ !cancelled() }}"
    assert "continue-on-error" not in drop
    train = own.step(file, job, next(name for name in order if name.startswith(("Train", "Measure"))))
    # Where the drop fails, nothing trains.
    assert "if" not in train
    told = ("pawl ci train", "pawl ci share", "pawl reproduce --no-remote", "pawl promote --step measure")
    assert train["run"] in told


def test_who_writes_the_registry_runs_no_stage_and_belongs_to_main(own: Workflows) -> None:
    """The registry's and the signer's secrets come from an environment that can be bound to main, after all stages."""
    environments = {(file, job): content.get("environment") for file, job, content in own.jobs()}
    assert {place: name for place, name in environments.items() if name} == {
        (PROMOTE, "register"): "main",
        (TRAINING, "train"): f"${{{{ {OF_MAIN} && 'main' || '' }}}}",
    }
    assert own.parsed(PROMOTE)["jobs"]["register"]["needs"] == "push"
    steps = {name: own.step(PROMOTE, "register", name).get("run") for name in ORDER["register"]}
    assert [command for command in steps.values() if command and command.startswith("pawl")] == [
        "pawl promote --step pull", "pawl promote --step measure", "pawl promote --step register",
    ]  # fmt: skip
    assert "if" not in own.step(PROMOTE, "register", "Register")


def test_only_code_that_may_reaches_our_machines(own: Workflows) -> None:
    ours = {(file, job): content for file, job, content in own.jobs() if "self-hosted" in str(content.get("runs-on"))}
    assert set(ours) == {(TRAINING, "train"), (SHARE, "share"), (PROMOTE, "push"), (PROMOTE, "register")}
    for content in ours.values():
        assert content["runs-on"] == ["self-hosted", "linux", "gpu"]
    # By GitHub's word, and not by that of a job that ran the stranger's own code.
    assert " ".join(ours[TRAINING, "train"]["if"].split()) == (
        "${{ !cancelled() && needs.plan.result == 'success' && needs.plan.outputs.train == 'true' && "
        f"(github.event_name != 'pull_request' || {OWN_CODE}) }}}}"
    )
    calls = {job: content for _, job, content in own.jobs() if content.get("uses") == f"./.github/workflows/{SHARE}"}
    assert tuple(calls) == SHARES
    for level, content in enumerate(calls.values(), start=1):
        assert " ".join(content["if"].split()) == (
            f"${{{{ !cancelled() && needs.plan.result == 'success' && needs.plan.outputs.shares_{level} != '' && "
            f"needs.plan.outputs.keeps == 'true' && (github.event_name != 'pull_request' || {OWN_CODE}) }}}}"
        )
    assert ours[PROMOTE, "push"]["if"] == "${{ github.ref_name == github.event.repository.default_branch }}"
    assert own.parsed(TRAINING)["jobs"]["promote"]["if"].startswith(
        "${{ !cancelled() && github.event_name == 'push' && "
    )
    assert all(content.get("runs-on") in ("ubuntu-latest", ["self-hosted", "linux", "gpu"], None)
               for _, _, content in own.jobs())  # fmt: skip


def test_what_may_write_runs_the_code_that_is_trusted(own: Workflows) -> None:
    default = "github.event.repository.default_branch"
    wanted = {
        (TRAINING, "report"): f"${{{{ github.event.pull_request.base.sha || {default} }}}}",
        (CHAT, "answer"): f"${{{{ {default} }}}}",
    }
    for (file, job), ref in wanted.items():
        assert own.step(file, job, "Check out the code that is trusted")["with"]["ref"] == ref
        assert own.names(file, job)[0] == "Check out the code that is trusted"
    for file in (PROMOTE, CHAT):
        assert "ref: ${{ inputs" not in own.texts[file]


def test_what_was_handed_over_stays_out_of_the_checkout_until_it_is_valid(own: Workflows) -> None:
    names = own.names(TRAINING, "report")
    taken = names.index("Take over what was handed over")
    assert names[taken + 1] == "Believe only what is valid"
    assert own.step(TRAINING, "report", names[taken])["with"]["path"] == "${{ runner.temp }}/handed-over"
    for name in names[taken + 2 :]:
        assert "handed-over" not in str(own.step(TRAINING, "report", name))
    assert names[-1] == "Gate"
    assert own.step(PROMOTE, "record", "Take over dvc.lock")["with"]["path"] == "${{ runner.temp }}/lock"


def test_no_job_runs_for_ever(own: Workflows) -> None:
    for file, job, content in own.jobs():
        assert "uses" in content or 1 <= content["timeout-minutes"] <= 720, (file, job)


def test_a_required_check_never_hangs(own: Workflows) -> None:
    plan = own.parsed(TRAINING)["jobs"]["plan"]
    assert not {"if", "needs"} & set(plan)
    report = own.parsed(TRAINING)["jobs"]["report"]
    assert report["if"] == "${{ !cancelled() && needs.plan.outputs.writes == 'true' }}"
    assert report["needs"] == ["plan", "train"]


def test_what_waits_and_what_is_cancelled(own: Workflows) -> None:
    assert own.parsed(TRAINING)["concurrency"] == {
        "group": "continuous-training-${{ github.event.pull_request.number || github.run_id }}",
        "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
    }
    assert own.parsed(TRAINING)["jobs"]["train"]["concurrency"] == {
        "group": "gpu-${{ vars.PAWL_GPU_GROUP || github.run_id }}",
        "queue": "max",
    }
    # Else the shares of one run would wait for each other.
    assert own.parsed(SHARE)["jobs"]["share"]["concurrency"] == {
        "group": "gpu-${{ vars.PAWL_GPU_GROUP || format('{0}-{1}', github.run_id, inputs.id) }}",
        "queue": "max",
    }
    assert own.parsed(PROMOTE)["concurrency"] == {"group": "promote", "queue": "max"}
    assert own.parsed(CHAT)["concurrency"]["cancel-in-progress"] is False


def test_pull_requests_and_main_have_a_cache_each(own: Workflows) -> None:
    assert own.parsed(TRAINING)["jobs"]["train"]["env"]["PAWL_CACHE"] == "${{ needs.plan.outputs.cache }}"
    assert own.parsed(SHARE)["jobs"]["share"]["env"]["PAWL_CACHE"] == "${{ inputs.cache }}"
    for job in ("push", "register"):
        assert own.parsed(PROMOTE)["jobs"][job]["env"]["PAWL_CACHE"] == "${{ inputs.cache || 'main' }}"
