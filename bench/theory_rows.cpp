// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: what does the theory of one row cost, and does a Gram matrix in single precision make it cheaper?

#include <cmath>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/theory/row_limits.hpp"
#include "basin/theory/sensitivity.hpp"
#include "support/suite.hpp"

namespace {

namespace theory = basin::theory;
using basin::index_t;

/// 32 causal rows of a text, evenly spread over its length; N as in figure 2b of arXiv 2508.17821.
struct rows_of_a_text {
  index_t keys, dim = 64;
  std::vector<double> gram, scores, weights, direction;
  std::vector<float> single;
  std::vector<index_t> counts{1, 5, 10, 20, 100};

  explicit rows_of_a_text(index_t length)
      : keys(length), gram(static_cast<std::size_t>(length * length)), scores(static_cast<std::size_t>(length)) {
    basin::philox rng(1);
    std::vector<double> x(static_cast<std::size_t>(keys * dim));
    for (double& v : x) v = basin::normal(rng) + 0.5;
    theory::onto_sphere(basin::contiguous(x.data(), keys, dim));
    theory::gram_of(basin::view<double const, 2>(basin::contiguous(x.data(), keys, dim)),
                    basin::contiguous(gram.data(), keys, keys));
    single.assign(gram.begin(), gram.end());
    for (double& s : scores) s = basin::normal(rng);
    for (double const s : scores) weights.push_back(std::exp(s) / static_cast<double>(length));
    direction = theory::random_direction(scores.size(), 1, 1);
  }
  theory::seen_gram<double> in_double() const { return {basin::contiguous(gram.data(), keys, keys), {}}; }
  theory::seen_gram<float> in_float() const { return {basin::contiguous(single.data(), keys, keys), {}}; }

  /// Calls f(t) for 32 lengths t of causal rows.
  template <class F>
  void each(F&& f) const {
    for (index_t row = 1; row <= 32; ++row) f(static_cast<std::size_t>(row * keys / 32));
  }
  /// The sum of quadratic t^2 + linear t over the rows.
  double flops(double quadratic, double linear) const {
    double sum = 0;
    each([&](std::size_t t) {
      sum += quadratic * static_cast<double>(t) * static_cast<double>(t) + linear * static_cast<double>(t);
    });
    return sum;
  }
};

template <class G>
std::vector<theory::row_distance> distances(rows_of_a_text const& text, theory::seen_gram<G> const& gram) {
  std::vector<theory::row_distance> out(text.counts.size());
  text.each([&](std::size_t t) {
    theory::row_distances(std::span(text.weights).first(t), gram, text.counts, std::span(out));
  });
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "What does the theory of 32 causal rows cost? L = 1024, N = 1, 5, 10, 20, 100, one thread"};
  rows_of_a_text const text(suite.how() == bench::mode::dry ? 128 : 1024);

  suite.expect("distances in single precision are those in double", [&] {
    auto const a = distances(text, text.in_double()), b = distances(text, text.in_float());
    bool same = true;
    for (std::size_t n = 0; n < a.size(); ++n) {
      double const allowed = 1e-3 * a[n].a;
      same = same && std::fabs(a[n].a - b[n].a) <= allowed &&
             std::fabs(a[n].expected.formula - b[n].expected.formula) <= allowed;
    }
    return same;
  });
  suite.expect("the true distance is that of one set alone", [&] {
    std::span<double const> const w(text.weights);
    double const alone = theory::true_distance(theory::reading::a, w, text.in_double(), theory::strongest(w, 20));
    return std::fabs(distances(text, text.in_double())[3].a - alone) <= 1e-9 * alone;
  });

  std::vector<double> gains(18);
  std::vector<double> const temperatures{0.01, 0.03, 0.1, 0.3, 1, 3}, steps{1e-3, 1e-1, 10};
  suite.alternate({
      {"distances and expectations, Gram matrix in double", text.flops(2, 400),
       [&] { distances(text, text.in_double()); }},
      {"distances and expectations, Gram matrix in float", text.flops(2, 400),
       [&] { distances(text, text.in_float()); }},
      {"N_s and its bounds, Gram matrix in double", text.flops(0, 400),
       [&] {
         std::vector<theory::row_told_apart> out(text.counts.size());
         text.each([&](std::size_t t) {
           theory::row_tell_apart(std::span(text.weights).first(t), text.in_double(), text.counts, {1, 0, 64},
                                  std::span(out));
         });
       }},
      {"18 gains g(T, eps) of softmax", text.flops(0, 24 * 20),
       [&] {
         text.each([&](std::size_t t) {
           theory::gains(basin::softmax{}, std::span<double const>(text.scores).first(t),
                         std::span<double const>(text.direction).first(t), temperatures, steps,
                         {0, 0, static_cast<double>(t - 1), static_cast<double>(t)},
                         basin::contiguous(gains.data(), 6, 3));
         });
       }},
  });
  return suite.report();
}
