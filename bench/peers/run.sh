#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Compares basin with what a user would call instead: PyTorch (scaled_dot_product_attention, eager attention that
# returns column sums, FlexAttention) and onnxruntime, in one process, in turn. The table goes to stderr; stdout has a
# line for each figure that README states: claim NAME VALUE.
#
#   bench/peers/run.sh [--quick] [--only GROUP,...] [--json FILE]
#
# Installs torch, numpy, onnx and onnxruntime by pip into build/peers/venv, if they are missing (about 1 GB; 4 GB if
# only the wheels with CUDA are available).
# Environment: BASIN_PEERS_PYTHON names a Python that has torch; then nothing is installed. OMP_NUM_THREADS is the
# number of threads of both sides (default: one per processor). CXX is a g++ (default g++).
set -euo pipefail

invoked_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
compiler=${CXX:-g++} build=build/peers
BASIN_COMMIT=$(git describe --always --dirty 2>/dev/null || echo unknown)
export BASIN_COMMIT OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}"

[[ ${1:-} != -h && ${1:-} != --help ]] || { sed -n '4,15s/^# \{0,1\}//p' bench/peers/run.sh; exit 0; }
# clang's OpenMP runtime differs from the one that torch ships.
"$compiler" --version | grep -qiE 'g\+\+|gcc|free software foundation' ||
  { echo "peers: CXX is $compiler; the library that shares torch's OpenMP runtime needs g++" >&2; exit 2; }

install_peers() {  # VENV
  [[ -x $1/bin/python ]] || python3 -m venv "$1"
  local pip=("$1/bin/python" -m pip install --quiet --disable-pip-version-check)
  if ! "$1/bin/python" -c 'import torch, numpy' 2>/dev/null; then
    echo "peers: installing torch into $1 (pip install)"
    "${pip[@]}" --retries 1 --timeout 20 --index-url https://download.pytorch.org/whl/cpu torch || "${pip[@]}" torch
    "${pip[@]}" numpy setuptools
  fi
  "$1/bin/python" -c 'import onnx, onnxruntime' 2>/dev/null || "${pip[@]}" onnx onnxruntime ||
    echo "peers: onnxruntime cannot be installed; it is left out"
}

{
  cmake/setup.sh
  cmake --preset release -B "$build" -D CMAKE_CXX_COMPILER="$compiler" -D BASIN_TESTS=OFF -D BASIN_EXAMPLES=OFF
  cmake --build "$build" --target basin_peers
  python=${BASIN_PEERS_PYTHON:-}
  if [[ -z $python ]]; then
    install_peers "$build/venv"
    python=$PWD/$build/venv/bin/python
  fi
} >&2

library=$PWD/$build/bench/peers/libbasin_peers.so compare=$PWD/bench/peers/compare.py
cd "$invoked_from"
exec "$python" -B "$compare" "$library" "$@"
