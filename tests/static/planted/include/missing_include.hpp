// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

inline int size_of(std::vector<int> const& v) { return static_cast<int>(v.size()); }
