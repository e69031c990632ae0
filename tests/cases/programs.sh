#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The damaged checkpoints of the shared cases, given to every program: each is refused with its own words, within 4 GiB
# and before anything is written. Usage: programs.sh TRAIN GENERATE STUDY LIMITS; exit code 4 without the cases.
set -euo pipefail

for program in train generate study limits; do declare "$program=$(realpath "$1")"; shift; done
tests=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
cases=$(realpath -m "${BASIN_SHARED_DATA:-$tests/../../../shared/data}/../cases/programs")
if [[ ! -d $cases ]]; then
  echo "skipped: $cases is absent; BASIN_SHARED_DATA=<folder> names the data beside it"
  exit 4
fi
source "$tests/../support/program.sh"
grep -q '__[at]san_init' "$train" || ulimit -v 4194304           # sanitizers reserve terabytes

# NAME WORDS: requires that programs that read a model refuse the case NAME with exactly these words after the file.
refused_by_all() {
  local file=$cases/$1/model.safetensors
  checked+=("$1")
  says "generate: $file$2" "$generate" --model "$cases/$1"
  says "limits: $file$2" "$limits" --model "$cases/$1" --out report
  says "study: $file$2" "$study" --ar "$cases/$1" --count 2 --draws 1 --out report
  says "train: cannot read $cases/$1/training.safetensors: $absent" "$train" --resume "$cases/$1" --out new
}

says() {  # LINE COMMAND...: requires a refusal that is LINE and nothing else
  local line=$1 said
  shift
  refuses "$line" timeout 60 "$@"
  said=$("$@" 2>&1 >/dev/null </dev/null) || true
  [[ $said == "$line" ]] || fail "it says more than '$line': $said"
}

checked=()
config=': its configuration has'
again=': make the checkpoint again with train'
absent='No such file or directory; check the path and its permissions'
refused_by_all nan_all ": tensor 'embedding.weight' is nan at [0, 0]; all numbers must be finite: train the model\
 again, or use an earlier checkpoint of it"
refused_by_all hugecfg2G ": tensor 'embedding.weight' has shape [258, 8]; this model needs [258, 4096]"
refused_by_all cfg_objective_3 "$config 'objective' = 3; it must be 'ar' or 'mdlm'$again"
refused_by_all cfg_train_5 "$config 'training' = 5; it must be an object$again"
refused_by_all cfg_head_both "$config 'architecture.head' = 'both'; it must be 'tied' or 'untied'$again"
refused_by_all cfg_rope_base \
  "$config 'architecture.rope_base' = 1e+308; it must be a finite number from 1 to 1e+09$again"
refused_by_all escname " is not a valid safetensors file: tensor '\\x1b[31mRED\\x1b[0m' must have dtype, shape and\
 data_offsets, and nothing else; it may be damaged: copy or make it again"
refused_by_all shape_many ": tensor 'embedding.weight' has shape [1, 1, 1, 1, 1, 1, 1, 1, ...] of 100002 extents; this\
 model needs [258, 8]"

# A run to be resumed whose numbers would wrap or be cut, and which holds no model.
checked+=(batchwrap)
file=$cases/batchwrap/training.safetensors
says "train: $file$config 'training.batch' = 4294967298; it must be a whole number from 1 to 65536$again" \
  "$train" --resume "$cases/batchwrap" --out new
no_model="cannot read $cases/batchwrap/model.safetensors: $absent"
says "generate: $no_model" "$generate" --model "$cases/batchwrap"
says "limits: $no_model" "$limits" --model "$cases/batchwrap" --out report
says "study: $no_model" "$study" --mdlm "$cases/batchwrap" --count 2 --draws 1 --out report

# A case that is added there needs its words here.
diff <(printf '%s\n' "${checked[@]}" | sort) <(cd "$cases" && printf '%s\n' */ | tr -d / | sort) ||
  fail "the cases in $cases are others than those that are checked"

# What is no file: a pipe, which must not hang, and a sparse file of 5 GiB, which must not be read.
mkdir pipe sparse
mkfifo pipe/model.safetensors
for program in "$generate --model" "$limits --out report --model" "$study --out report --ar"; do
  refuses "pipe/model.safetensors" timeout 20 $program pipe
done
truncate -s 5G sparse/model.safetensors
for program in "$generate --model" "$limits --out report --model" "$study --out report --ar"; do
  refuses "sparse/model.safetensors" timeout 20 $program sparse
done
