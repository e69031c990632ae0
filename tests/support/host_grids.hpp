// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A device for layers (nn/device/grids.hpp) on the host: grids run on fibers, products are plain loops.

#include "basin/nn/device/grids.hpp"
#include "support/host_machine.hpp"

namespace basin_test {

struct host_grids {
  int launched = 0;

  template <class Grid>
  void launch(char const*, Grid const& grid) {
    ++launched;
    host_device(Grid::threads, Grid::shared_bytes).launch(grid.blocks(), grid);
  }
  template <class T>
  void multiply(basin::view<T const, 2> a, basin::view<T const, 2> b, basin::view<T, 2> c, basin::nn::update how) {
    for (basin::index_t i = 0; i < c.extent(0); ++i)
      for (basin::index_t j = 0; j < c.extent(1); ++j) {
        T sum = how == basin::nn::update::add ? c(i, j) : T(0);
        for (basin::index_t p = 0; p < a.extent(1); ++p) sum += a(i, p) * b(p, j);
        c(i, j) = sum;
      }
  }
  using update = basin::nn::update;
  using single = basin::view<float, 2>;
  using wide = basin::view<double, 2>;
  void multiply(basin::view<float const, 2> a, basin::view<float const, 2> b, single c, update how) {
    multiply<float>(a, b, c, how);
  }
  void multiply(basin::view<double const, 2> a, basin::view<double const, 2> b, wide c, update how) {
    multiply<double>(a, b, c, how);
  }
  template <class T>
  T read(T const* number) {
    return *number;
  }
};

static_assert(basin::nn::device<host_grids>);

}  // namespace basin_test
