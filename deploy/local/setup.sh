#!/usr/bin/env bash
# Makes the environment from the lock file: by name, version and hash. Can be interrupted and run again.
set -euo pipefail
python=$1 venv=$2

if [ -z "$python" ]; then
  echo "no Python 3.11 or 3.12 with venv is here: apt-get install python3.11 python3.11-venv libpython3.11" >&2
  exit 1
fi
if ! "$python" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'; then
  echo "Wetread needs Python 3.11 or 3.12: apt-get install python3.11 python3.11-venv libpython3.11" >&2
  exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  echo "Python's venv is missing: apt-get install python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" >&2
  exit 1
fi
[ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null || { echo "making $venv"; "$python" -m venv --clear "$venv"; }
echo "installing the packages of requirements.lock (about 250 MB the first time)"
uv=$(grep -E '^uv==' deploy/local/requirements-uv.lock | cut -d' ' -f1)
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/local/requirements-uv.lock ||
  { echo "could not install $uv: is a package index reachable?" >&2; exit 1; }
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements.lock
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
touch "$venv/ready"
