// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

namespace basin::nn {

/// The host as the device of a layer: every operation takes where it runs as its first argument, and there is one
/// spelling for all devices, rms_norm_forward(on, ...). Other devices are those of nn/device/grids.hpp.
struct host {};

}  // namespace basin::nn
