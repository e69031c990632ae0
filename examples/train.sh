#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds the program train and runs it. Without arguments it trains an autoregressive model of 0.86 M weights on word
# problems for 800 steps, prints the share of right answers to unseen problems as it rises from 17 to 100 %, and leaves
# the checkpoint in build/train-demo: examples/generate.sh --model build/train-demo answers with it.
#
#   examples/train.sh [TRAIN_ARGUMENT...]
#
#   TRAIN_ARGUMENT   passed to the program in place of the above: --objective mdlm, --text FILE, --out FOLDER; --help
#                    lists them
#
# Time, the first build included: 70 seconds to build, 150 to train, of processor time (two cores, AVX2, g++ 12).
# cmake/setup.sh installs what is missing before that.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
(($# > 0)) || set -- --objective ar --steps 800 --evaluate-every 100 --out "$root/build/train-demo" --overwrite
exec "$root/examples/run.sh" train "$@"
