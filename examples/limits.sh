#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Sets up, builds the program limits and runs it.
#
#   examples/limits.sh [LIMITS_ARGUMENT...]
#
#   LIMITS_ARGUMENT   handed to the program, such as: --model FOLDER, --text FILE, --normalizers softmax,ssmax, --ks; --help lists
#                     them
#
# The report and the CSV files go to build/limits-report unless --out names another folder.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/report/run.sh" limits "$@"
