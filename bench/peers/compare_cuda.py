# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How fast is basin on a GPU compared with what a user of PyTorch would call instead?

Both sides run in this process, on the same bfloat16 tensors, on the same stream, in turn: basin, peer, next peer. Each
round uses the next of several sets of random inputs. Times are device times, from events after a wait that lets the
host run ahead. A peer is timed only if its result agrees with basin's. A claim is the time of the fastest peer over
basin's, the median over rounds. The peers of a claim "..._vs_best_sdpa_..." are the backends of
scaled_dot_product_attention that accept the call, those of "..._vs_torch_eager" eager.py.

Tables go to stderr; stdout has a line for every claim: 'claim NAME VALUE', or 'unmeasured NAME: why'. tests/gpu.sh runs
this program.
"""

import argparse
import contextlib
import dataclasses
import statistics
import sys
import time
import typing

import torch
import torch.nn.functional as F

import eager
from cuda_library import BasinOnDevice

BACKENDS = ("CUDNN_ATTENTION", "FLASH_ATTENTION", "EFFICIENT_ATTENTION")


@dataclasses.dataclass
class Case:
    kind: str  # "forward", "backward" or "eager"
    policy: str  # of basin
    batch: int
    heads: int
    length: int
    dim: int

    def shrunk(self):
        return dataclasses.replace(self, batch=1, heads=2, length=96, dim=16)


CLAIMS = {
    "cuda_vs_best_sdpa_forward_d128_l8k": Case("forward", "full", 2, 16, 8192, 128),
    "cuda_vs_best_sdpa_causal_d128_l8k": Case("forward", "causal", 2, 16, 8192, 128),
    "cuda_vs_best_sdpa_full_d64_l16k": Case("forward", "full", 1, 16, 16384, 64),
    "cuda_vs_best_sdpa_full_d256_l8k": Case("forward", "full", 1, 16, 8192, 256),
    "cuda_vs_best_sdpa_backward_d128_l8k_full": Case("backward", "full", 2, 16, 8192, 128),
    "cuda_vs_best_sdpa_backward_d128_l8k_causal": Case("backward", "causal", 2, 16, 8192, 128),
    "cuda_top_k_vs_torch_eager": Case("eager", "top_k", 1, 8, 8192, 128),
    "cuda_sparsemax_vs_torch_eager": Case("eager", "sparsemax", 1, 8, 8192, 128),
    "cuda_entmax15_vs_torch_eager": Case("eager", "entmax15", 1, 8, 8192, 128),
}


class Gpu:
    """A GPU on which calls run, timed by events."""

    device, sets, sleep = "cuda", 3, 400_000  # cycles, about 0.2 ms: longer than it takes to launch a call

    def timed(self, calls, rounds):
        """Milliseconds of every call in every round: [call][round]."""
        marks = [[] for _ in calls]
        for n in range(-2, rounds):
            for call, mine in zip(calls, marks):
                torch.cuda._sleep(self.sleep)
                start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                start.record()
                call(n % self.sets)
                stop.record()
                if n >= 0:
                    mine.append((start, stop))
            torch.cuda.synchronize()
        return [[start.elapsed_time(stop) for start, stop in mine] for mine in marks]

    def peak_mib(self, call):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call(0)
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20

    def conditions(self):
        properties = torch.cuda.get_device_properties(0)
        return (f"{properties.name}, {properties.multi_processor_count} multiprocessors; torch {torch.__version__}, "
                f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")


class NoGpu(Gpu):
    """Replaces Gpu in tests of this file: tiny calls on the host."""

    device, sets = "cpu", 2

    def timed(self, calls, rounds):
        def once(call, n):
            start = time.perf_counter()
            call(n % self.sets)
            return 1e3 * (time.perf_counter() - start)

        return [[once(call, n) for n in range(2)] for call in calls]

    def peak_mib(self, call):
        call(0)
        return 0.0

    def conditions(self):
        return f"no GPU, nothing is measured; torch {torch.__version__}"


class NoBasin:
    """Replaces the library in tests of this file: torch itself, or wrong results."""

    def __init__(self, spoil):
        self.factor = 1.5 if spoil else 1.0

    def bytes_of_workspace(self, *_):
        return 0

    bytes_of_rows = bytes_of_workspace

    def _attention(self, policy, q, k, v):
        if policy == "causal":
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return eager.attention(eager.NORMALIZERS[policy], q, k, v)

    def forward(self, policy, q, k, v):
        return (self.factor * self._attention(policy, *(x.double() for x in (q, k, v)))).to(q.dtype)

    def forward_for_training(self, policy, q, k, v):
        return self.forward(policy, q, k, v), None

    def backward(self, policy, q, k, v, out, saved, dout):
        leaves = [x.double().requires_grad_() for x in (q, k, v)]
        gradients = torch.autograd.grad(self._attention(policy, *leaves), leaves, dout.double())
        return tuple((self.factor * x).to(q.dtype) for x in gradients)


@dataclasses.dataclass
class Peer:
    name: str
    call: typing.Callable  # takes the number of a set of inputs


def draw(case, machine, sets):
    """`sets` different sets of random q, k, v, dout."""
    generator = torch.Generator(device=machine.device).manual_seed(17)
    shape = (case.batch, case.heads, case.length, case.dim)

    def tensor():
        x = torch.randn(shape, generator=generator, device=machine.device, dtype=torch.float32)
        return x.to(torch.bfloat16)

    return [[tensor() for _ in range(4)] for _ in range(sets)]


@contextlib.contextmanager
def backend(name):
    if name is None:
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel([getattr(SDPBackend, name)]):
        yield


def sdpa_forward(inputs, causal, name):
    def call(n):
        with backend(name):
            return (F.scaled_dot_product_attention(*inputs[n][:3], is_causal=causal),)

    return call


def sdpa_backward(inputs, causal, name):
    """The backward pass alone: its graphs are built by an earlier call and kept."""
    kept = {}

    def call(n):
        if n not in kept:
            leaves = [x.detach().clone().requires_grad_() for x in inputs[n][:3]]
            with backend(name):
                kept[n] = leaves, F.scaled_dot_product_attention(*leaves, is_causal=causal)
        leaves, out = kept[n]
        return torch.autograd.grad(out, leaves, inputs[n][3], retain_graph=True)

    return call


def flex_forward(inputs, case):
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    compiled = torch.compile(flex_attention, dynamic=False)
    mask = None
    if case.policy == "causal":
        mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, case.length, case.length,
                                 device=inputs[0][0].device)
    return lambda n: (compiled(*inputs[n][:3], block_mask=mask),)


def eager_step(inputs, case):
    normalize = eager.NORMALIZERS[case.policy]
    leaves = [[x.detach().clone().requires_grad_() for x in one[:3]] for one in inputs]
    return lambda n: eager.forward_and_backward(normalize, leaves[n], inputs[n][3])


def basin_call(basin, case, inputs):
    if case.kind == "forward":
        return lambda n: (basin.forward(case.policy, *inputs[n][:3]),)
    kept = {}

    def backward(n):  # alone, like its peers: an earlier call runs the forward and keeps its rows
        if n not in kept:
            kept[n] = basin.forward_for_training(case.policy, *inputs[n][:3])
        return basin.backward(case.policy, *inputs[n][:3], *kept[n], inputs[n][3])

    def step(n):
        out, saved = basin.forward_for_training(case.policy, *inputs[n][:3])
        return out, *basin.backward(case.policy, *inputs[n][:3], out, saved, inputs[n][3])

    return backward if case.kind == "backward" else step


def peers_of(case, inputs, machine, flex):
    """Peers that may accept the call, usually the fastest first. Calling them shows whether they do."""
    causal = case.policy == "causal"
    if case.kind == "eager":
        yield Peer("eager", eager_step(inputs, case))
        return
    make = sdpa_forward if case.kind == "forward" else sdpa_backward
    for name in BACKENDS if machine.device == "cuda" else (None,):
        yield Peer(name or "SDPA", make(inputs, causal, name))
    if flex and case.kind == "forward":
        yield Peer("FlexAttention", flex_forward(inputs, case))


def disagreement(ours, theirs, case):
    """Describes the first result whose difference exceeds what rounding of weights and results to bfloat16 on both
    sides explains; empty if none does. Gradients are rounded once more."""
    allowed = (4 if case.kind == "forward" else 8) * 2.0**-9
    for n, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        difference = ((a.double() - b.double()).norm() / b.double().norm()).item()
        if not difference <= allowed:  # also true for a NaN
            return f"result {n} differs by {difference:.2e} of its norm; {allowed:.2e} is allowed"
    return ""


def exact_step(case, inputs):
    """The eager peer in double, on the same numbers: the reference where bfloat16 scores would select other keys."""
    leaves = [x.double().requires_grad_() for x in inputs[0][:3]]
    return eager.forward_and_backward(eager.NORMALIZERS[case.policy], leaves, inputs[0][3].double())


def check_eager(basin, case, machine):
    small = dataclasses.replace(case, heads=min(case.heads, 2), length=min(case.length, 1024))
    inputs = draw(small, machine, 1)
    return disagreement(basin_call(basin, small, inputs)(0), exact_step(small, inputs), small)


def usable(peers, ours, case):
    """The peers that accept the call and agree; the reasons against the others go to stderr."""
    for peer in peers:
        try:
            problem = "" if case.kind == "eager" else disagreement(ours, peer.call(0), case)
            if case.kind == "eager":
                peer.call(0)
        except Exception as refused:  # a backend that rejects the call, a missing compiler, too little memory
            lines = str(refused).strip().splitlines() or [""]
            problem = f"{type(refused).__name__}: {lines[0][:160]}"
        if problem:
            print(f"  {peer.name:<20} left out: {problem}", file=sys.stderr)
        else:
            yield peer


def measure(basin, claim, case, machine, rounds, flex):
    """Returns a value, or raises a ValueError with the reason why there is none."""
    print(f"{claim}: B {case.batch} H {case.heads} L {case.length} d {case.dim} {case.policy}", file=sys.stderr)
    if case.kind == "eager" and (problem := check_eager(basin, case, machine)):
        raise ValueError(problem)
    inputs = draw(case, machine, machine.sets)
    ours = basin_call(basin, case, inputs)
    peers = list(usable(peers_of(case, inputs, machine, flex), ours(0), case))
    rivals = [n for n, peer in enumerate(peers) if peer.name != "FlexAttention"]
    if not rivals:
        raise ValueError("no peer accepted the call and agreed")
    mine, *theirs = machine.timed([ours, *(peer.call for peer in peers)], rounds)
    for peer, times in zip([Peer("basin", ours), *peers], [mine, *theirs]):
        print(f"  {peer.name:<20} {statistics.median(times):>9.3f} ms  ({min(times):.3f} to {max(times):.3f})  "
              f"{flops(case, times)}", file=sys.stderr)
    if case.kind == "eager":
        own = sum(size(case.policy, *inputs[0][:3]) for size in (basin.bytes_of_workspace, basin.bytes_of_rows))
        print(f"  memory beside the inputs: basin {machine.peak_mib(ours):.0f} MiB, results included "
              f"({own / 2**20:.1f} of workspace and rows), eager {machine.peak_mib(peers[0].call):.0f} MiB",
              file=sys.stderr)
    best = min(rivals, key=lambda n: statistics.median(theirs[n]))
    return statistics.median(b / a for a, b in zip(mine, theirs[best]))


def flops(case, times):
    if case.kind == "eager":
        return ""
    products = (2 if case.kind == "forward" else 5) * (0.5 if case.policy == "causal" else 1)
    flop = products * 2 * case.batch * case.heads * case.length**2 * case.dim
    return f"{flop / statistics.median(times) * 1e-9:.0f} TFLOP/s"


def options(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", nargs="?", help="the shared library that tests/gpu.sh builds")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="samples of every call (default 20)")
    parser.add_argument("--only", metavar="TEXT", default="", help="claims that have this in their names")
    parser.add_argument("--no-flex", action="store_true", help="leave out FlexAttention, which compiles for a while")
    parser.add_argument("--dry", action="store_true",
                        help="try this program without a GPU and without the library: tiny calls, 'tried' for 'claim'")
    parser.add_argument("--spoil", action="store_true", help=argparse.SUPPRESS)  # with --dry: wrong results, not timed
    chosen = parser.parse_args(arguments)
    if not chosen.dry and not chosen.library:
        parser.error("name the library that tests/gpu.sh builds, or give --dry")
    if chosen.rounds < 1:
        parser.error(f"--rounds is {chosen.rounds}; give 1 or more")
    if not any(chosen.only in claim for claim in CLAIMS):
        parser.error(f"no claim has '{chosen.only}' in its name; there are {', '.join(CLAIMS)}")
    return chosen


def main(arguments=None):
    chosen = options(arguments)
    wanted = {name: case for name, case in CLAIMS.items() if chosen.only in name}
    if not chosen.dry and not torch.cuda.is_available():
        for claim in wanted:
            print(f"unmeasured {claim}: torch {torch.__version__} finds no GPU")
        return 0
    machine, basin = (NoGpu(), NoBasin(chosen.spoil)) if chosen.dry else (Gpu(), BasinOnDevice(chosen.library))
    print(machine.conditions(), file=sys.stderr)
    failed = 0
    for claim, case in wanted.items():
        try:
            value = measure(basin, claim, case.shrunk() if chosen.dry else case, machine, chosen.rounds,
                            not (chosen.no_flex or chosen.dry))
            print(f"{'tried' if chosen.dry else 'claim'} {claim} {value:.4g}", flush=True)
        except Exception as problem:  # the other claims may still be measured
            print(f"unmeasured {claim}: {type(problem).__name__}: {problem}".splitlines()[0], flush=True)
            failed = 1
        if machine.device == "cuda":
            torch.cuda.empty_cache()
    return failed


if __name__ == "__main__":
    sys.exit(main())
