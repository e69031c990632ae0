// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Normalizers whose weights need not sum to 1.

#include "limits/add.hpp"

void basin::limits::add_pointwise_family(candidates&) {}
