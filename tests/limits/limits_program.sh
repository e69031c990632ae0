#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Runs the program limits from end to end on an untrained model. Usage: limits_program.sh TRAIN LIMITS
set -euo pipefail

train=$1 limits=$2
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../support/program.sh"

size=(--steps 3 --batch 4 --dim 16 --layers 2 --heads 4 --kv-heads 2 --hidden 24 --warmup 1)
"$train" --objective ar --out ar "${size[@]}" >/dev/null
small=(--model ar --lengths 8,16,40 --top 1,4 --fixed-top 2 --selected 1,2,8,64 --temperatures 0.1,1 --epsilons 0.01
       --sensitivity-rows 4 --exact-rows 2 --exact-draws 4)

"$limits" "${small[@]}" --ks --critical-rows 8 --threads 1 --out one >said 2>errors
[[ ! -s errors ]] || fail "it wrote to standard error: $(cat errors)"
for table in distances separation sensitivity monitors critical geometry; do
  whole_table "one/$table.csv"
done
names=$("$limits" --list | wc -l)
[[ $(wc -l <one/monitors.csv) -eq $((1 + names * 8 * 3)) ]] ||
  fail "monitors.csv is not one line for each normalizer, head and length"
[[ $(wc -l <one/critical.csv) -eq $((1 + names * 3 * 4)) ]] ||
  fail "critical.csv is not one line for each normalizer, length, expectation and level"
grep -q '</html>' one/report.html || fail "the report has no end"
! grep -q '@LIMITS@\|@PLOTLY@\|@INSERT' one/report.html || fail "the report has an unfilled placeholder"
for claim in 'Lemma 1' 'Theorem 1, upper bound' 'Critical N (figure 2c)' 'Theorem 2, lower bound' 'Corollary 3'; do
  grep -A 9 -xF "$claim" said | tr '\n' ' ' | grep -q 'Claim: .*; measured: .*; *verdict: ' || fail "no sentence for $claim"
done
[[ $(awk '{ print length }' said | sort -n | tail -n 1) -le 110 ]] || fail "a line of the output has over 110 columns"

"$limits" "${small[@]}" --ks --critical-rows 8 --threads 2 --out two >/dev/null
for table in one/*.csv; do cmp "$table" "two/${table#*/}" || fail "figures depend on the number of threads"; done

few=(--normalizers softmax,top_k --lengths 8,16 --every 1 --out few)
for kind in token hidden value; do
  "$limits" "${small[@]}" "${few[@]}" --embeddings "$kind" >/dev/null || fail "$kind embeddings"
done
[[ $(cut -d, -f 1 few/monitors.csv | sort -u | wc -l) -eq 3 ]] || fail "--normalizers does not choose the normalizers"
[[ ! -e few/critical.csv ]] || fail "it searched without --ks"
"$limits" --random-model 1,2,16 "${few[@]}" --plotly absent.js | grep -q 'No plots: absent.js' ||
  fail "it does not report the missing plots"
! grep -q 'https\?://' few/report.html || fail "the report points to the network"

# A model of other normalizers is measured under its own, each layer and head, and under the others beside it.
"$train" --objective ar --out mixed "${size[@]}" --attention 'entmax15; layer 1: top_k:k=4' >/dev/null
"$limits" "${small[@]}" --model mixed --normalizers own,entmax15,softmax --out mixed_limits >/dev/null
figures_of() { awk -F, -v name="$1" -v layer="$2" '$1 == name && $4 == layer { print $6, $9 }' mixed_limits/distances.csv; }
[[ $(figures_of own 0 | wc -l) -gt 4 ]] || fail "no figures of the model's own normalizers"
alike() {                                                      # the same figures in a layer, but for rounding
  paste -d ' ' <(figures_of own "$2") <(figures_of "$1" "$2") | awk '
    function far(a, b) { return (a > b ? a - b : b - a) > 1e-4 * (1 + b) }
    far($1, $3) || far($2, $4) { bad = 1 } END { exit bad }'
}
alike entmax15 0 || fail "layer 0 is not measured under its own entmax15"
! alike entmax15 1 || fail "layer 1 is measured under entmax15, and not under its own top_k"
"$limits" "${small[@]}" --model mixed --out mixed_all >/dev/null
[[ $(cut -d, -f 1 mixed_all/monitors.csv | grep -cx own) -gt 0 ]] || fail "own is not in the list of a model that has it"
refuses "all heads of the model were trained with softmax" "$limits" "${small[@]}" --normalizers own --out few

