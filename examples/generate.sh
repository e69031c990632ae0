#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds the program generate and runs it. Without arguments it answers one word problem with the shipped autoregressive
# model.
#
#   examples/generate.sh [GENERATE_ARGUMENT...]
#
#   GENERATE_ARGUMENT   passed to the program: --prompt TEXT, --model FOLDER, --show-steps; --help lists
#                       them. --model smollm2 is what examples/get_smollm2.sh fetches
#
# Time, the first build included: 42 seconds of processor time (two cores, AVX2, g++ 12).
# cmake/setup.sh installs what is missing before that.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" generate "$@"
