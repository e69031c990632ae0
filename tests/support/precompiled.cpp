// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// CMake builds the precompiled header if a source of its target uses it: this one.
