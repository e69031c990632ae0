// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// CMake makes the precompiled header where a source of its target uses it: this one.
