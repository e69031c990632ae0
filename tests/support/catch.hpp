// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Catch2, version 2 (Debian 12) or 3, under one set of names: the macros, and Approx, WithinAbs, WithinRel, WithinULP
// and ContainsSubstring in namespace basin_test. Tests include this file and no header of Catch2.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;                                             // Catch2 2 defines it in the global namespace
#else
#include <catch2/catch.hpp>
#endif

#include <string>

namespace basin_test {

using ::Approx;
#if __has_include(<catch2/catch_all.hpp>)
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using Catch::Matchers::WithinULP;
#else
using Catch::WithinAbs;
using Catch::WithinRel;
using Catch::WithinULP;
inline auto ContainsSubstring(std::string const& part) { return Catch::Matchers::Contains(part); }  // as in Catch2 3
#endif

}  // namespace basin_test
