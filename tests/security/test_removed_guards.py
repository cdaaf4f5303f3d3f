"""Take any guard out of the workflows, and a test that names it fails; and the linters find what they are there for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lint_workflows
from tests import test_workflow_shares as of_shares
from tests import test_workflows as rules
from tests.security.workflows import ACTION, CHAT, PROMOTE, ROOT, SHARE, TRAINING, Workflows, own_workflows

Rule = Callable[[Workflows], None]
PIN = r"actions/checkout@[0-9a-f]{40} # v7\.0\.1"
DROP = r"      - name: Drop the credentials\n(?:        .*\n)+"


def in_order(file: str, job: str) -> Rule:
    """The rule about the order of a job's steps."""
    return lambda workflows: rules.test_pull_drop_the_login_train_hand_over(workflows, file, job, rules.ORDER[job])


# What is done to a file, as a regular expression and its replacement -> the rule that has to notice.
REMOVED: dict[str, tuple[str, str, str, Rule]] = {
    "pull_request_target": (TRAINING, r"^  pull_request:$", "  pull_request_target:", rules.test_triggers),
    "a filter by path": (TRAINING, r"^  pull_request:$", "  pull_request:\n    paths: [src/**]", rules.test_triggers),
    "workflow_run": (PROMOTE, r"^  workflow_dispatch:$", "  workflow_run:\n    types: [completed]",
                     rules.test_triggers),
    "edited comments": (CHAT, r"types: \[created\]", "types: [created, edited]", rules.test_triggers),
    "any branch pushed": (TRAINING, r"branches: \[main\]", "branches: ['**']", rules.test_triggers),
    "expression in run": (TRAINING, r"run: pawl ci compare", "run: pawl ci compare ${{ github.head_ref }}",
                          rules.test_no_shell_line_holds_an_expression),
    "expression in the action": (ACTION, r'run: python3.11 "\$GITHUB_ACTION_PATH', 'run: python3.11 "${{ inputs.cml }}',
                                 rules.test_no_shell_line_holds_an_expression),
    "rights of all jobs": (TRAINING, r"^permissions: \{\}", "permissions:\n  contents: read",
                           rules.test_every_job_has_the_least_rights_and_says_what_for),
    "rights of all jobs, promote": (PROMOTE, r"^permissions: \{\}", "permissions: read-all",
                                    rules.test_every_job_has_the_least_rights_and_says_what_for),
    "one right more": (TRAINING, r"^      pull-requests: read ", "      pull-requests: write ",
                       rules.test_every_job_has_the_least_rights_and_says_what_for),
    "no reason": (TRAINING, r"contents: read # to check the repository out", "contents: read",
                  rules.test_every_job_has_the_least_rights_and_says_what_for),
    "chat may push": (CHAT, r"contents: read #", "contents: write #",
                      rules.test_every_job_has_the_least_rights_and_says_what_for),
    "a runner that writes": (PROMOTE, r"contents: read # to check", "contents: write # to check",
                             rules.test_machines_of_ours_hold_no_token_that_writes),
    "an action by tag": (TRAINING, PIN, "actions/checkout@v7", rules.test_actions_are_few_and_pinned_by_commit),
    "an action without release": (CHAT, r"(actions/checkout@[0-9a-f]{40}) # v7.0.1", r"\1",
                                  rules.test_actions_are_few_and_pinned_by_commit),
    "another's action": (PROMOTE, r"uses: actions/setup-python@", "uses: somebody/setup-python@",
                         rules.test_actions_are_few_and_pinned_by_commit),
    "another commit of it": (PROMOTE, r"checkout@3d3c", "checkout@0000",
                             rules.test_actions_are_few_and_pinned_by_commit),
    "token left behind": (TRAINING, r"persist-credentials: false", "persist-credentials: true",
                          rules.test_no_checkout_leaves_its_token_behind),
    "token left by default": (PROMOTE, r" +persist-credentials: false\n", "",
                              rules.test_no_checkout_leaves_its_token_behind),
    "training is told a token": (TRAINING, r"run: pawl ci train",
                                 "run: pawl ci train\n        env: {GITHUB_TOKEN: '${{ github.token }}'}",
                                 rules.test_each_step_is_told_what_it_needs_and_no_more),
    "the job is told a token": (TRAINING, r'^      DVC_NO_ANALYTICS: "1"\n      PAWL',
                                "      GITHUB_TOKEN: x\n      PAWL",
                                rules.test_each_step_is_told_what_it_needs_and_no_more),
    "all are told": (CHAT, r"^permissions:", "env: {GITHUB_TOKEN: x}\npermissions:",
                     rules.test_each_step_is_told_what_it_needs_and_no_more),
    "promotion is handed secrets": (TRAINING, r"^    secrets:\n(      .*\n)+", "    secrets: inherit\n",
                                    rules.test_each_step_is_told_what_it_needs_and_no_more),
    "promotion is handed another secret": (TRAINING, r"^    secrets:\n", "    secrets:\n      X: ${{ secrets.X }}\n",
                                           rules.test_secrets_are_for_tracking_alone),
    "measuring with the registry's secrets": (PROMOTE, r"(        run: pawl promote --step measure)",
                                              r"          PAWL_SIGNING_KEY: ${{ secrets.PAWL_SIGNING_KEY }}\n\1",
                                              rules.test_secrets_are_for_tracking_alone),
    "asking as who writes": (PROMOTE, r"secrets.MLFLOW_TRACKING_TOKEN", "secrets.MLFLOW_MAIN_TOKEN",
                             rules.test_secrets_are_for_tracking_alone),
    "a dispatch tracks as main": (TRAINING, r"github.event_name == 'schedule'\) && secrets",
                                  "github.event_name == 'workflow_dispatch') && secrets",
                                  rules.test_secrets_are_for_tracking_alone),
    "registered from any branch": (PROMOTE, r"^    environment: main\n", "",
                                   rules.test_who_writes_the_registry_runs_no_stage_and_belongs_to_main),
    "registered whatever happened": (PROMOTE, r"(- name: Register\n)", r"\1        if: ${{ always() }}\n",
                                     rules.test_who_writes_the_registry_runs_no_stage_and_belongs_to_main),
    "login kept in registering": (PROMOTE, DROP, "", in_order(PROMOTE, "register")),
    "measuring with the remote": (PROMOTE, r"--step measure", "", in_order(PROMOTE, "register")),
    "a secret elsewhere": (TRAINING, r"CREDENTIALS: \$\{\{ steps.login", "CREDENTIALS: ${{ secrets.X || steps.login",
                           rules.test_secrets_are_for_tracking_alone),
    "a secret in promote": (PROMOTE, r"GITHUB_TOKEN: \$\{\{ github.token \}\}", "GITHUB_TOKEN: ${{ secrets.PAT }}",
                            rules.test_secrets_are_for_tracking_alone),
    "strangers track": (TRAINING, r" && needs.plan.outputs.trusted == 'true' \}\}\n        env:\n          MLFLOW",
                        " }}\n        env:\n          MLFLOW", rules.test_secrets_are_for_tracking_alone),
    "login for all steps": (TRAINING, r"export_environment_variables: false", "export_environment_variables: true",
                            rules.test_a_login_is_told_to_the_steps_that_read_or_write_the_remote_alone),
    "login for all steps of promote": (PROMOTE, r" +export_environment_variables: false\n", "",
                                       rules.test_a_login_is_told_to_the_steps_that_read_or_write_the_remote_alone),
    "training writes": (TRAINING, r"vars.GOOGLE_READER", "vars.GOOGLE_WRITER",
                        rules.test_a_login_is_told_to_the_steps_that_read_or_write_the_remote_alone),
    "pull with the writer's": (PROMOTE, r"steps.reader.outputs", "steps.writer.outputs",
                               rules.test_a_login_is_told_to_the_steps_that_read_or_write_the_remote_alone),
    "strangers log in": (TRAINING, r" && needs.plan.outputs.trusted == 'true' \}\}\n        uses", " }}\n        uses",
                         rules.test_only_trusted_code_logs_in),
    "strangers log in to plan": (TRAINING, r" && steps.decide.outputs.trusted == 'true'", "",
                                 rules.test_only_trusted_code_logs_in),
    "main hears of pull requests' results": (TRAINING, r"needs.plan.outputs.keeps == 'true' && vars", "vars",
                                             rules.test_main_never_hears_of_the_pull_requests_remote),
    "promotion hears of them": (PROMOTE, r"inputs.cache == 'pull-requests' && vars", "vars",
                                rules.test_main_never_hears_of_the_pull_requests_remote),
    "strangers keep results": (TRAINING, r" &&\n          needs.plan.outputs.keeps == 'true' \}\}", " }}",
                               rules.test_only_trusted_code_logs_in),
    "the plan says whom to trust": (TRAINING, r"trusted: \$\{\{ steps.decide", "trusted: ${{ steps.plan",
                                    rules.test_only_trusted_code_logs_in),
    "login kept": (TRAINING, DROP, "", in_order(TRAINING, "train")),
    "login kept in promote": (PROMOTE, DROP, "", in_order(PROMOTE, "push")),
    "login moved": (TRAINING, r'run: rm -f -- "\$CREDENTIALS"', 'run: mv -- "$CREDENTIALS" /tmp/x',
                    in_order(TRAINING, "train")),
    "drop may fail": (TRAINING, r"(- name: Drop the credentials\n)", r"\1        continue-on-error: true\n",
                      in_order(TRAINING, "train")),
    "training whatever happened": (TRAINING, r"(- name: Train\n)", r"\1        if: ${{ always() }}\n",
                                   in_order(TRAINING, "train")),
    "training with the remote": (PROMOTE, r"reproduce --no-remote", "reproduce", in_order(PROMOTE, "push")),
    "pull after training": (TRAINING, r"(      - name: Pull\n(?:        .*\n)+\n)((?:.*\n)*?)(      # After a stage)",
                            r"\2\1\3", in_order(TRAINING, "train")),
    "forks train": (TRAINING, r"needs.plan.outputs.train == 'true' &&\n.*$", "needs.plan.outputs.train == 'true' }}",
                    rules.test_only_code_that_may_reaches_our_machines),
    "all train": (TRAINING, r"^    if: >-\n.* needs.plan.outputs.train == 'true' .*\n.*\n", "",
                  rules.test_only_code_that_may_reaches_our_machines),
    "not after a share that failed": (TRAINING, r"!cancelled\(\) && (needs.plan.result == 'success' && needs.\S+train)",
                                      r"\1", rules.test_only_code_that_may_reaches_our_machines),
    "forks share": (TRAINING, r"(keeps == 'true') && \(github.event_name .*\n.*$", r"\1 }}",
                    rules.test_only_code_that_may_reaches_our_machines),
    "main shares": (TRAINING, r"needs.plan.outputs.keeps == 'true' && \(github", "(github",
                    rules.test_main_never_hears_of_the_pull_requests_remote),
    "a share with main's cache": (SHARE, r"inputs.cache", "'main'",
                                  rules.test_pull_requests_and_main_have_a_cache_each),
    "login kept in a share": (SHARE, DROP, "", in_order(SHARE, "share")),
    "a share with the plan's train": (SHARE, r"pawl ci share", "pawl run", in_order(SHARE, "share")),
    "a share knows a secret": (SHARE, r"inputs.stages", "secrets.X", rules.test_secrets_are_for_tracking_alone),
    "a share is told a token": (SHARE, r"(run: pawl ci share)", r"  GITHUB_TOKEN: x\n        \1",
                                rules.test_each_step_is_told_what_it_needs_and_no_more),
    "shares wait for each other": (SHARE, r"format\(.*inputs.id\)", "github.run_id",
                                   rules.test_what_waits_and_what_is_cancelled),
    "levels at once": (TRAINING, r"needs: \[plan, share-1\]", "needs: plan",
                       of_shares.test_levels_follow_each_other_and_whatever_becomes_of_a_share_the_last_job_runs),
    "one share ends the others": (TRAINING, r"fail-fast: false", "fail-fast: true",
                                  of_shares.test_levels_follow_each_other_and_whatever_becomes_of_a_share_the_last_job_runs),
    "a share decides": (SHARE, r"    continue-on-error: true\n", "",
                        of_shares.test_levels_follow_each_other_and_whatever_becomes_of_a_share_the_last_job_runs),
    "plan on our machine": (TRAINING, r"(  plan:\n(?:.*\n)*?)    runs-on: ubuntu-latest",
                            r"\1    runs-on: [self-hosted, linux, gpu]",
                            rules.test_only_code_that_may_reaches_our_machines),
    "chat on our machine": (CHAT, r"runs-on: ubuntu-latest", "runs-on: self-hosted",
                            rules.test_only_code_that_may_reaches_our_machines),
    "any branch promotes": (PROMOTE, r"    if: \$\{\{ github.ref_name == .*\n", "",
                            rules.test_only_code_that_may_reaches_our_machines),
    "pull requests promote": (TRAINING, r" && github.event_name == 'push' && needs.train", " && needs.train",
                              rules.test_only_code_that_may_reaches_our_machines),
    "head's code reports": (TRAINING, r"ref: \$\{\{ github.event.pull_request.base.sha", "ref: ${{ github.sha",
                            rules.test_what_may_write_runs_the_code_that_is_trusted),
    "any code chats": (CHAT, r" +ref: .*\n", "", rules.test_what_may_write_runs_the_code_that_is_trusted),
    "reports in the checkout": (TRAINING, r"path: \$\{\{ runner.temp \}\}/handed-over", "path: reports",
                                rules.test_what_was_handed_over_stays_out_of_the_checkout_until_it_is_valid),
    "reported unchecked": (TRAINING, r'pawl ci report --reports "\$RUNNER_TEMP/reports"',
                           'pawl ci report --reports "$RUNNER_TEMP/handed-over"',
                           rules.test_what_was_handed_over_stays_out_of_the_checkout_until_it_is_valid),
    "never checked": (TRAINING, r"      - name: Believe only what is valid\n.*\n", "",
                      rules.test_what_was_handed_over_stays_out_of_the_checkout_until_it_is_valid),
    "no time limit": (TRAINING, r"    timeout-minutes: 720\n", "", rules.test_no_job_runs_for_ever),
    "no time limit of chat": (CHAT, r"    timeout-minutes: 10\n", "", rules.test_no_job_runs_for_ever),
    "plan not always": (TRAINING, r"^    name: plan$", "    name: plan\n    if: ${{ github.actor != 'x' }}",
                        rules.test_a_required_check_never_hangs),
    "report after success only": (TRAINING, r"!cancelled\(\) && needs.plan.outputs.writes", "needs.plan.outputs.writes",
                                  rules.test_a_required_check_never_hangs),
    "main is cancelled": (TRAINING, r"cancel-in-progress: .*", "cancel-in-progress: true",
                          rules.test_what_waits_and_what_is_cancelled),
    "one group for all": (TRAINING, r"github.event.pull_request.number \|\| github.run_id", "github.workflow",
                          rules.test_what_waits_and_what_is_cancelled),
    "no queue": (TRAINING, r" +queue: max\n", "", rules.test_what_waits_and_what_is_cancelled),
    "no queue of promotions": (PROMOTE, r" +queue: max\n", "", rules.test_what_waits_and_what_is_cancelled),
    "one cache": (TRAINING, r"needs.plan.outputs.cache", "'main'",
                  rules.test_pull_requests_and_main_have_a_cache_each),
    "no cache of main's": (PROMOTE, r"inputs.cache \|\| 'main'", "inputs.cache",
                           rules.test_pull_requests_and_main_have_a_cache_each),
}  # fmt: skip


