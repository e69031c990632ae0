// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A transformer of your own: its layers differ by type, and one has a normalizer of yours with a number that it learns.

#include <cmath>
#include <cstdio>
#include <tuple>
#include <vector>

#include "basin/lm/objectives/objectives.hpp"
#include "basin/lm/models/llama.hpp"
#include "basin/mask/causal.hpp"
#include "basin/normalize/entmax15.hpp"

/// Softmax of tau s, with a tau for every head.
struct sharp_softmax {
  static constexpr int parameters = 1;
  static constexpr basin::per_head::range allowed{0.1, 10, "it must be from 0.1 to 10"};
  basin::per_head tau{1.0};
  basin::parameter_gradients gradients{};

  template <class T>
  struct row {
    T tau, sum;
  };
  template <class T>
  row<T> fit(std::span<T const> scores, basin::row_context<T> context) const {
    row<T> r{static_cast<T>(tau(context.head)), T(0)};
    for (T const s : scores) r.sum += std::exp(r.tau * s);
    return r;
  }
  template <class T>
  T weight(row<T> const& r, T s) const { return std::exp(r.tau * s) / r.sum; }
  template <class T>
  basin::jacobian_terms<T> jacobian(row<T> const& r, T, T w) const { return {r.tau * w, r.tau * w, w}; }
  template <class T>
  basin::for_parameters<sharp_softmax, T> parameter_gradient(row<T> const& r, T s, T, T, T ds) const {
    return {ds * s / r.tau};                                     // what key j adds to d loss / d tau
  }
  void sees_parameter_gradient(basin::row_at at, int which, double sum) const { gradients.put(at, which, sum); }
};
template <>
struct basin::lm::described<sharp_softmax> {
  static constexpr std::string_view name = "sharp_softmax";
  static void numbers(auto& p, auto const& f) { f("tau", p.tau, sharp_softmax::allowed); }
};

int main() {
  int const vocabulary = 12, dim = 32, length = 24, batch = 8, steps = 120;
  basin::lm::block_config const sizes{
      .attention = {.dim = dim, .heads = 2, .positions = basin::lm::rotary_config{.base = 100}, .context = length},
      .mlp = {.hidden = 64}};
  basin::lm::host on;
  auto const block = [&](auto use) { return basin::lm::make_block(on, sizes, use.with(basin::causal{})); };
  basin::attention<> const softmax;
  basin::lm::transformer model(on, {.vocabulary = vocabulary, .dim = dim, .context = length},
                               std::tuple{block(softmax), block(softmax), block(softmax.with(basin::entmax15{})),
                                          block(softmax.with(sharp_softmax{}))},
                               1);
  basin::philox random(2);
  basin::lm::next_token const objective{.begin = 0};
  decltype(model)::moments moments;
  std::vector<int> tokens(batch * length);
  double first = 0, last = 0;
  for (int step = 0; step < steps; ++step) {
    for (int i = 0; i < batch * length; ++i)                     // half a sequence at random, then the same again
      tokens[i] = i % length < length / 2 ? 1 + static_cast<int>(basin::below(random, vocabulary - 1))
                                          : tokens[i - length / 2];
    model.clear_gradients();
    last = basin::lm::accumulate(model, objective(tokens, batch, length, {}, random));
    if (step == 0) first = last;
    model.step(moments, 3e-3, {});
  }
  std::printf("loss %.3f before, %.3f after %d steps; half the tokens are random: at best %.3f\n", first, last, steps,
              std::log(vocabulary - 1.0) / 2);
  for (auto const& p : model.parameters())
    if (p.name.ends_with("tau"))
      std::printf("%s: %.3f and %.3f\n", p.name.c_str(), double{p.values[0]}, double{p.values[1]});
  return last < 0.85 * first ? 0 : 1;
}
