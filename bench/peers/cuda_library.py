# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""basin on a GPU as functions of bfloat16 torch tensors [batch, heads, length, dim] with any strides, through
bench/cuda/library.hpp, on torch's current stream."""

import ctypes

import torch

from basin_library import Tensor

NAMES = ("full", "causal", "top_k", "sparsemax", "entmax15", "own_normalizer")
POLICIES = {name: number for number, name in enumerate(NAMES)}


class Room(ctypes.Structure):
    _fields_ = [("workspace", ctypes.c_void_p), ("bytes", ctypes.c_uint64),
                ("saved", ctypes.c_void_p), ("saved_bytes", ctypes.c_uint64),
                ("received", ctypes.c_void_p), ("nats", ctypes.c_void_p),
                ("heaviest", ctypes.c_void_p), ("stream", ctypes.c_void_p)]


class BasinOnDevice:
    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.basin_cuda_problem.restype = ctypes.c_char_p
        self.library.basin_cuda_workspace.restype = self.library.basin_cuda_saved.restype = ctypes.c_uint64

    def bytes_of_workspace(self, policy, q, k, v):
        return self.library.basin_cuda_workspace(POLICIES[policy], *(ctypes.byref(Tensor.of(x)) for x in (q, k, v)))

    def bytes_of_rows(self, policy, q, k, v):
        return self.library.basin_cuda_saved(POLICIES[policy], *(ctypes.byref(Tensor.of(x)) for x in (q, k, v)))

    def _call(self, entry, policy, *tensors, saved=None):
        if any(x.dtype != torch.bfloat16 for x in tensors):
            raise TypeError("basin_cuda: tensors are bfloat16")
        needed = self.bytes_of_workspace(policy, *tensors[:3])
        workspace = torch.empty(needed, dtype=torch.uint8, device=tensors[0].device)
        room = Room(workspace=workspace.data_ptr(), bytes=needed, stream=torch.cuda.current_stream().cuda_stream)
        if saved is not None:
            room.saved, room.saved_bytes = saved.data_ptr(), saved.numel()
        no_observer = 0
        arguments = (ctypes.byref(Tensor.of(x)) for x in tensors)
        if getattr(self.library, entry)(POLICIES[policy], no_observer, *arguments, ctypes.byref(room)):
            raise RuntimeError(self.library.basin_cuda_problem().decode())

    def forward(self, policy, q, k, v):
        out = torch.empty_like(q)
        self._call("basin_cuda_forward", policy, q, k, v, out)
        return out

    def forward_for_training(self, policy, q, k, v):
        """The output, and the rows that backward() needs."""
        out = torch.empty_like(q)
        saved = torch.empty(self.bytes_of_rows(policy, q, k, v), dtype=torch.uint8, device=q.device)
        self._call("basin_cuda_forward", policy, q, k, v, out, saved=saved)
        return out, saved

    def backward(self, policy, q, k, v, out, saved, dout):
        gradients = [torch.empty_like(x) for x in (q, k, v)]
        self._call("basin_cuda_backward", policy, q, k, v, out, dout, *gradients, saved=saved)
        return tuple(gradients)
