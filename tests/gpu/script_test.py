# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""tests/gpu.sh from end to end, without a GPU: compilers, programs and torch are stand-ins with given results."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
OWN = ("cuda_forward_bf16_d128_l8k_tflops cuda_received_attention_overhead cuda_training_received_attention_overhead "
       "cuda_entropy_overhead cuda_custom_normalizer_over_softmax cuda_decode_bandwidth_share").split()
CODE = "cuda_empty_policy_registers_delta cuda_empty_policy_code_bytes_delta".split()
SHAPES = "forward_d128_l8k causal_d128_l8k full_d64_l16k full_d256_l8k backward_d128_l8k_full backward_d128_l8k_causal"
PEERS = [f"cuda_vs_best_sdpa_{of}" for of in SHAPES.split()] + [
    f"cuda_{of}_vs_torch_eager" for of in ("top_k", "sparsemax", "entmax15")]
UNITS = ["tests/gpu/shapes.cu 0", "bench/cuda/calls.cu 1", "tests/support/main.cpp -", "bench/cuda/library.cpp -",
         "bench/cuda/figures.cpp -"]

COMPILER = r"""#!/usr/bin/env bash
# A compiler: objects are empty files, programs are scripts that print what the variables of the test say.
case "$*" in
  *--version*) echo 'Cuda compilation tools, release 13.0, V13.0.88'; exit ;;
  *--dryrun*)  echo "#\$ TOP=$TOOLKIT" >&2; exit ;;
esac
echo "$*" >>"$LOG"
while [[ $# -gt 0 ]]; do
  case $1 in -o) to=$2; shift ;; -c) source=$2; shift ;; esac
  shift
done
[[ -z ${BROKEN:-} || ${source:-} != "$BROKEN" ]] || { echo "$source: no such luck"; exit 1; }
case ${to##*/} in
  units)    printf '#!/bin/sh\ncat "%s"\n' "$UNITS" >"$to" ;;
  test_gpu) printf '#!/bin/sh\necho "ran $*"\nexit ${TESTS:-0}\n' >"$to" ;;
  figures)  printf '#!/bin/sh\nfor c in %s; do echo "claim $c 1"; done\n' "${FIGURES:-}" >"$to" ;;
  *)        : >"$to" ;;
esac
chmod +x "$to"
"""
PYTHON = r"""#!/usr/bin/env bash
case "$*" in
  *'import torch'*)   exit ${TORCH:-0} ;;
  *compare_cuda.py*)  for c in $PEERS; do echo "claim $c 1"; done ;;
  *codegen*)          for c in $CODE; do echo "claim $c 0"; done ;;
esac
"""
SMI = """#!/bin/sh
case "$*" in *compute_cap*) echo 9.0 ;; *) echo 'NVIDIA H200, 580.1, 143771 MiB' ;; esac
"""
SANITIZER = """#!/bin/sh
echo "sanitizer $*"; exit ${SANITIZED:-0}
"""


