#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Sets up, builds the study and runs it.
#
#   examples/study.sh [STUDY_ARGUMENT...]
#
#   STUDY_ARGUMENT   handed to the study, such as: --count 200, --text FILE, --retrain, --out FOLDER; --help lists them
#
# The report and the CSV files go to build/study-report unless --out names another folder.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/report/run.sh" study "$@"
