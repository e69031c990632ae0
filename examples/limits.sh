#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds the program limits and runs it: the theorems on the limits of normalization, measured for every normalizer on
# the shipped autoregressive model.
#
#   examples/limits.sh [LIMITS_ARGUMENT...]
#
#   LIMITS_ARGUMENT   passed to the program: --model FOLDER, --text FILE, --normalizers softmax,ssmax; --help lists
#                     them
#
# The report and the CSV files go to build/limits-report unless --out names another folder.
# Time, the first build included: 4 minutes of processor time (two cores, AVX2, g++ 12).
# cmake/setup.sh installs what is missing before that.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exec "$root/examples/run.sh" limits --out "$root/build/limits-report" "$@"