@pytest.mark.parametrize("name", REMOVED)
def test_removing_a_guard_is_noticed(name: str) -> None:
    file, old, new, rule = REMOVED[name]
    own = own_workflows()
    rule(own)
    changed = own.changed(file, old, new)
    changed.parsed(file)
    with pytest.raises((AssertionError, KeyError)):
        rule(changed)


def test_every_rule_has_a_guard_that_it_misses() -> None:
    named = {rule for *_, rule in REMOVED.values()}
    all_rules = {value for key, value in (vars(rules) | vars(of_shares)).items() if key.startswith("test_")}
    ordered = {rules.test_pull_drop_the_login_train_hand_over}
    assert all_rules - ordered <= named


def test_the_linters_find_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    found = lint_workflows.main()
    assert (found, capsys.readouterr().out) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "finders"),
    [
        (r'run: pawl ci report --reports "(.*)"', r"run: pawl ci report --reports \1", {"actionlint"}),
        (r"actions/setup-python@[0-9a-f]{40} # v7.0.0", "actions/setup-python@v7", {"zizmor"}),
        (r"timeout-minutes: 720", "time-out-minutes: 720", {"actionlint", "act"}),
        (r"run: pawl ci compare", "run: pawl ci compare ${{ github.head_ref }}", {"actionlint", "zizmor"}),
        (r"^permissions: \{\}", "permissions: write-all", {"zizmor"}),
        (r" +persist-credentials: false\n", "", {"zizmor"}),
    ],
    ids=["unquoted", "unpinned", "unknown key", "injected", "all rights", "token left behind"],
)
def test_the_linters_find_a_flaw(
    old: str, new: str, finders: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    (tmp_path / ".git").mkdir()  # by it actionlint knows the top, and there its settings
    assert lint_workflows.main(tmp_path) == 0
    capsys.readouterr()
    changed = own_workflows().changed(TRAINING, old, new)
    (tmp_path / ".github" / "workflows" / TRAINING).write_text(changed.texts[TRAINING], encoding="utf-8")
    assert lint_workflows.main(tmp_path) == 1
    assert finders <= set(re.findall(r"^(\w+) ends with [0-9]+:$", capsys.readouterr().out, re.MULTILINE))
