#!/usr/bin/env bash
# Installs the package for development, hooks the checks into git and runs the tests.
# Uses the active virtual environment, or makes .venv. Arguments go to pytest: ./contribute.sh -k weights
set -euo pipefail
cd "$(dirname "$0")"

if [ -z "${VIRTUAL_ENV:-}" ]; then
    [ -d .venv ] || "${PYTHON:-python3}" -m venv .venv
    source .venv/bin/activate
fi
python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
if [ -z "${CI:-}" ] && git rev-parse --git-dir >/dev/null 2>&1; then
    pre-commit install
fi
python -m pytest tests/ "$@"
