#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The program generate, on the shipped models and on models that have learned nothing yet; usage:
# generate_program.sh TRAIN GENERATE
set -euo pipefail

train=$1 generate=$2
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../support/program.sh"

# Without options it answers a problem of the kind that the shipped models learned, and both answer it right.
mdlm=$support/../../examples/checkpoints/mdlm
answer='Tom had 20 figs,got 4,ate 2. Left?      20 +4=24 -2=#22.........'
[[ $("$generate") == "$answer" ]] || fail "the autoregressive model wrote: $("$generate")"
[[ $("$generate" --model "$mdlm") == "$answer" ]] || fail "the diffusion model wrote: $("$generate" --model "$mdlm")"
[[ $("$generate" --model "$mdlm" --show-steps --steps 3 | wc -l) == 4 ]] || fail "three steps are not four lines"
"$generate" --prompt 'Ann had 13 figs,got 4,ate 2. Left?' | grep -q '#15' || fail "another problem is not answered"

# The defaults fit any model: of a text, and of a short context that blocks of 8 do not divide.
size=(--steps 3 --batch 4 --dim 16 --layers 1 --heads 2 --kv-heads 1 --hidden 24 --warmup 1)
head -c 20000 /dev/urandom | base64 -w 60 >text
for objective in ar mdlm; do
  "$train" --objective $objective --text text --length 30 --out text_$objective "${size[@]}" >/dev/null
  [[ $("$generate" --model text_$objective 2>errors | wc -c) -gt 30 && ! -s errors ]] ||
    fail "the defaults do not fit text_$objective: $(cat errors)"
done
python3 "$support/on_terminal.py" 80 "$generate" --model text_ar >on_terminal
! tr -d '\r\n' <on_terminal | grep -q '[[:cntrl:]]' || fail "control characters on a terminal"

long=$(printf 'x%.0s' {1..50})
"$generate" --prompt "$long" --length 3 2>errors >/dev/null
grep -q 'word problems of at most 40 bytes; this prompt has 50' errors || fail "a long prompt: $(cat errors)"

refuses_each "$generate" <<'TABLE'
--steps -5 | --steps is '-5'; it must be a whole number of at least 0
--steps 4x | --steps is '4x'
--steps 99999999999999 | --steps is '99999999999999'
--length 0 | --length is '0'; it must be a whole number of at least 1
--length -3 | --length is '-3'
--length 1.5 | --length is '1.5'
--length 25 | it must be at most 24
--block 0 | --block is '0'
--block | --block
--unknown 1 | --unknown
stray | stray
--model nowhere | nowhere/model.safetensors: No such file
--model text | text/model.safetensors: Not a directory
--block 4 | --block is for diffusion models
--steps 3 | --steps is for diffusion models
--show-steps | --show-steps is for diffusion models
--model text_mdlm --block 7 | --block is 7; it must divide 30
--model text_mdlm --steps 7 | --steps is 7; with 30 bytes in blocks of 6 it must be a multiple of 5
--model text_mdlm --steps 31 | from 5 to 30
TABLE
refuses "give a prompt of at most 63 bytes" "$generate" --prompt "$long$long"

spoil() { rm -rf spoiled; cp -r text_mdlm spoiled; edit_checkpoint spoiled "$@"; }
for value in nan inf -inf; do
  spoil weight head.weight 1 "$value"
  refuses "spoiled/model.safetensors: tensor 'head.weight' is" "$generate" --model spoiled
done
spoil weight head.weight 16 3e38                                 # finite weights, logits that are not
refuses "in the logits; all must be finite" "$generate" --model spoiled
spoil config tokenizer '"words"'
refuses "'tokenizer' = 'words'; it must be 'bytes'" "$generate" --model spoiled
spoil config tokenizer absent
refuses "has no 'tokenizer'" "$generate" --model spoiled
spoil config architecture.vocabulary 100
refuses "vocabulary" "$generate" --model spoiled
spoil config objective '"gan"'
refuses "'objective' = 'gan'" "$generate" --model spoiled
spoil config attention.0.normalizer.name '"entmax15"'
refuses "'attention' cannot be run (basin: entmax15 has no number 'temperature'" "$generate" --model spoiled
spoil config training 5
refuses "'training' = 5" "$generate" --model spoiled
spoil config training absent
refuses "has no 'training'" "$generate" --model spoiled

needs_output "$generate"
needs_output "$generate" --help
