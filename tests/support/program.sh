# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Functions for test scripts of programs, to be sourced. Changes to an empty folder, which is deleted at the end.

test_name=$(basename "$0" .sh)
support=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
export OMP_WAIT_POLICY=passive

fail() { echo "$test_name: $*" >&2; exit 1; }

# WORDS COMMAND...: requires exit code 2, one printable line on stderr that contains WORDS, and no changed file.
refuses() {
  local words=$1 code=0 before said
  shift
  before=$(find . | sort)
  said=$("$@" 2>&1 >/dev/null </dev/null) || code=$?
  [[ $code == 2 ]] || fail "exit code $code, not 2: $* said: $said"
  [[ $said == *"$words"* ]] || fail "'$words' is not in: $said"
  [[ $said != *$'\n'* && $said != *[[:cntrl:]]* && ${#said} -le 2100 ]] || fail "not one printable line: $said"
  [[ $said != *basin::* && $said != *json.exception* ]] || fail "an internal name: $said"
  [[ $(find . | sort) == "$before" ]] || fail "changed files: $*"
}

refuses_each() {  # COMMAND...: calls refuses() for each line of stdin, "ARGUMENTS | WORDS"
  local line arguments
  while IFS= read -r line; do
    read -ra arguments <<<"${line% | *}"
    refuses "${line##* | }" "$@" "${arguments[@]}"
  done
}

needs_output() {  # COMMAND...: requires exit code 1 if the output cannot be written
  local code=0
  "$@" >/dev/full 2>full_errors || code=$?
  [[ $code == 1 ]] || fail "exit code $code, not 1, with a full disk: $*"
  grep -q 'cannot write all of the standard output' full_errors || fail "a full disk is not named: $(cat full_errors)"
}

edit_checkpoint() { python3 "$support/edit_checkpoint.py" "$@"; }  # see there

lines_fit() {  # COLUMNS COMMAND...: requires that progress on a terminal of COLUMNS columns has shorter lines
  local columns=$1
  python3 "$support/on_terminal.py" "$@" >on_terminal || fail "failed on a terminal: ${*:2}: $(cat on_terminal)"
  grep -q $'\r\033\\[K..*%' on_terminal || fail "no progress on a terminal: ${*:2}"
  ! tr '\r' '\n' <on_terminal | grep $'^\033\\[K' | sed $'s/^\033\\[K//' | grep -qE "^.{$columns,}" ||
    fail "progress is wider than $columns columns: ${*:2}"
}

whole_table() {  # FILE: requires that every row has as many fields as the first
  local fields
  fields=$(head -n 1 "$1" | tr -cd , | wc -c)
  sed 's/"[^"]*"//g' "$1" | awk -F, -v n="$((fields + 1))" 'NF != n { exit 1 }' || fail "$1 has rows of another length"
}
