#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The train program as a user meets it: what it refuses, what Ctrl-C leaves, and that a resumed run ends with the same bytes.
# Usage: train_program.sh path/to/train
set -euo pipefail

train=$(realpath "$1")
cases=${BASIN_SHARED_DATA:-$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../../../shared/data}/../cases/programs
folder=$(mktemp -d)
process=
trap '[[ -z $process ]] || kill -KILL $process 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
export OMP_WAIT_POLICY=passive
small=(--batch 2 --dim 16 --layers 1 --heads 2 --kv-heads 1 --hidden 24 --warmup 5)

fail() { echo "FAILED: $*" >&2; exit 1; }

# The bytes of all tensors, without the header, whose command names the folder.
tensors() { tail -c +$((9 + $(od -An -t u8 -N 8 "$1"))) "$1"; }

# refused WORDS ARGUMENT...: exit code 2 within a minute, WORDS on stderr in one line without control characters, and
# nothing new in the folder.
refused() {
  local words=$1 before after code=0
  shift
  before=$(find . | sort)
  timeout 60 "$train" "$@" > /dev/null 2> "$folder.err" || code=$?
  after=$(find . | sort)
  [[ $code == 2 ]] || fail "train $* ended with $code, not 2: $(cat "$folder.err")"
  [[ $(wc -l < "$folder.err") == 1 ]] || fail "train $*: not one line: $(cat "$folder.err")"
  ! tr -d '\n' < "$folder.err" | LC_ALL=C grep -q '[[:cntrl:]]' ||
    fail "train $*: control characters in: $(cat -v "$folder.err")"
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
refused "dim must be a multiple of 2 x heads = 8" --dim 33 --out x
refused "--steps is 'ten'; it must be a whole number from 1 to 1000000000" --steps ten --out x
refused "--seed is '-1'; it must be a whole number from 0 to" --seed -1 --out x
refused "--problems is '-1'; it must be a whole number from 0 to" --problems -1 --out x
refused "--batch is '4294967298'; it must be a whole number from 1 to 65536" --batch 4294967298 --out x
refused "--warmup is '1.9'; it must be a whole number" --warmup 1.9 --out x
refused "--warmup is 51; it must be a whole number from 0 to the number of steps, 50" --steps 50 --warmup 51 --out x
refused "--learning-rate is 'nan'; it must be a finite number from 0 to 10" --learning-rate nan --out x
refused "--weight-decay is 'inf'; it must be a finite number" --weight-decay inf --out x
refused "--rope-base is '1e400'; it must be a finite number from 1 to 1e+09" --rope-base 1e400 --out x
refused "--evaluate-every is '0'; it must be a whole number of at least 1" --evaluate-every 0 --out x
refused "--threads is '-3'; it must be a whole number from 0 to 1024" --threads -3 --out x
refused "argument was not expected" $'--\x1b[31m' --out x
refused "--device is 'gpu'; it must be 'cpu' or 'cuda'" --device gpu --out x
refused "--steps is '-1'" --steps -1 --out x
refused "--gate is 'sigmoid'; it must be 'none', 'elementwise' or 'per_head'" --gate sigmoid --out x
refused "--norm is 'batch_norm'; it must be 'rms_norm' or 'layer_norm'" --norm batch_norm --out x
refused "there is no policy 'softmaks'; normalizers: " "${small[@]}" --attention softmaks --out x
refused "layer 0 is given both gate and head_gate" "${small[@]}" --attention gate --gate per_head --out x
refused "layer 0 has the mask \"unmasked\", which shows a token to those before it" "${small[@]}" --attention unmasked --out x
refused "layer 1 is given entmax15, but the model has 1 layers" "${small[@]}" --attention 'layer 1: entmax15' --out x
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
refused 'cannot read \x1b[31m\x0d/training.safetensors' --resume $'\x1b[31m\r'
mkdir waits
mkfifo waits/training.safetensors
refused "not a regular file" --resume waits
if [[ -d $cases ]]; then
  refused "'training.batch' = 4294967298; it must be a whole number from 1 to 65536" --resume "$cases/batchwrap" --out x
else
  echo "skipped: $cases is absent; BASIN_SHARED_DATA=<folder> names the data beside it"
fi

# An uninterrupted run, quiet on stderr where that is no terminal, and the same run again on other threads.
"$train" --objective mdlm --steps 60 --evaluate-every 60 --out whole "${small[@]}" > whole.out 2> whole.err
grep -q '^step 60/60  loss .* accuracy ' whole.out || fail "no figures: $(cat whole.out)"
[[ ! -s whole.err ]] || fail "stderr is not empty: $(cat whole.err)"
refused "has done 60 of 60 steps" --resume whole
refused "belongs to the checkpoint" --resume whole --dim 8
"$train" --objective mdlm --steps 60 --evaluate-every 60 --out again --threads 3 "${small[@]}" > /dev/null
cmp <(tensors whole/model.safetensors) <(tensors again/model.safetensors) || fail "threads change the bits"

# A tenth of the steps, and at most 100, are warm-up; a folder that holds a run is not written over unasked.
tiny=(--batch 2 --dim 8 --layers 1 --heads 1 --kv-heads 1 --hidden 8)
"$train" --steps 50 --out fifty "${tiny[@]}" > /dev/null
grep -q '"warmup": 5,' fifty/config.json || fail "--steps 50 warms up otherwise: $(cat fifty/config.json)"
sum=$(cat fifty/* | sha256sum)
held="--out is 'fifty', which holds a run of the objective ar, at step 50 of 50"
refused "$held; go on with it by --resume, replace it by --overwrite, or" --steps 9 --out fifty "${tiny[@]}"
refused "which holds a run of the objective ar" --resume whole --steps 61 --out fifty
[[ $sum == "$(cat fifty/* | sha256sum)" ]] || fail "a refused run changed the other"
mkdir foreign
echo '{}' > foreign/config.json
refused "--out is 'foreign', which holds config.json" --steps 9 --out foreign "${tiny[@]}"
touch fifty/.lock fifty/.model.safetensors.4242.part fifty/.mine.4242.part
"$train" --steps 9 --out fifty --overwrite "${tiny[@]}" > /dev/null
grep -q '"step": 9,' fifty/config.json || fail "--overwrite kept the other run"
[[ $(ls -A fifty | tr '\n' ' ') == ".mine.4242.part config.json model.safetensors training.safetensors " ]] ||
  fail "left in the folder: $(ls -A fifty)"
"$train" --resume fifty --steps 12 > /dev/null

# One process a folder; others may read it. What a killed one leaves is no hindrance.
"$train" --steps 1000000 --evaluate-every 50 --out busy "${tiny[@]}" > busy.out &
process=$!
for _ in {1..600}; do [[ ! -s busy.out ]] || break; sleep 0.1; done
code=0
"$train" --resume busy > /dev/null 2> busy.err || code=$?
[[ $code == 2 ]] || fail "a second process in a folder ended with $code, not 2"
grep -qF "another process ($process) writes to the folder busy; wait" busy.err ||
  fail "a second process said: $(cat busy.err)"
code=0
"$train" --resume busy --out beside --steps 1 > /dev/null 2> busy.err || code=$?
[[ $code == 2 && $(cat busy.err) == *"busy has done"* ]] ||
  fail "the checkpoint of a busy folder is not read: $(cat busy.err)"
kill -KILL $process
wait $process 2> /dev/null || true
"$train" --resume busy --out busy --steps 1000000 --evaluate-every 50 > again.out &
process=$!
for _ in {1..600}; do [[ ! -s again.out ]] || break; sleep 0.1; done
kill -TERM $process
code=0
wait $process || code=$?
[[ $code == 143 ]] || fail "a run that was resumed and terminated ended with $code, not 143"
[[ $(ls -A busy | wc -l) == 3 ]] || fail "left in the folder: $(ls -A busy)"

# Output that cannot be written: exit code 1, and the checkpoint all the same.
for words in "--help" "--steps 3 --out unsaid --batch 2 --dim 8 --layers 1 --heads 1 --kv-heads 1 --hidden 8"; do
  code=0
  "$train" $words > /dev/full 2> unsaid.err || code=$?
  [[ $code == 1 ]] || fail "train $words > /dev/full ended with $code, not 1"
  grep -q 'cannot write all of the standard output' unsaid.err ||
    fail "train $words > /dev/full said: $(cat unsaid.err)"
done
[[ -e unsaid/model.safetensors ]] || fail "no checkpoint where stdout is full"

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

# Every part by name: the checkpoint says what the model is, and so does that of a run that goes on from it.
parts=(--batch 2 --dim 16 --layers 2 --heads 2 --kv-heads 1 --hidden 24 --warmup 5
       --attention 'entmax15; layer 1: sink_logit:learned; layer 1: sliding_window:left=20; soft_cap:cap=30'
       --gate per_head --qk-norm rms_norm --norm layer_norm --mlp gelu)
"$train" --steps 6 --evaluate-every 6 --out parts "${parts[@]}" > /dev/null
"$train" --resume parts --steps 12 --out resumed_parts > /dev/null
for said in '"norm": "layer_norm"' '"mlp": "gelu"' '"gate": "per_head"' '"qk_norm": "rms_norm"' '"name": "entmax15"' \
  '"name": "sink_logit"' '"learned": true' '"name": "sliding_window"' '"name": "soft_cap"'; do
  grep -qF -e "$said" resumed_parts/config.json || fail "config.json does not say $said"
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

# A disk that is full when the checkpoint is due: exit code 1, a message, and the checkpoint of before.
# Not under ThreadSanitizer, whose runtime keeps files of its own.
if ! grep -q __tsan_init "$train"; then
  sum=$(cat straight/* | sha256sum)
  code=0
  (ulimit -f 4; "$train" "${small[@]}" --steps 8 --out straight --overwrite > /dev/null 2> full.err) || code=$?
  [[ $code == 1 ]] || fail "a full disk ended with $code, not 1: $(cat full.err)"
  grep -q 'what was there before is unchanged' full.err || fail "a full disk said: $(cat full.err)"
  [[ $sum == "$(cat straight/* | sha256sum)" && $(ls -A straight | wc -l) == 3 ]] || fail "a full disk changed the checkpoint"
fi
echo "all passed"
