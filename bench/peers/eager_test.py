# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that the peers of eager.py compute what their names say, and that compare_cuda.py runs without a GPU. Skipped
(exit code 4) without torch."""

import contextlib
import io
import sys
import unittest

try:
    import torch
except ImportError:
    print("skipped: python3 has no torch")
    sys.exit(4)

import compare_cuda
import eager


def rows(seed, length=40, spread=2.0):
    return spread * torch.randn(3, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Eager(unittest.TestCase):
    def test_weights_are_those_of_a_bisection(self):
        """sparsemax and entmax15 are max((alpha - 1) s - tau, 0)^(1 / (alpha - 1)) for the tau with a sum of 1."""
        for normalize, alpha in ((eager.sparsemax, 2.0), (eager.entmax15, 1.5)):
            for seed in range(5):
                s = (alpha - 1) * rows(seed)
                low, high = s.amax(-1, keepdim=True) - 1, s.amax(-1, keepdim=True)
                for _ in range(80):
                    tau = (low + high) / 2
                    heavy = torch.clamp(s - tau, min=0).pow(1 / (alpha - 1)).sum(-1, keepdim=True) > 1
                    low, high = torch.where(heavy, tau, low), torch.where(heavy, high, tau)
                expected = torch.clamp(s - low, min=0).pow(1 / (alpha - 1))
                torch.testing.assert_close(normalize(rows(seed)), expected, rtol=1e-9, atol=1e-9)

    def test_top_k_is_softmax_over_the_largest(self):
        s = rows(7)
        weights, best = eager.top_k(s, 5), torch.topk(s, 5, dim=-1)
        torch.testing.assert_close(weights.gather(-1, best.indices), torch.softmax(best.values, dim=-1))
        self.assertEqual(int((weights > 0).sum()), 15)
        torch.testing.assert_close(eager.top_k(s, 64), torch.softmax(s, dim=-1))

    def test_gradients_are_finite_differences(self):
        for normalize in (eager.softmax, lambda s: eager.top_k(s, 5), eager.sparsemax, eager.entmax15):
            self.assertTrue(torch.autograd.gradcheck(normalize, (rows(3, 12).requires_grad_(),), eps=1e-7, atol=1e-5))

    def test_one_score_that_outweighs_all_others(self):
        s = torch.tensor([[9.0, 0.0, 0.0, -1e4]], requires_grad=True)
        for normalize in (eager.sparsemax, eager.entmax15):
            weights = normalize(s)
            self.assertEqual(weights.tolist(), [[1, 0, 0, 0]])
            gradient, = torch.autograd.grad(weights, s, torch.ones(1, 4))
            self.assertTrue(bool(torch.isfinite(gradient).all()))


class Compare(unittest.TestCase):
    def run_dry(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = compare_cuda.main(["--dry", *arguments])
        return status, out.getvalue(), err.getvalue()

    def test_every_claim_has_a_line(self):
        status, out, err = self.run_dry()
        self.assertEqual(status, 0, err)
        found = [line.split()[:2] for line in out.splitlines()]
        self.assertEqual(found, [["tried", claim] for claim in compare_cuda.CLAIMS])

    def test_results_that_differ_are_not_timed(self):
        status, out, err = self.run_dry("--spoil")
        self.assertEqual(status, 1)
        self.assertNotIn("tried", out)
        for claim in compare_cuda.CLAIMS:
            self.assertIn(f"unmeasured {claim}: ", out)

    def test_a_part_is_chosen_by_name(self):
        _, out, _ = self.run_dry("--only", "top_k")
        self.assertEqual(len(out.splitlines()), 1)
        self.assertIn("cuda_top_k_vs_torch_eager", out)


if __name__ == "__main__":
    unittest.main()
