// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Options of AddressSanitizer for programs that always use it. Leak detection is off, because it needs privileges that
// not every machine grants.

extern "C" char const* __asan_default_options() { return "detect_leaks=0"; }
