#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The study from end to end on two models that have learned nothing yet; usage: study_program.sh TRAIN STUDY
set -euo pipefail

train=$1 study=$2
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../support/program.sh"

size=(--steps 3 --batch 4 --dim 16 --layers 2 --heads 2 --kv-heads 1 --hidden 24 --warmup 1)
"$train" --objective ar --out ar "${size[@]}" >/dev/null
"$train" --objective mdlm --out mdlm "${size[@]}" >/dev/null
models=(--ar ar --mdlm mdlm --count 3 --draws 1 --steps 6)

"$study" "${models[@]}" --threads 1 --out one >said 2>errors
[[ ! -s errors ]] || fail "said on a pipe: $(cat errors)"
for table in answers masking sinks sink_tokens context_length; do
  [[ $(wc -l <"one/$table.csv") -gt 10 ]] || fail "$table.csv is short"
  whole_table "one/$table.csv"
done
grep -q '</html>' one/report.html || fail "the report has no end"
! grep -q '@STUDY@\|@PLOTLY@' one/report.html || fail "the report has a hole"
grep -q 'hiding random keys' said || fail "nothing was said in words"

"$study" "${models[@]}" --threads 2 --out two >/dev/null
for table in one/*.csv; do cmp "$table" "two/${table#*/}" || fail "the number of threads changes figures"; done

for run in anew again; do "$study" "${models[@]}" --retrain --out "$run" >/dev/null; done
for table in anew/*.csv; do cmp "$table" "again/${table#*/}" || fail "models trained anew twice give other figures"; done
cmp <(grep -A 30 '"architecture"' ar/config.json | grep -B 30 '"fingerprint"') <(grep -A 30 '"architecture"' anew/retrained/ar/config.json | grep -B 30 '"fingerprint"') ||
  fail "a model trained anew is trained by other options"

"$study" "${models[@]}" --out one --plotly absent.js | grep -q 'No plots: absent.js' || fail "does not say how to get plots"
! grep -q 'https\?://' one/report.html || fail "the report points to the network"

# On a GPU the same tables, line for line; where none answers, or without CUDA, a refusal.
if "$study" "${models[@]}" --device cuda --out on_gpu >/dev/null 2>gpu_errors; then
  for table in one/*.csv; do [[ $(wc -l <"$table") == $(wc -l <"on_gpu/${table#*/}") ]] || fail "$table has other lines on a GPU"; done
else
  grep -q -e "--device is 'cuda', but .*; leave --device out, or " gpu_errors || fail "--device cuda said: $(cat gpu_errors)"
fi

head -c 20000 /dev/urandom | base64 -w 60 >text
"$train" --objective ar --text text --length 32 --out text_ar "${size[@]}" >/dev/null
"$train" --objective mdlm --text text --length 32 --out text_mdlm "${size[@]}" >/dev/null
"$study" --ar text_ar --mdlm text_mdlm --text text --count 4 --draws 1 --out text_out >/dev/null
grep -q nats_per_byte text_out/masking.csv || fail "a text is judged by nats"

refuses "No such file" "$study" --ar nowhere --mdlm mdlm
refuses "objective 'mdlm'" "$study" --ar mdlm --mdlm mdlm
refuses "--count is 1" "$study" "${models[@]}" --count 1
refuses "--device is 'gpu'; it must be 'cpu' or 'cuda'" "$study" "${models[@]}" --device gpu
refuses "must divide" "$study" "${models[@]}" --block 7
refuses "epsilon" "$study" "${models[@]}" --epsilon nan
refuses "--text" "$study" --ar text_ar --mdlm text_mdlm
: >empty
refuses "empty" "$study" --ar text_ar --mdlm text_mdlm --text empty
