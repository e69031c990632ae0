// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The place for a normalizer of your own: include its header and add one line, such as
//   to.add("mine", my_normalizer{});
// It is then measured beside all others; --normalizers mine,softmax measures it beside softmax alone.

#include "limits/instantiate.hpp"

void basin::limits::add_your_own(candidates&) {}
