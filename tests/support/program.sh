# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Functions for test scripts of programs, to be sourced. Changes to an empty folder, which is deleted at the end.

test_name=$(basename "$0" .sh)
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
export OMP_WAIT_POLICY=passive

fail() { echo "$test_name: $*" >&2; exit 1; }
refuses() {  # WORDS COMMAND...: requires that COMMAND fails and its output contains WORDS
  local words=$1 said
  shift
  if said=$("$@" 2>&1); then fail "accepted: $*"; fi
  [[ $said == *"$words"* ]] || fail "'$words' is not in: $said"
}
whole_table() {  # FILE: requires that every row has as many fields as the first
  local fields
  fields=$(head -n 1 "$1" | tr -cd , | wc -c)
  sed 's/"[^"]*"//g' "$1" | awk -F, -v n="$((fields + 1))" 'NF != n { exit 1 }' || fail "$1 has rows of another length"
}