class Script(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        for folder in ("include", "tests/support", "tests/parity", "tests/gpu", "bench/cuda", "bench/support", "bin",
                       "toolkit/include/cccl"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(HERE.parent / "gpu.sh", self.root / "tests/gpu.sh")
        for unit in UNITS:
            (self.root / unit.split()[0]).write_text("")
        (self.root / "units.txt").write_text("\n".join(UNITS) + "\n")
        for name, text in (("nvcc", COMPILER), ("cxx", COMPILER), ("python", PYTHON), ("nvidia-smi", SMI),
                           ("compute-sanitizer", SANITIZER)):
            (self.root / "bin" / name).write_text(text)
            (self.root / "bin" / name).chmod(0o755)

    def run_script(self, *arguments, **variables):
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "CXX": "cxx", "CUDACXX": "nvcc",
                       "PYTHON": "python", "TOOLKIT": str(self.root / "toolkit"), "LOG": str(self.root / "log"),
                       "UNITS": str(self.root / "units.txt"), "FIGURES": " ".join(OWN), "PEERS": " ".join(PEERS),
                       "CODE": " ".join(CODE), "BASIN_COMMIT": "abc123", "JOBS": "2"}
        done = subprocess.run([self.root / "tests/gpu.sh", *arguments], env=environment | variables,
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def report(self):
        return (self.root / "build/gpu/report.txt").read_text()

    def test_one_run_has_every_part_and_every_claim_once(self):
        status, said = self.run_script()
        self.assertEqual(status, 0, said)
        lines = self.report().splitlines()
        parts = [line for line in lines if line.startswith("---")]
        self.assertEqual(parts, ["--- build", "--- parity", "--- figures", "--- sanitize"])
        claims = sorted(line.split()[1] for line in lines if line.startswith("claim "))
        self.assertEqual(claims, sorted(OWN + CODE + PEERS))
        machine = ["NVIDIA H200, 580.1, 143771 MiB", "release 13.0, V13.0.88", "commit abc123, sm_90a"]
        self.assertEqual(lines[:3], machine)
        self.assertIn("arch=compute_90a,code=sm_90a", (self.root / "log").read_text())

    def test_without_torch_every_claim_of_a_peer_gives_the_reason(self):
        status, said = self.run_script("--only", "build,figures", TORCH="1")
        self.assertEqual(status, 0, said)
        for claim in PEERS:
            self.assertEqual(self.report().count(f"unmeasured {claim}: python has no torch\n"), 1)
        for claim in OWN + CODE:
            self.assertIn(f"claim {claim} ", self.report())

    def test_a_claim_that_is_not_printed_is_an_error(self):
        status, said = self.run_script("--only", "build,figures", FIGURES=" ".join(OWN[1:]))
        self.assertEqual(status, 1)
        self.assertIn(f"unmeasured {OWN[0]}: ", self.report())

    def test_a_failed_part_is_named_and_the_others_run(self):
        for variables, part in (({"TESTS": "3"}, "parity"), ({"SANITIZED": "9"}, "sanitize")):
            status, said = self.run_script(**variables)
            self.assertEqual(status, 1)
            self.assertIn(f"{part}: FAILED", self.report())
            self.assertIn("claim cuda_entropy_overhead 1", self.report())

    def test_a_unit_that_does_not_compile_ends_the_run(self):
        status, said = self.run_script(BROKEN="bench/cuda/calls.cu")
        self.assertEqual(status, 1)
        self.assertIn("bench/cuda/calls.cu -DBASIN_CASE=1 does not compile:", said)
        self.assertIn("no such luck", said)
        self.assertNotIn("--- parity", self.report())

    def test_objects_of_the_same_sources_are_kept(self):
        self.run_script("--only", "build")
        self.assertIn("compiled 0 of 5 units", self.run_script("--only", "build")[1])
        (self.root / "include/new.hpp").write_text("// more")
        self.assertIn("compiled 5 of 5 units", self.run_script("--only", "build")[1])

    def test_parts_of_one_commit_stay_in_the_report(self):
        for part in ("build", "parity", "figures"):
            self.assertEqual(self.run_script("--only", part)[0], 0)
        for part in ("build", "parity", "figures"):
            self.assertIn(f"--- {part}", self.report())
        self.run_script("--only", "parity", BASIN_COMMIT="def456")
        self.assertNotIn("--- figures", self.report())

    def test_wrong_usage_is_refused_with_a_message(self):
        for arguments, status, words in ((["--onyl"], 2, "'--onyl' is not an option"),
                                         (["--only"], 2, "needs one or several of build parity figures sanitize"),
                                         (["--only", "tests"], 2, "there is no part 'tests'"),
                                         (["a", "b"], 2, "'b' is one argument too many"),
                                         (["--only", "parity"], 1, "run tests/gpu.sh --only build first")):
            found, said = self.run_script(*arguments)
            self.assertEqual(found, status, said)
            self.assertIn(words, said)
        for variables, words in (({"CUDACXX": "no-nvcc"}, "there is no 'no-nvcc'"),
                                 ({"CXX": "no-cxx"}, "there is no 'no-cxx'"), ({"JOBS": "all"}, "JOBS is 'all'"),
                                 ({"BASIN_INCLUDE": "/no/such/folder"}, "which is no folder")):
            found, said = self.run_script(**variables)
            self.assertEqual(found, 1, said)
            self.assertIn(words, said)

    def test_tools_of_the_sanitizer_are_chosen_by_name(self):
        every = ["memcheck", "racecheck", "synccheck"]
        for variables, tools in (({}, every), ({"TOOLS": "racecheck"}, ["racecheck"])):
            self.run_script("--only", "build,sanitize", **variables)
            lines = [line for line in self.report().splitlines() if line.startswith("compute-sanitizer ")]
            self.assertEqual([line.split()[1] for line in lines], tools)

    def test_without_a_gpu_it_only_compiles_for_a_named_target(self):
        (self.root / "bin/nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
        self.assertIn("finds no GPU", self.run_script()[1])
        self.assertEqual(self.run_script("--only", "build", ARCH="80")[0], 0)
        self.assertIn("commit abc123, sm_80", self.report())

    def test_help_names_every_part(self):
        status, said = self.run_script("--help")
        self.assertEqual(status, 0)
        for word in ("build", "parity", "figures", "sanitize", "BASIN_INCLUDE", "ARCH", "JOBS"):
            self.assertIn(word, said)
        self.assertNotIn("set -euo", said)


if __name__ == "__main__":
    unittest.main()
