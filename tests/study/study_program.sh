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
[[ ! -s errors ]] || fail "it wrote to standard error: $(cat errors)"
for table in answers masking sinks sink_tokens context_length; do
  [[ $(wc -l <"one/$table.csv") -gt 10 ]] || fail "$table.csv is short"
  whole_table "one/$table.csv"
done
grep -q '</html>' one/report.html || fail "the report has no end"
! grep -q '@STUDY@\|@PLOTLY@\|@INSERT' one/report.html || fail "the report has an unfilled placeholder"
[[ $(head -n 1 said) == Question && $(grep -c '^  [0-9]\. ' said) == 3 ]] || fail "no question, or not three findings"
grep -q 'a key that receives at least 3 queries' said || fail "no definition of a sink"
grep -q 'hiding random keys' said || fail "no finding about hidden keys"
[[ $(sed 's/±/+/g' said | awk '{ print length }' | sort -n | tail -n 1) -le 110 ]] || fail "a line of the output has over 110 columns"

# The shipped models answer, each read in its own way.
"$study" --count 4 --draws 1 --out shipped >/dev/null
[[ $(awk -F, '$2 == "nothing" && $6 >= 0.75' shipped/masking.csv | wc -l) -eq 2 ]] ||
  fail "a shipped model answers fewer than 3 of 4 problems: $(grep nothing shipped/masking.csv)"

"$study" "${models[@]}" --threads 2 --out two >/dev/null
for table in one/*.csv; do cmp "$table" "two/${table#*/}" || fail "the number of threads changes figures"; done

for folder in anew again; do "$study" "${models[@]}" --retrain --out "$folder" >/dev/null; done
for table in anew/*.csv; do cmp "$table" "again/${table#*/}" || fail "models trained anew twice give other figures"; done
cmp <(grep -A 30 '"architecture"' ar/config.json | grep -B 30 '"fingerprint"') <(grep -A 30 '"architecture"' anew/retrained/ar/config.json | grep -B 30 '"fingerprint"') ||
  fail "a model trained anew is trained by other options"

# An earlier run in the folder of a retrained model is replaced only by --overwrite.
cp anew/retrained/mdlm/model.safetensors earlier
refuses "--retrain writes to 'anew/retrained/ar', which holds a run of the objective ar, at step 3 of 3" \
  "$study" "${models[@]}" --retrain --out anew
rm -r anew/retrained/ar
refuses "--retrain writes to 'anew/retrained/mdlm', which holds a run" "$study" "${models[@]}" --retrain --out anew
echo changed >anew/retrained/mdlm/model.safetensors
"$study" "${models[@]}" --retrain --overwrite --out anew >/dev/null
cmp earlier anew/retrained/mdlm/model.safetensors || fail "--overwrite does not replace the earlier run"

# What killed processes left of its own files is removed, and a folder to which another process writes is refused.
touch two/.report.html.123.part two/.sinks.csv.77.part two/.other.csv.77.part two/.lock
refuses "writes to the folder two" flock two/.lock "$study" "${models[@]}" --out two
"$study" "${models[@]}" --out two >/dev/null
[[ $(cd two && echo .*.part) == .other.csv.77.part ]] || fail "wrong temporary files are left: $(cd two && echo .*.part)"
[[ ! -e two/.lock ]] || fail "the lock of the folder is left"

"$study" "${models[@]}" --out one --plotly absent.js | grep -q 'No plots: absent.js' || fail "it does not report the missing plots"
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

# Input that a model was not trained on is named before the work and in the report, once for each model.
warned() {  # COUNT WORDS ARGUMENT...: so many warnings with these words, on stderr and in the report?
  local count=$1 words=$2
  shift 2
  "$study" "$@" --count 4 --draws 1 --out warned >said 2>errors
  [[ $(grep -c "^study: The model in .*$words" errors || true) == "$count" && $(wc -l <errors) == "$count" ]] ||
    fail "stderr of $*: $(cat errors)"
  [[ $(grep -c "^The model in .*$words" said || true) == "$count" ]] || fail "not $count warnings in the findings of $*"
  [[ $(grep -o "The model in '[^']*' was trained on" warned/report.html | wc -l) == "$count" ]] ||
    fail "not $count warnings in the report of $*"
}
head -c 20000 /dev/urandom | base64 -w 60 >other
"$train" --objective ar --text text --length 64 --out text_64 "${size[@]}" >/dev/null
warned 0 "was trained on" --ar text_ar --mdlm text_mdlm --text text
warned 2 "was trained on word problems and here reads the text 'text'" --ar ar --mdlm mdlm --text text
warned 1 "was trained on the text 'text' and here reads word problems" --ar text_64 --mdlm mdlm
warned 2 "was trained on the text 'text' and here reads the text 'other'" --ar text_ar --mdlm text_mdlm --text other

