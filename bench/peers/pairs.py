# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The pairs that are compared: a call of basin and what a user would call instead, on the same tensors."""

import dataclasses
import itertools
import math
import typing

import torch
import torch.nn.functional as F


@dataclasses.dataclass
class Pair:
    name: str
    basin: typing.Callable
    peer: typing.Callable
    tolerance: float  # largest |difference| / |result| of each result, Euclidean norms


SHAPES = tuple(itertools.product((64, 128), (1024, 4096), (False, True)))  # dim, length, causal


def mask_name(causal):
    return "causal" if causal else "full"


def draw(count, *shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(17)
    return [torch.randn(*shape, generator=generator).to(dtype) for _ in range(count)]


def tolerance(q, k):
    """Rounding errors of random numbers grow with the square root of their number, like the sum itself: relative to its
    norm, a result has the error of one summand. The error of a score is u |q| |k|, that of a weight twice as large, and
    sums over keys add u sqrt(length). The factor 8 covers what this leaves out. In bfloat16, both sides round weights
    and results: 4 x 2^-9 covers two of each."""
    if q.dtype == torch.bfloat16:
        return 4 * 2.0**-9
    u, norms = 2.0**-24, q.norm(dim=-1).max().item() * k.norm(dim=-1).max().item()
    return 8 * (2 * u * norms + 2 * u * math.sqrt(k.shape[2]))


def forward(basin, dtype, heads=8):
    for dim, length, causal in SHAPES:
        q, k, v = draw(3, 1, heads, length, dim, dtype=dtype)
        yield Pair(f"H {heads} L {length} d {dim} {mask_name(causal)}",
                   lambda: (basin.forward(q, k, v, causal),),
                   lambda: (F.scaled_dot_product_attention(q, k, v, is_causal=causal),), tolerance(q, k))


def forward_and_backward(basin, heads):
    def ours(q, k, v, dout, causal):
        return basin.forward(q, k, v, causal), *basin.backward(q, k, v, dout, causal)

    def torchs(leaves, dout, causal):
        out = F.scaled_dot_product_attention(*leaves, is_causal=causal)
        return out.detach(), *torch.autograd.grad(out, leaves, dout)

    for dim, length, causal in SHAPES:
        q, k, v, dout = draw(4, 1, heads, length, dim)
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        yield Pair(f"H {heads} L {length} d {dim} {mask_name(causal)}",
                   lambda: ours(q, k, v, dout, causal), lambda: torchs(leaves, dout, causal), 2 * tolerance(q, k))


def received_attention(basin, heads=8, length=4096, dim=64):
    def eager(q, k, v):
        weights = torch.softmax((q / math.sqrt(dim)) @ k.transpose(-1, -2), dim=-1)
        return weights @ v, weights.sum(dim=-2)

    q, k, v = draw(3, 1, heads, length, dim)
    yield Pair(f"H {heads} L {length} d {dim} full", lambda: basin.forward_received(q, k, v, False),
               lambda: eager(q, k, v), tolerance(q, k))


def flex_attention(basin, heads=8):
    """Compiled for every shape and mask. Its code loads the system's OpenMP runtime if torch ships another."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention as flex

    for dim, length, causal in SHAPES:
        q, k, v = draw(3, 1, heads, length, dim)
        mask = None
        if causal:
            mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, length, length, device="cpu")
        compiled = torch.compile(flex, dynamic=False)
        yield Pair(f"H {heads} L {length} d {dim} {mask_name(causal)}",
                   lambda: (basin.forward(q, k, v, causal),), lambda: (compiled(q, k, v, block_mask=mask),),
                   tolerance(q, k))


def onnxruntime(basin, heads=8):
    """MultiHeadAttention without a mask, GroupQueryAttention (which is causal) with one. Both take [batch, length,
    heads x dim]; basin reads and writes the same memory through strides."""
    import onnx_attention

    for dim, length, causal in SHAPES:
        q, k, v = (x.view(1, length, heads, dim).transpose(1, 2) for x in draw(3, 1, length, heads * dim))
        session = onnx_attention.session(heads, dim, causal, torch.get_num_threads())
        yield Pair(f"H {heads} L {length} d {dim} {mask_name(causal)}",
                   lambda: (basin.forward(q, k, v, causal),),
                   lambda: (onnx_attention.run(session, q, k, v, causal),), tolerance(q, k))
