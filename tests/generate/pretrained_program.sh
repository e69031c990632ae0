#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The program generate with models that others trained. Parts that need a real model are skipped by name where it is
# absent; without stories260K the exit code is 4. Usage: pretrained_program.sh GENERATE SHARED_DATA MODELS
set -euo pipefail

generate=$1 shared=$(realpath -m "${BASIN_SHARED_DATA:-$2}") smollm2=$3/SmolLM2-135M-Instruct.Q4_1.gguf
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../support/program.sh"

fixtures=$support/../lm_pretrained/fixtures
mkdir unknown masked
echo '{"model_type": "mamba"}' >unknown/config.json
cp "$fixtures"/bert/{config.json,model.safetensors} masked
python3 -c 'import json, sys
print(json.dumps(next(iter(json.load(open(sys.argv[1]))["tokenizers"].values()))["file"]))' \
  "$support/../lm_tokenizers/fixtures/small.json" >masked/tokenizer.json
cp -r "$fixtures/llama" no_words

refuses_each "$generate" <<'TABLE'
--temperature 1 | --temperature is for models that others trained
--attention entmax15 | --attention is for models that others trained
--model no_words --prompt a | no_words has no tokenizer
--model masked --prompt a | which fills in masked tokens
--model unknown --prompt a | 'model_type' = 'mamba'; it must be
--model absent.gguf --prompt a | absent.gguf
--model no_words --show-steps | --show-steps is for diffusion models
--model no_words --prompt a --top-p 2 | --top-p is '2'
--model no_words --prompt a --temperature -1 | --temperature is '-1'
TABLE

stories=$shared/stories260k/stories260K.bin
story='Once upon a time, there was a little girl named Lily. She loved to play outside in the park.'
if [[ -f $stories ]]; then
  said=$("$generate" --model "$stories" --prompt 'Once upon a time' --length 36)
  [[ $said == "$story"* ]] || fail "stories260K said '$said'"
  drawn() { "$generate" --model "$stories" --prompt Once --length 30 --temperature 1 --seed "$1"; }
  [[ $(drawn 3) == "$(drawn 3)" ]] || fail 'one seed said two things'
  [[ $(drawn 3) != "$(drawn 4)" ]] || fail 'two seeds said the same'
  said=$("$generate" --model "$stories" --prompt Once --length 8 --attention 'softmax; layer 1: entmax15')
  [[ $said == Once* ]] || fail "with another normalizer it said '$said'"
  refuses 'together they must be at most that' "$generate" --model "$stories" --prompt a --length 600
  refuses 'layer 9' "$generate" --model "$stories" --prompt a --attention 'layer 9: entmax15'
fi
if [[ -f $smollm2 ]]; then
  said=$("$generate" --model "$smollm2" --prompt 'The capital of France is' --length 2)
  [[ $said == 'The capital of France is Paris.' ]] || fail "SmolLM2 said '$said'"
else
  echo "skipped: $smollm2 is absent; examples/get_smollm2.sh fetches it"
fi
[[ -f $stories ]] || { echo "skipped: $stories is absent; BASIN_SHARED_DATA=<folder> names another place"; exit 4; }
