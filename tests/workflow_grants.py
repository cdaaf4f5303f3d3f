"""What each job of the workflows may do, what each of its steps is told, and as whom it logs in; and nothing else."""

from __future__ import annotations

from tests.security.workflows import ACTION, CHAT, PROMOTE, SHARE, TRAINING

READER = {"contents": "read", "pull-requests": "read", "id-token": "write"}
RIGHTS = {
    (TRAINING, "plan"): READER,
    (TRAINING, "share-1"): READER,
    (TRAINING, "share-2"): READER,
    (TRAINING, "share-3"): READER,
    (SHARE, "share"): READER,
    (TRAINING, "train"): READER,
    (TRAINING, "report"): {
        "contents": "write", "pull-requests": "write", "checks": "write", "statuses": "write", "issues": "write",
    },
    (TRAINING, "promote"): {
        "contents": "write", "pull-requests": "write", "statuses": "write", "id-token": "write",
    },
    (PROMOTE, "push"): {"contents": "read", "id-token": "write"},
    (PROMOTE, "register"): {"contents": "read", "id-token": "write"},
    (PROMOTE, "record"): {"contents": "write", "pull-requests": "write", "statuses": "write"},
    (CHAT, "answer"): {"contents": "read", "actions": "write", "pull-requests": "write"},
}  # fmt: skip
TOKEN, LOGIN = "GITHUB_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"
SECOND = "PAWL_PULL_REQUESTS_REMOTE"
MLFLOW = {f"MLFLOW_TRACKING_{name}" for name in ("USERNAME", "PASSWORD", "TOKEN")}
REGISTRY = {f"MLFLOW_MAIN_{name}" for name in ("USERNAME", "PASSWORD", "TOKEN")} | {"PAWL_SIGNING_KEY"}
# What each step is told beside its command; those that are not here are told nothing.
TOLD = {
    (TRAINING, "plan", "Decide who may do what"): {TOKEN},
    (TRAINING, "plan", "Plan"): {TOKEN, LOGIN, SECOND, "PAWL_FAN_OUT"},
    (SHARE, "share", "Pull"): {TOKEN, LOGIN, SECOND, "PAWL_SHARE"},
    (SHARE, "share", "Drop the credentials"): {"CREDENTIALS"},
    (SHARE, "share", "Train"): {"PAWL_SHARE"},
    (SHARE, "share", "Keep the results"): {LOGIN, SECOND, "PAWL_SHARE"},
    (TRAINING, "train", "Pull"): {TOKEN, LOGIN, SECOND},
    (TRAINING, "train", "Drop the credentials"): {"CREDENTIALS"},
    (TRAINING, "train", "Track"): {"MLFLOW_TRACKING_URI", *MLFLOW},
    (TRAINING, "train", "Keep the results"): {LOGIN, SECOND},
    (TRAINING, "report", "Pictures"): {TOKEN},
    (TRAINING, "report", "Comment"): {TOKEN},
    (TRAINING, "report", "Tell by an issue"): {TOKEN},
    (PROMOTE, "push", "Plan"): {LOGIN, SECOND},
    (PROMOTE, "push", "Pull"): {LOGIN, SECOND},
    (PROMOTE, "push", "Drop the credentials"): {"CREDENTIALS"},
    (PROMOTE, "push", "Push"): {LOGIN},
    (PROMOTE, "register", "Ask for the champions, and pull"): {LOGIN, "MLFLOW_TRACKING_URI", *MLFLOW},
    (PROMOTE, "register", "Drop the credentials"): {"CREDENTIALS"},
    (PROMOTE, "register", "Measure beside the champions"): {"MLFLOW_TRACKING_URI"},
    (PROMOTE, "register", "Register"): {"MLFLOW_TRACKING_URI", *MLFLOW, "PAWL_SIGNING_KEY"},
    (PROMOTE, "record", "Record"): {TOKEN},
    (CHAT, "answer", "Answer"): {TOKEN},
    (ACTION, "", "Set up the environment"): {"REQUIREMENTS", "CML"},
}
LOGINS = {
    # step that is told of the login -> step that logs in, whose identity it is
    (TRAINING, "plan", "Plan"): ("Log in to read main's remote", "GOOGLE_READER"),
    (SHARE, "share", "Pull"): ("Log in to read main's remote", "GOOGLE_READER"),
    (SHARE, "share", "Keep the results"): ("Log in to write the pull requests' remote", "GOOGLE_KEEPER"),
    (TRAINING, "train", "Pull"): ("Log in to read main's remote", "GOOGLE_READER"),
    (TRAINING, "train", "Keep the results"): ("Log in to write the pull requests' remote", "GOOGLE_KEEPER"),
    (PROMOTE, "push", "Plan"): ("Log in to read main's remote", "GOOGLE_READER"),
    (PROMOTE, "push", "Pull"): ("Log in to read main's remote", "GOOGLE_READER"),
    (PROMOTE, "push", "Push"): ("Log in to write main's remote", "GOOGLE_WRITER"),
    (PROMOTE, "register", "Ask for the champions, and pull"): ("Log in to read main's remote", "GOOGLE_READER"),
}
