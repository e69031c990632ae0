# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""basin as functions of torch tensors [batch, heads, length, dim] with any strides, through basin_library.cpp."""

import ctypes
import pathlib
import re

import torch

STORAGE = {torch.float32: 0, torch.bfloat16: 1}


def openmp_runtimes():
    """The OpenMP runtimes that this process has loaded, in the order of their addresses."""
    maps = pathlib.Path("/proc/self/maps").read_text()
    return list(dict.fromkeys(re.findall(r"/\S*/lib(?:gomp|iomp5|omp)[-.]\S*", maps)))


class Tensor(ctypes.Structure):
    _fields_ = [("memory", ctypes.c_void_p), ("extents", ctypes.c_int64 * 4), ("strides", ctypes.c_int64 * 4)]

    @classmethod
    def of(cls, x):
        return cls(x.data_ptr(), tuple(x.shape), tuple(x.stride()))


class Basin:
    """Loads the library after torch, so that both use torch's OpenMP runtime and its one pool of threads."""

    def __init__(self, path):
        runtimes = openmp_runtimes()
        if len(runtimes) != 1:
            raise SystemExit(f"peers: torch loaded {len(runtimes)} OpenMP runtimes ({runtimes}); "
                             "exactly one can be shared")
        ctypes.CDLL(runtimes[0], mode=ctypes.RTLD_GLOBAL)
        self.library = ctypes.CDLL(str(path))
        self.library.basin_problem.restype = ctypes.c_char_p
        if self.threads() != torch.get_num_threads():
            raise SystemExit(f"peers: basin would use {self.threads()} threads, torch {torch.get_num_threads()}; "
                             "set OMP_NUM_THREADS")

    def threads(self):
        return self.library.basin_threads()

    def _call(self, entry, *arguments):
        arguments = [ctypes.byref(Tensor.of(x)) if isinstance(x, torch.Tensor) else x for x in arguments]
        if getattr(self.library, entry)(*arguments):
            raise RuntimeError(self.library.basin_problem().decode())

    def forward(self, q, k, v, causal):
        out = torch.empty_like(q)
        self._call("basin_forward", STORAGE[q.dtype], int(causal), q, k, v, out)
        return out

    def forward_received(self, q, k, v, causal):
        out, received = torch.empty_like(q), torch.empty(k.shape[:3], dtype=torch.float64)
        self._call("basin_forward_received", int(causal), q, k, v, out, ctypes.c_void_p(received.data_ptr()))
        return out, received

    def backward(self, q, k, v, dout, causal):
        gradients = [torch.empty_like(x) for x in (q, k, v)]
        self._call("basin_backward", int(causal), q, k, v, dout, *gradients)
        return tuple(gradients)
