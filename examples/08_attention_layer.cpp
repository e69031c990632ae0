// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An attention layer on its own: top-k attention with a causal mask learns to copy what stood first, and grows a sink.

#include <cstdio>
#include <vector>

#include "basin/lm/attention_layer.hpp"
#include "basin/mask/causal.hpp"
#include "basin/nn/adamw.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/observe/received_attention.hpp"

int main() {
  int const batch = 8, length = 16, dim = 32, heads = 2, rows = batch * length, steps = 1500;
  std::vector<double> received(batch * heads * length);
  auto const sums = basin::contiguous(received.data(), batch, heads, length);
  auto const use =
      basin::attention<>{}.with(basin::top_k{.k = 4}).with(basin::causal{}).with(basin::received_attention{sums});

  basin::lm::host on;
  basin::lm::attention_layer layer(
      on, {.dim = dim, .heads = heads, .positions = basin::lm::rotary_config{.base = 100}, .context = length}, use);
  basin::philox random(1);
  layer.initialise(on, random, {.normal = 0.2, .residual = 0.2});
  auto const parameters = layer.parameters();
  std::printf("%zu tensors, %d numbers: %s, ...\n", parameters.size(),
              static_cast<int>(basin::nn::parameter_count(parameters)), parameters.front().name.c_str());

  std::vector<float> x(rows * dim), y(x.size()), dy(x.size()), dx(x.size());
  auto const view = [&](std::vector<float>& of) { return basin::contiguous(of.data(), rows, dim); };
  decltype(layer)::activations kept;
  decltype(layer)::workspace work;
  basin::nn::adamw_state<float> moments;
  double first_loss = 0, loss = 0;
  for (int step = 0; step < steps; ++step) {
    for (float& number : x) number = static_cast<float>(basin::normal(random));
    for (int b = 0; b < batch; ++b) x[b * length * dim] = 4;     // marks the first row
    layer.forward(on, view(x), view(y), batch, kept);
    loss = 0;
    for (int i = 0; i < rows * dim; ++i) {                       // every row is to say what the first one holds
      dy[i] = y[i] - x[i / (length * dim) * length * dim + i % dim];
      loss += 0.5 * double{dy[i]} * dy[i] / rows;
      dy[i] /= rows;
    }
    if (step == 0) first_loss = loss;
    basin::nn::clear_gradients(parameters);
    layer.backward(on, view(x), view(dy), view(dx), batch, kept, work);
    basin::nn::adamw<float>(on, parameters, moments, 3e-3, {.weight_decay = 0});
  }
  std::printf("loss %.2f before, %.2f after %d steps\n", first_loss, loss, steps);
  for (int head = 0; head < heads; ++head)
    std::printf("head %d: the first key receives %.1f of %d rows, the second %.1f\n", head, sums(0, head, 0), length,
                sums(0, head, 1));
  return loss < first_loss / 3 && sums(0, 0, 0) > 4 * sums(0, 0, 1) ? 0 : 1;
}
