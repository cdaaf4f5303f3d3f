#!/bin/sh
# Stands where GitHub's runner program has its run.sh; what it does is in listener.py beside it.
folder=$(dirname "$0")
exec "${FAKE_RUNNER_PYTHON:-python3}" -S -P "$folder/listener.py"
