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
grep -q 'Theorem 1, upper bound: holds' said || fail "the summary in words is missing"

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
head -c 300 /dev/urandom | base64 -w 60 >text
"$limits" --random-model 1,2,16 "${few[@]}" --text text >/dev/null

refuses "No such file" "$limits" --model nowhere --lengths 8
"$train" --objective mdlm --out mdlm "${size[@]}" >/dev/null
refuses "objective 'mdlm'" "$limits" --model mdlm --lengths 8
refuses "'sotfmax', which is not in the list" "$limits" "${small[@]}" --normalizers sotfmax
refuses "twice" "$limits" "${small[@]}" --normalizers softmax,softmax
refuses "need 999" "$limits" "${small[@]}" --text text --lengths 1000
refuses "--lengths has '8x', which is no whole number" "$limits" "${small[@]}" --lengths 8x
refuses "numbers must rise" "$limits" "${small[@]}" --lengths 16,8
refuses "--every is 0" "$limits" "${small[@]}" --every 0
refuses "three numbers" "$limits" --random-model 1,2
refuses "even multiple" "$limits" --random-model 1,2,15 --lengths 8
refuses "nothing is left outside" "$limits" "${small[@]}" --fixed-top 40
