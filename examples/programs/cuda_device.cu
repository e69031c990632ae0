// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The GPU of the programs: all but attention, which cuda_attention.cu has.

#include "basin/lm/devices/cuda_device.cuh"
#include "basin/nn/device/adamw.hpp"
#include "basin/nn/device/bias.hpp"
#include "basin/nn/device/copy.hpp"
#include "basin/nn/device/cross_entropy.hpp"
#include "basin/nn/device/embedding.hpp"
#include "basin/nn/device/gelu.hpp"
#include "basin/nn/device/layer_norm.hpp"
#include "basin/nn/device/output_gate.hpp"
#include "basin/nn/device/rms_norm.hpp"
#include "basin/nn/device/rope.hpp"
#include "basin/nn/device/swiglu.hpp"

namespace basin::lm {

// The operations of models.
namespace op = nn::detail;
#define BASIN_LAUNCH(...) template void cuda_device::launch(char const*, __VA_ARGS__ const&)
BASIN_LAUNCH(op::each_row<op::cross_entropy_row<float>>);
BASIN_LAUNCH(op::each_row<op::layer_norm_row<float>>);
BASIN_LAUNCH(op::each_row<op::layer_norm_slope_row<float>>);
BASIN_LAUNCH(op::each_row<op::output_gate_slope_row<float>>);
BASIN_LAUNCH(op::each_row<op::rms_norm_row<float>>);
BASIN_LAUNCH(op::each_row<op::rms_norm_slope_row<float>>);
BASIN_LAUNCH(op::each_element<op::added_element<float>>);
BASIN_LAUNCH(op::each_element<op::added_head<float>>);
BASIN_LAUNCH(op::each_element<op::bias_element<float>>);
BASIN_LAUNCH(op::each_element<op::copied_element<float>>);
BASIN_LAUNCH(op::each_element<op::copied_head<float>>);
BASIN_LAUNCH(op::each_element<op::embedding_element<float>>);
BASIN_LAUNCH(op::each_element<op::embedding_slope_element<float>>);
BASIN_LAUNCH(op::each_element<op::filled_element<float>>);
BASIN_LAUNCH(op::each_element<op::moved_element<float>>);
BASIN_LAUNCH(op::each_element<op::output_gate_element<float>>);
BASIN_LAUNCH(op::each_element<op::output_gate_slope_element<float>>);
BASIN_LAUNCH(op::each_element<op::swiglu_element<float>>);
BASIN_LAUNCH(op::each_element<op::swiglu_slope_element<float>>);
BASIN_LAUNCH(op::each_element<op::rope_pair<float>>);
BASIN_LAUNCH(op::each_element<op::gelu_element<float, op::exact_gelu>>);
BASIN_LAUNCH(op::each_element<op::gelu_slope_element<float, op::exact_gelu>>);
BASIN_LAUNCH(op::each_element<op::gelu_element<float, op::tanh_gelu>>);
BASIN_LAUNCH(op::each_element<op::gelu_slope_element<float, op::tanh_gelu>>);
BASIN_LAUNCH(op::each_column<float, op::bias_column<float>>);
BASIN_LAUNCH(op::each_column<float, op::layer_norm_weight_column<float>>);
BASIN_LAUNCH(op::each_column<float, op::rms_norm_weight_column<float>>);
BASIN_LAUNCH(op::block_sums<op::number_itself>);
BASIN_LAUNCH(op::block_sums<op::square_of_element<float>>);
BASIN_LAUNCH(op::block_sums<op::weighted_loss<float>>);
#undef BASIN_LAUNCH

}  // namespace basin::lm
