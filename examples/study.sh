#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds the program study and runs it: the attention sinks of a small autoregressive and a small diffusion model, and
# what hiding them does to their answers.
#
#   examples/study.sh [STUDY_ARGUMENT...]
#
#   STUDY_ARGUMENT   passed to the program: --count 200, --text FILE, --retrain, --out FOLDER; --help lists them
#
# The report and the CSV files go to build/study-report unless --out names another folder.
# Time, the first build included: 5 minutes of processor time (two cores, AVX2, g++ 12).
# cmake/setup.sh installs what is missing before that.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exec "$root/examples/run.sh" study --out "$root/build/study-report" "$@"
