// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled where nvcc and cuBLASLt are found, for every generation: every layer of nn/device/.

#include <vector>

#include "basin/nn/device/adamw.hpp"
#include "basin/nn/device/bias.hpp"
#include "basin/nn/device/copy.hpp"
#include "basin/nn/device/cross_entropy.hpp"
#include "basin/nn/device/cuda.cuh"
#include "basin/nn/device/embedding.hpp"
#include "basin/nn/device/gelu.hpp"
#include "basin/nn/device/layer_norm.hpp"
#include "basin/nn/device/linear.hpp"
#include "basin/nn/device/output_gate.hpp"
#include "basin/nn/device/rms_norm.hpp"
#include "basin/nn/device/rope.hpp"
#include "basin/nn/device/swiglu.hpp"

using namespace basin;

void run(nn::cuda_device& on, view<float, 2> x, view<float, 2> y, view<float, 4> heads,
         nn::device_rope_table<float> const& table, std::span<float> numbers, std::span<int const> tokens) {
  nn::embedding_forward(on, tokens, x, y);
  nn::embedding_backward(on, tokens, x, y);
  nn::linear_forward(on, x, x, y);
  nn::linear_backward_input(on, x, x, y);
  nn::linear_backward_weight(on, x, x, y);
  nn::rms_norm_forward(on, x, numbers, 1e-5, y, numbers);
  nn::rms_norm_backward(on, x, numbers, numbers, x, y, numbers);
  nn::rope_forward(on, heads, table);
  nn::rope_backward(on, heads, table);
  nn::layer_norm_forward(on, x, numbers, numbers, 1e-5, y, numbers, numbers);
  nn::layer_norm_backward(on, x, numbers, numbers, numbers, x, y, numbers, numbers);
  nn::gelu_forward(on, nn::gelu_form::exact, x, y);
  nn::gelu_backward(on, nn::gelu_form::tanh, x, x, y);
  nn::add_bias(on, numbers, y);
  nn::bias_backward(on, x, numbers);
  nn::output_gate_forward(on, heads, heads, heads);
  nn::output_gate_backward(on, heads, heads, heads, heads, heads);
  nn::swiglu_forward(on, x, x, y);
  nn::swiglu_backward(on, x, x, x, y, y);
  nn::copy(on, numbers, numbers);
  nn::copy(on, heads, heads);
  nn::fill(on, numbers, 0);
}

void learn(nn::cuda_device& on, view<float, 2> logits, std::span<int const> targets, std::span<float> numbers,
           std::span<nn::parameter<float> const> parameters, std::span<double> work) {
  nn::cross_entropy(on, logits, targets, numbers, numbers, logits, work.data());
  nn::adamw_state<float> state;                                  // its vectors stand for memory of a device
  nn::adamw(on, parameters, state, 0.1, {}, work);
}
