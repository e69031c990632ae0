# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention as a user of torch writes it without a kernel: all scores, a normalizer of rows, the values; gradients by
autograd.

The support of a row is computed without gradients. Given the support, weights are plain formulas of the scores, and
autograd differentiates only these. So its gradients are exact, and it stores fewer matrices than through the search.
"""

import math

import torch


def softmax(scores):
    return torch.softmax(scores, dim=-1)


def top_k(scores, k=64):
    """Softmax over the k largest scores and those equal to the smallest of them."""
    with torch.no_grad():
        least = torch.topk(scores, min(k, scores.shape[-1]), dim=-1).values[..., -1:]
        hidden = scores < least
    return torch.softmax(scores.masked_fill(hidden, -math.inf), dim=-1)


def _sorted_sums(scores):
    ordered = torch.sort(scores, dim=-1, descending=True).values
    count = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    return ordered, torch.cumsum(ordered, dim=-1), count


def sparsemax(scores):
    """max(s - tau, 0) that sums to 1: Martins and Astudillo 2016, algorithm 1."""
    with torch.no_grad():
        ordered, sums, count = _sorted_sums(scores)
        size = (1 + count * ordered > sums).sum(dim=-1, keepdim=True)
        support = scores >= ordered.gather(-1, size - 1)
    size = support.sum(dim=-1, keepdim=True)
    tau = (torch.where(support, scores, 0).sum(dim=-1, keepdim=True) - 1) / size
    return torch.where(support, scores - tau, 0)


def entmax15(scores):
    """max(s/2 - tau, 0)^2 that sums to 1: Peters, Niculae and Martins 2019, algorithm 2."""
    def threshold(mean, mean_of_squares, size):
        return mean - torch.sqrt(torch.clamp((1 - size * (mean_of_squares - mean * mean)) / size, min=0))

    halves = scores / 2
    with torch.no_grad():
        halves = halves - halves.amax(dim=-1, keepdim=True)  # keeps the squares small
        ordered, sums, count = _sorted_sums(halves)
        squares = torch.cumsum(ordered * ordered, dim=-1)
        size = (threshold(sums / count, squares / count, count) <= ordered).sum(dim=-1, keepdim=True)
        support = halves >= ordered.gather(-1, size - 1)
    halves = scores / 2
    halves = halves - halves.detach().amax(dim=-1, keepdim=True)
    size = support.sum(dim=-1, keepdim=True)
    inside = torch.where(support, halves, 0)
    tau = threshold(inside.sum(dim=-1, keepdim=True) / size, (inside * inside).sum(dim=-1, keepdim=True) / size, size)
    return torch.where(support, (halves - tau) ** 2, 0)


NORMALIZERS = {"full": softmax, "top_k": top_k, "sparsemax": sparsemax, "entmax15": entmax15}


def attention(normalize, q, k, v):
    """Products in the type of the inputs. Rows of bfloat16 scores are computed in float, for sums over thousands."""
    scores = (q * (1 / math.sqrt(q.shape[-1]))) @ k.transpose(-1, -2)
    weights = normalize(scores.float() if scores.dtype == torch.bfloat16 else scores)
    return weights.to(v.dtype) @ v


def forward_and_backward(normalize, leaves, dout):
    out = attention(normalize, *leaves)
    return out.detach(), *torch.autograd.grad(out, leaves, dout)
