#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The train program as a user meets it: what it refuses, what Ctrl-C leaves, and that a resumed run ends with the same bytes.
# Usage: train_program.sh path/to/train
set -euo pipefail

train=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_WAIT_POLICY=passive
small=(--batch 2 --dim 16 --layers 1 --heads 2 --kv-heads 1 --hidden 24 --warmup 5)

fail() { echo "FAILED: $*" >&2; exit 1; }

# The bytes of all tensors, without the header, whose command names the folder.
tensors() { tail -c +$((9 + $(od -An -t u8 -N 8 "$1"))) "$1"; }

# refused WORDS ARGUMENT...: exit code 2, WORDS on stderr, and nothing new in the folder.
refused() {
  local words=$1 before after code=0
  shift
  before=$(find . | sort)
  "$train" "$@" > /dev/null 2> "$folder.err" || code=$?
  after=$(find . | sort)
  [[ $code == 2 ]] || fail "train $* ended with $code, not 2"
  grep -qF -e "$words" "$folder.err" || fail "train $*: no '$words' in: $(cat "$folder.err")"
  rm -f "$folder.err"
  [[ $before == "$after" ]] || fail "train $* changed the folder"
}

"$train" --help | grep -q -e '--learning-rate FLOAT=' || fail "--help does not show defaults"
: > empty
printf 'short' > short
mkdir folder
refused "--out is required" --steps 3
refused "--objective is 'gan'" --objective gan --out x
refused "must be an even multiple of heads" --dim 33 --out x
refused "Could not convert: --steps = ten" --steps ten --out x
refused "--device is 'gpu'; it must be 'cpu' or 'cuda'" --device gpu --out x
refused "--steps is -1" --steps -1 --out x
refused "excludes --text" --text short --problems 1 --out x
refused "empty is empty" --text empty --out x
refused "needs 64" --text short --out x
refused "cannot read missing" --text missing --out x
refused "not a regular file" --text folder --out x
refused "cannot make the folder" --out short "${small[@]}"
refused "cannot make the folder" --out short/below "${small[@]}"
refused "cannot read nowhere/training.safetensors" --resume nowhere
printf 'no checkpoint' > folder/training.safetensors
refused "not a valid safetensors file" --resume folder

# An uninterrupted run, quiet on stderr where that is no terminal, and the same run again on other threads.
"$train" --objective mdlm --steps 60 --evaluate-every 60 --out whole "${small[@]}" > whole.out 2> whole.err
grep -q '^step 60/60  loss .* accuracy ' whole.out || fail "no figures: $(cat whole.out)"
[[ ! -s whole.err ]] || fail "stderr is not empty: $(cat whole.err)"
refused "has done 60 of 60 steps" --resume whole
refused "belongs to the checkpoint" --resume whole --dim 8
"$train" --objective mdlm --steps 60 --evaluate-every 60 --out again --threads 3 "${small[@]}" > /dev/null
cmp <(tensors whole/model.safetensors) <(tensors again/model.safetensors) || fail "threads change the bits"

# Interrupted as early as it may be, then resumed: the weights are those of the uninterrupted run.
long=(--objective ar --steps 3000 --evaluate-every 3000 "${small[@]}")
"$train" "${long[@]}" --out cut > /dev/null 2> cut.err &
process=$!
sleep 0.5
kill -INT $process
code=0
wait $process || code=$?
[[ $code == 130 ]] || fail "an interrupted run ended with $code, not 130: $(cat cut.err)"
grep -q 'interrupted at step [0-9]* of 3000; go on with: train --resume cut' cut.err || fail "it said: $(cat cut.err)"
"$train" --resume cut > /dev/null
"$train" "${long[@]}" --out straight > /dev/null
for file in model.safetensors training.safetensors; do
  cmp <(tensors cut/$file) <(tensors straight/$file) || fail "$file of the resumed run differs"
done

# On a GPU the same run but for rounding, whose checkpoint goes on anywhere; where none answers, or without CUDA, a refusal.
code=0
"$train" --objective mdlm --steps 20 --evaluate-every 20 --device cuda --out on_gpu "${small[@]}" > gpu.out 2> gpu.err || code=$?
if [[ $code == 0 ]]; then
  "$train" --objective mdlm --steps 20 --evaluate-every 20 --out on_cpu "${small[@]}" > cpu.out
  loss() { sed -n 's/^step 20\/20  loss \([0-9.]*\) .*/\1/p' "$1"; }
  awk -v a="$(loss gpu.out)" -v b="$(loss cpu.out)" 'BEGIN { d = a - b; exit !(a > 0 && d < 0.001 && d > -0.001) }' || fail "on a GPU: $(cat gpu.out); on the host: $(cat cpu.out)"
  "$train" --resume on_gpu --steps 21 > /dev/null
  "$train" --resume on_cpu --steps 21 --device cuda > /dev/null
else
  [[ $code == 2 ]] || fail "--device cuda ended with $code, not 2: $(cat gpu.err)"
  grep -q -e "--device is 'cuda', but .*; leave --device out, or " gpu.err || fail "--device cuda said: $(cat gpu.err)"
  [[ ! -e on_gpu ]] || fail "--device cuda was refused and left a folder"
fi

# A disk that is full when the checkpoint is due: exit code 2, a message, and the checkpoint of before.
# Not under ThreadSanitizer, whose runtime keeps files of its own.
if ! grep -q __tsan_init "$train"; then
  sum=$(cat straight/* | sha256sum)
  code=0
  (ulimit -f 4; "$train" "${small[@]}" --steps 8 --out straight > /dev/null 2> full.err) || code=$?
  [[ $code == 2 ]] || fail "a full disk ended with $code, not 2: $(cat full.err)"
  grep -q 'what was there before is unchanged' full.err || fail "a full disk said: $(cat full.err)"
  [[ $sum == "$(cat straight/* | sha256sum)" && $(ls -A straight | wc -l) == 3 ]] || fail "a full disk changed the checkpoint"
fi
echo "all passed"
