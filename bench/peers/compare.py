# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How fast is basin compared with what a user would call instead, on this processor?

Both sides run in this process, on the same tensors, with the same number of threads, in turn: basin, peer, basin, peer.
A pair is timed only if its results agree. Each sample allocates its own outputs, as a call from Python does. A ratio is
the peer's time over basin's, sample by sample; the result of a pair is the median, and a claim is the geometric mean
over the shapes of its group. The table goes to stderr, the lines 'claim NAME VALUE' to stdout.
"""

import argparse
import ctypes
import importlib.metadata
import json
import math
import os
import pathlib
import re
import statistics
import sys
import time

import torch

import pairs
from basin_library import Basin, openmp_runtimes

GROUPS = {  # name: (peer, pairs, claim)
    "forward_fp32": ("torch SDPA", lambda basin: pairs.forward(basin, torch.float32), "cpu_vs_torch_forward_fp32"),
    "forward_bf16": ("torch SDPA", lambda basin: pairs.forward(basin, torch.bfloat16), "cpu_vs_torch_forward_bf16"),
    "backward_fp32_bh1": ("torch SDPA", lambda basin: pairs.forward_and_backward(basin, 1),
                          "cpu_vs_torch_backward_fp32_bh1"),
    "backward_fp32_bh16": ("torch SDPA", lambda basin: pairs.forward_and_backward(basin, 16),
                           "cpu_vs_torch_backward_fp32_bh16"),
    "received_attention": ("torch eager", pairs.received_attention, "cpu_vs_torch_received_attention"),
    "onnxruntime": ("onnxruntime", pairs.onnxruntime, None),
    "flex_attention": ("torch flex", pairs.flex_attention, None),  # last: it may bring a second OpenMP runtime
}


def disagreement(pair):
    """Describes the first result that differs by more than the tolerance; empty if none does."""
    for n, (ours, theirs) in enumerate(zip(pair.basin(), pair.peer(), strict=True)):
        difference = (ours.double() - theirs.double()).norm() / theirs.double().norm()
        if not difference <= pair.tolerance:  # also true for a NaN
            return f"result {n} differs by {difference:.2e} of its norm; {pair.tolerance:.2e} is allowed"
    return ""


def seconds(run):
    time.sleep(0.01)  # lets threads that still spin after the other side's work go to sleep
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def seconds_in_queue():
    """The total time in which threads of this process were ready to run but had no processor."""
    paths = pathlib.Path("/proc/self/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[1]) for path in paths) * 1e-9


def alternate(pair, quick):
    """Samples of both sides, as many as fit the time budget, and the share of that time that threads were queued."""
    fewest, most, budget = (3, 7, 1.0) if quick else (9, 50, 8.0)
    ours, theirs, before = [], [], seconds_in_queue()
    while len(ours) < fewest or (len(ours) < most and sum(ours) + sum(theirs) < budget):
        ours.append(seconds(pair.basin))
        theirs.append(seconds(pair.peer))
    return ours, theirs, (seconds_in_queue() - before) / (sum(ours) + sum(theirs)) / torch.get_num_threads()


def peak_mib(run):
    """The growth of this process's resident memory while run() runs, its results included."""
    def field(name):
        return int(re.search(rf"{name}:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) / 1024

    ctypes.CDLL(None).malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = field("VmRSS")
    run()
    return field("VmHWM") - before


def measure(group, peer, pair, quick):
    problem = disagreement(pair)
    if problem:
        return {"group": group, "pair": pair.name, "problem": problem}
    ours, theirs, queued = alternate(pair, quick)
    ratios = [b / a for a, b in zip(ours, theirs)]
    lower, ratio, upper = statistics.quantiles(ratios, n=4, method="inclusive")
    found = {"group": group, "peer": peer, "pair": pair.name, "samples": len(ours),
             "basin_ms": 1e3 * statistics.median(ours), "peer_ms": 1e3 * statistics.median(theirs),
             "ratio": ratio, "lower_quartile": lower, "upper_quartile": upper, "queued": queued}
    if group == "received_attention":
        found |= {"basin_peak_mib": peak_mib(pair.basin), "peer_peak_mib": peak_mib(pair.peer)}
    return found


def show(found):
    if "problem" in found:
        return f"{found['group']:<19} {found['pair']:<27} not timed: {found['problem']}"
    line = (f"{found['group']:<19} {found['pair']:<27} {found['basin_ms']:>9.2f} {found['peer_ms']:>9.2f} "
            f"{found['ratio']:>7.2f}  {found['lower_quartile']:.2f} to {found['upper_quartile']:.2f} "
            f"{found['samples']:>8} {100 * found['queued']:>7.1f}%")
    if "basin_peak_mib" in found:
        line += (f"\n{'':<20}peak memory, results included: {found['basin_peak_mib']:.0f} MiB, "
                 f"{found['peer_peak_mib']:.0f} MiB")
    return line


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def conditions(basin):
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    match = re.search(r"flags\s*: (.*)", cpu)
    flags = match[1].split() if match else []
    return {
        "processor": (re.search(r"model name\s*: (.*)", cpu) or [None, "unknown"])[1],
        "matrix_units": [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags],
        "threads": basin.threads(),
        "basin": os.environ.get("BASIN_COMMIT", "unknown"),
        "torch": torch.__version__,
        "torch_instructions": torch.backends.cpu.get_cpu_capability(),
        "onnxruntime": version("onnxruntime"),
        "python": sys.version.split()[0],
        "timed_by": "wall clock",
    }


def run_groups(basin, names, quick):
    """Runs every pair of every group that can run here; prints a line for each to stderr."""
    print(f"{'':<19} {'batch 1':<27} {'basin ms':>9} {'peer ms':>9} {'ratio':>7}  quartiles     samples  queued",
          file=sys.stderr)
    for name in names:
        peer, make, _ = GROUPS[name]
        try:
            for pair in make(basin):
                found = measure(name, peer, pair, quick)
                print(show(found), file=sys.stderr, flush=True)
                yield found
        except Exception as problem:  # a peer that is missing or rejects a shape is reported and left out
            found = {"group": name, "pair": "", "problem": f"{type(problem).__name__}: {str(problem).strip()[:200]}"}
            print(show(found), file=sys.stderr, flush=True)
            yield found


def claims(results):
    """The geometric mean of each group that has a claim and whose pairs were all timed."""
    for name, (_, _, claim) in GROUPS.items():
        mine = [found for found in results if found["group"] == name]
        if claim and mine and all("ratio" in found for found in mine):
            yield claim, math.exp(statistics.fmean(math.log(found["ratio"]) for found in mine))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("library", help="the shared library that bench/peers/run.sh builds")
    options.add_argument("--quick", action="store_true", help="fewer samples")
    options.add_argument("--only", metavar="GROUP,...", default=",".join(GROUPS), help=f"some of {', '.join(GROUPS)}")
    options.add_argument("--json", metavar="FILE", help="everything as JSON, with versions and conditions")
    chosen = options.parse_args()
    names = chosen.only.split(",")
    if unknown := set(names) - set(GROUPS):
        options.error(f"no group is called {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0)))))
    basin = Basin(chosen.library)
    machine = conditions(basin)
    for key, value in machine.items():
        print(f"  {key:<19} {value}", file=sys.stderr)
    results = list(run_groups(basin, names, chosen.quick))
    machine["openmp_runtimes"] = openmp_runtimes()
    print(f"  {'openmp_runtimes':<19} {machine['openmp_runtimes']}", file=sys.stderr)
    stated = dict(claims(results))
    if any(found.get("queued", 0) > 0.02 for found in results):
        print("  This machine was busy: threads waited for a processor ('queued'). Of the two sides, that slows the\n"
              "  one whose threads wait for each other more often, many times more: these ratios mean little.",
              file=sys.stderr)
    for name, value in stated.items():
        print(f"claim {name} {value:.4f}")
    if chosen.json:
        everything = {"conditions": machine, "pairs": results, "claims": stated}
        pathlib.Path(chosen.json).write_text(json.dumps(everything, indent=2) + "\n")
    return 1 if any("problem" in found and GROUPS[found["group"]][2] for found in results) else 0


if __name__ == "__main__":
    sys.exit(main())
