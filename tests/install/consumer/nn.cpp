// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// basin::nn compiles and links from outside, oneDNN included.

#include <oneapi/dnnl/dnnl.hpp>

#include "basin/nn/linear.hpp"

int main() { return dnnl::engine::get_count(dnnl::engine::kind::cpu) == 1 ? 0 : 1; }