# What killed processes left of its own files is removed, and a folder to which another process writes is refused.
touch few/.report.html.123.part few/.geometry.csv.77.part few/.other.csv.77.part few/.lock
refuses "writes to the folder few" flock few/.lock "$limits" --random-model 1,2,16 "${few[@]}"
"$limits" --random-model 1,2,16 "${few[@]}" >/dev/null
[[ $(cd few && echo .*.part) == .other.csv.77.part ]] || fail "wrong temporary files are left: $(cd few && echo .*.part)"
[[ ! -e few/.lock ]] || fail "the lock of the folder is left"
rm few/.other.csv.77.part

head -c 300 /dev/urandom | base64 -w 60 >text
"$limits" --random-model 1,2,16 "${few[@]}" --text text >/dev/null

"$limits" "${small[@]}" "${few[@]}" --text text >/dev/null 2>errors
[[ $(cat errors) == "limits: The model in 'ar' was trained on word problems and here reads the text 'text'"* ]] ||
  fail "input that the model was not trained on: $(cat errors)"
grep -q "The model in 'ar' was trained on word problems" few/report.html || fail "the report does not name the input"
for one in "--lengths 8" "--lengths 8,41 --normalizers softpick,softmax --selected 40" \
  "--lengths 8,16 --ks --critical-rows 2 --normalizers relu,softmax"; do
  "$limits" "${small[@]}" $one --out few >said
  ! grep 'undefined\|\bnan\b' said || fail "undefined numbers in the output of $one"
done

"$train" --objective mdlm --out mdlm "${size[@]}" >/dev/null
refuses_each "$limits" "${small[@]}" --out refused <<'TABLE'
--model nowhere | nowhere/model.safetensors: No such file
--model mdlm | --model is 'mdlm', which holds a model of the objective 'mdlm'; it must be 'ar'
--normalizers sotfmax | 'sotfmax', which is not in the list
--normalizers softmax,softmax | twice
--normalizers softmax, | --normalizers has an empty name
--text text --lengths 1000 | need 999
--text nowhere | cannot read nowhere
--text text --problems 3 | excludes
--offset 3 | requires
--offset -1 --text text | --offset is '-1'
--critical-rows 3 | requires
--lengths 8x | --lengths is '8x'; it must be a whole number from 2 to 32768
--lengths 16,8 | --lengths has 8 after 16; its numbers must rise
--lengths 1 | --lengths is '1'
--lengths 8,99999 | --lengths is '99999'
--lengths , | --lengths is ''
--top 0 | --top is '0'
--selected -1 | --selected is '-1'
--temperatures nan | --temperatures is 'nan'
--temperatures 0 | --temperatures is '0'; it must be a finite number from
--epsilons -1 | --epsilons is '-1'
--epsilons inf | --epsilons is 'inf'
--fixed-top 0 | --fixed-top is '0'
--fixed-top 40 | --fixed-top is 40; it must be below 40
--every 0 | --every is '0'
--exact-rows -1 | --exact-rows is '-1'
--exact-draws 1 | --exact-draws is '1'
--sensitivity-rows 0 | --sensitivity-rows is '0'
--critical-rows 0 --ks | --critical-rows is '0'
--embeddings hiden | --embeddings is 'hiden'; it must be 'token', 'hidden' or 'value'
--seed -1 | --seed is '-1'
--problems 1.5 | --problems is '1.5'
--threads 5000 | --threads is '5000'
--random-model 1,2,16 | excludes
--out text | cannot make the folder text
--unknown | --unknown
TABLE
refuses_each "$limits" --lengths 8 --out refused <<'TABLE'
--random-model 1,2 | --random-model is 1,2; it must have three numbers: layers,heads,dim
--random-model 1,2,15 | --random-model is 1,2,15; its dim, 15, must be a multiple of 2 x heads = 4
--random-model 0,2,16 | --random-model is '0'
--random-model 16384,1,16384 | choose smaller sizes
TABLE

spoil() { rm -rf spoiled && cp -r ar spoiled && edit_checkpoint spoiled "$@"; }
spoil weight layers.1.attention.key.weight 1 -inf
refuses "tensor 'layers.1.attention.key.weight' is -inf" "$limits" "${small[@]}" --model spoiled --out refused
mkdir broken
spoil weight layers.1.attention.key.weight 16 3e38
refuses "in the keys of layer 1; all must be finite" "$limits" "${small[@]}" --model spoiled --out broken
spoil config attention.0.normalizer.name '"entmax15"'
refuses "'attention' cannot be run (basin: entmax15 has no number 'temperature'" "$limits" "${small[@]}" --model spoiled --out refused
spoil config architecture.vocabulary 100
refuses "vocabulary" "$limits" "${small[@]}" --model spoiled --out refused

needs_output "$limits" --list
needs_output "$limits" --help
needs_output "$limits" "${small[@]}" "${few[@]}"
lines_fit 40 "$limits" "${small[@]}" "${few[@]}"