# What is undefined is left out of sentences: no head has a sink, one step, a rising weight.
for epsilon in 0 1000; do
  "$study" "${models[@]}" --steps 1 --block 24 --epsilon $epsilon --out one >all_said
  sed -n '/^Findings/,/^Right answers/p; /^The same scores/,/^Largest weight/p' all_said >said
  ! grep 'undefined\|nan\|\.\.$' said || fail "words at --epsilon $epsilon"
done
grep -q 'no head has a sink' said || fail "no sinks: $(cat said)"

# Weights that are not finite are refused by name, and finite ones whose logits are not, by the first pass; no report is
# left. So is another attention.
refuses_spoiled() {  # WORDS MODEL ARGUMENTS: with this checkpoint edited so, for edit_checkpoint?
  rm -rf spoiled && cp -r "$2" spoiled && edit_checkpoint spoiled "${@:3}"
  refuses "$1" "$study" "${models[@]}" "--$2" spoiled --out broken
}
mkdir broken
for model in ar mdlm; do
  refuses_spoiled "spoiled/model.safetensors: tensor 'layers.0.attention.query.weight' is nan" $model \
    weight layers.0.attention.query.weight 1 nan
  refuses_spoiled "spoiled/model.safetensors: its 'attention' cannot be run (basin: entmax15 has no number 'temperature'" $model \
    config attention.1.normalizer.name '"entmax15"'
  refuses_spoiled "--$model 'spoiled': the model computed" $model weight head.weight 16 3e38
done

"$train" --objective ar --text text --length 12 --out tiny "${size[@]}" >/dev/null
: >empty
head -c 500 text >short
refuses_each "$study" "${models[@]}" --out refused <<'TABLE'
--count -1 | --count is '-1'; it must be a whole number from 2 to 100000
--count 1 | --count is '1'
--count 1e3 | --count is '1e3'
--draws 0 | --draws is '0'
--draws 1001 | --draws is '1001'; it must be a whole number from 1 to 1000
--epsilon -1 | --epsilon is '-1'; it must be a finite number of at least 0
--epsilon nan | --epsilon is 'nan'
--epsilon 1e400 | --epsilon is '1e400'
--scale mean --epsilon 3 | --epsilon is 3 with --scale mean; it must be below 1
--scale percent --epsilon 100 | it must be below 100
--scale sum | --scale is 'sum'; it must be 'column_sum', 'percent' or 'mean'
--block 7 | --block is 7; it must divide 24
--block -8 | --block is '-8'
--steps -5 | --steps is '-5'
--steps 5 | --steps is 5; with 24 bytes in blocks of 8 it must be a multiple of 3
--steps 25 | from 3 to 24
--seed -1 | --seed is '-1'
--problems -1 | --problems is '-1'; it must be a whole number from 0 to 18446744073709551615
--threads -1 | --threads is '-1'
--threads 4097 | from 0 to 4096
--device gpu | --device is 'gpu'; it must be 'cpu' or 'cuda'
--text text --problems 3 | excludes
--text nowhere | cannot read nowhere: No such file
--text empty | which has 0 bytes; it must have at least 1280
--text short | which has 500 bytes; it must have at least 1280
--text . | not a regular file
--ar nowhere | nowhere/model.safetensors: No such file
--ar mdlm | --ar is 'mdlm', which holds a model of the objective 'mdlm'; it must be 'ar'
--mdlm ar | --mdlm is 'ar', which holds a model of the objective 'ar'; it must be 'mdlm'
--ar text_ar | --ar is 'text_ar', whose model has a context of 32; word problems need 64
--mdlm text_mdlm | --mdlm is 'text_mdlm', whose model
--ar tiny --text text | --ar is 'tiny', whose model has a context of 12; windows of a text need 20
--out text | cannot make the folder text
--unknown | --unknown
--overwrite | requires
stray | stray
TABLE

needs_output "$study" "${models[@]}" --out one
needs_output "$study" --help
for columns in 40 100; do lines_fit $columns "$study" "${models[@]}" --retrain --overwrite --out one; done
