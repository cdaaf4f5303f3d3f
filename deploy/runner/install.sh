#!/usr/bin/env bash
# Turn this machine into a runner machine, or bring one up to date. See docs/runner.md.
#
#   sudo deploy/runner/install.sh [--slots N]
#
#   --slots N         how many jobs at once: a user is made for each (default 1)
#   --no-service      without systemd, as in a container
#   --root FOLDER     lay everything out below FOLDER and touch nothing else: no users, no packages, no service
#   --archive FILE    the runner program's archive, where it must not be downloaded
#   --python PROGRAM  the Python 3.11 to use (default python3.11)
set -euo pipefail

# GitHub refuses jobs to a program that is some months behind, and it then updates its copy before every job: renew these
# two together, with the checksums from https://github.com/actions/runner/releases
version=2.337.0
case "$(uname -m)" in
    x86_64) machine=x64 checksum=70920811a4f8ad4328818682bca5c6469c1c942fab52448868071d0063816613 ;;
    aarch64) machine=arm64 checksum=9b1dc70626422526e3c94767cf024896beb15da5342a3f4819bf2feac13e0393 ;;
    *) echo "error: GitHub's runner does not run on $(uname -m)." >&2 && exit 2 ;;
esac

slots=1 root="" archive="" python=python3.11 service=yes
while (($#)); do
    case "$1" in
        --slots) slots=${2:?} && shift 2 ;;
        --root) root=${2:?} && shift 2 ;;
        --archive) archive=${2:?} && shift 2 ;;
        --python) python=${2:?} && shift 2 ;;
        --no-service) service=no && shift ;;
        *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
    esac
done
[[ "$slots" =~ ^[1-9][0-9]?$ ]] || { echo "error: --slots $slots is no number from 1 to 99." >&2 && exit 2; }
[[ -n "$root" || "$(id -u)" == 0 ]] || { echo "error: this needs root: sudo $0" >&2 && exit 2; }
# A test may bring an archive of its own, but only where nothing of the machine is touched.
[[ -n "$root" && -n "${PAWL_TEST_ARCHIVE_SHA256:-}" ]] && checksum=$PAWL_TEST_ARCHIVE_SHA256

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
code=$root/opt/pawl-runner state=$root/var/lib/pawl-runner etc=$root/etc
umask 022

make_users() {
    getent group pawl-job >/dev/null || groupadd --system pawl-job
    local slot
    for ((slot = 1; slot <= slots; slot++)); do
        id "pawl-job-$slot" >/dev/null 2>&1 || useradd --system --gid pawl-job --no-create-home \
            --home-dir /nonexistent --shell /usr/sbin/nologin "pawl-job-$slot"
    done
}

make_folders() {
    install -d -m 755 "$code" "$state" "$state/work" "$etc"
    install -d -m 700 "$etc/pawl-runner"
    # Shared by the jobs of all slots: what one user makes there, the next must be able to replace.
    install -d -m 2775 "$state/cache" "$state/cache/pawl" "$state/environments"
    [[ -n "$root" ]] || chgrp pawl-job "$state/cache" "$state/cache/pawl" "$state/environments"
}

install_code() {
    rm -rf "$code/src.new"
    install -d -m 755 "$code/src.new"
    cp -R "$repository/src/pawl" "$code/src.new/pawl"
    find "$code/src.new" -name __pycache__ -prune -exec rm -rf {} +
    rm -rf "$code/src.old"
    [[ ! -e "$code/src" ]] || mv "$code/src" "$code/src.old"
    mv "$code/src.new" "$code/src"
    rm -rf "$code/src.old"
    [[ -z "$root" ]] || return 0
    [[ -x "$code/venv/bin/python" ]] || "$python" -m venv "$code/venv"
    "$code/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement "$repository/requirements-report.txt"
}

install_program() {
    local folder=$state/actions-runner-$version
    if [[ ! -x "$folder/run.sh" ]]; then
        local scratch
        scratch=$(mktemp -d "$state/.download.XXXXXX")
        # shellcheck disable=SC2064 # the folder of now
        trap "rm -rf '$scratch'" EXIT
        local name=actions-runner-linux-$machine-$version.tar.gz
        if [[ -n "$archive" ]]; then
            cp "$archive" "$scratch/$name"
        else
            curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' --retry 3 \
                --output "$scratch/$name" "https://github.com/actions/runner/releases/download/v$version/$name"
        fi
        echo "$checksum  $scratch/$name" | sha256sum --check --quiet || {
            echo "error: $name is not what its publisher released: nothing of it was unpacked." >&2
            exit 1
        }
        install -d -m 755 "$scratch/program"
        tar --extract --gzip --no-same-owner --no-same-permissions --file "$scratch/$name" --directory "$scratch/program"
        rm -rf "$folder"
        mv "$scratch/program" "$folder"
        rm -rf "$scratch"
        trap - EXIT
        [[ -n "$root" ]] || "$folder/bin/installdependencies.sh" >/dev/null
    fi
    ln -sfn "actions-runner-$version" "$state/actions-runner"
}

write_settings() {
    local file=$etc/pawl-runner.toml
    [[ -e "$file" ]] && echo "$file is left as it is." && return 0
    local users slot
    users='"pawl-job-1"'
    for ((slot = 2; slot <= slots; slot++)); do users+=", \"pawl-job-$slot\""; done
    sed -e "s/^slots = .*/slots = $slots/" -e "s/^users = .*/users = [$users]/" "$here/pawl-runner.toml" >"$file.new"
    chmod 644 "$file.new"
    mv "$file.new" "$file"
}

install_service() {
    [[ "$service" == yes ]] || return 0
    install -D -m 644 "$here/pawl-runner.service" "$etc/systemd/system/pawl-runner.service"
    [[ -z "$root" ]] || return 0
    systemctl daemon-reload
    systemctl enable --quiet pawl-runner.service
    if systemctl is-active --quiet pawl-runner.service; then
        echo "The supervisor goes on with the old code; renew it when it suits: systemctl restart pawl-runner"
    fi
}

[[ -n "$root" ]] || make_users
make_folders
install_code
install_program
write_settings
install_service
cat <<END
Installed. What is left to do (docs/runner.md says more):
  1. Put the App's private key at $etc/pawl-runner/app.pem: install -m 600 KEY.pem $etc/pawl-runner/app.pem
  2. Fill in $etc/pawl-runner.toml: repository, app_id, installation_id.
  3. Try it: PYTHONPATH=$code/src $code/venv/bin/python -m pawl.runner --check
  4. systemctl start pawl-runner
END
