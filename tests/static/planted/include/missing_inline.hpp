// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

int function_in_every_unit() { return 1; }
