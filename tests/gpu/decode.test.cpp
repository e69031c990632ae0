// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/decode.cuh on a device: keys in parts, in one view and in pages. Only tests/gpu.sh builds and runs it.
#include "gpu/compare.hpp"

namespace basin_test {

namespace {

template <int N, int Storage>
void compare_view(shape const& s) {
  using E = input_at<Storage>;
  using Out = output_at<Storage>;
  INFO(decode_policy_names[N] << ", storage " << Storage << ", " << description(s));
  auto const use = std::get<N>(decode_policies());
  device_comparison<E, Out, decltype(use)> c(use, s, numbers::normal, 1, 0, 1);
  call<Out> alone(s);
  decode_on_device(use.with(c.seen.watch_all()), c.into(c.first));
  decode_on_device(use.with(c.seen_again.watch_all()), c.into(c.again));
  decode_on_device(use, c.into(alone));
  basin::reference::forward(use.with(c.expected.watch_all()), c.exact.q.v, c.exact.k.v, c.exact.v.v, c.exact.out.v);
  c.check_forward();
  CHECK(same_elements(c.first.out, alone.out));
}

/// Sequences of different lengths, with pages anywhere in a pool of poison.
template <class E>
struct sequences {
  index_t kv_heads, page_size, places, dim;
  std::vector<std::int32_t> table, lengths;
  tensor<E> keys, values;

  sequences(std::vector<std::int32_t> const& of, index_t heads, index_t size, index_t d)
      : kv_heads(heads), page_size(size), places((*std::max_element(of.begin(), of.end()) + size - 1) / size), dim(d),
        lengths(of),
        keys({pages(), heads, size, d}), values({pages(), heads, size, d}) {
    std::vector<std::int32_t> free(static_cast<std::size_t>(pages()));
    for (std::size_t n = 0; n < free.size(); ++n)
      free[n] = static_cast<std::int32_t>(n * 7 % free.size());  // 7 and the number of pages share no factor
    splitmix rng{17};
    for (std::size_t b = 0; b < of.size(); ++b)
      for (index_t place = 0; place < places; ++place) {
        bool const used = place * size < of[b];
        table.push_back(used ? free[table.size()] : -1);         // -1 is never read
        for (index_t row = 0; used && row < size && place * size + row < of[b]; ++row)
          for (index_t h = 0; h < heads; ++h)
            for (index_t x = 0; x < d; ++x)
              for (tensor<E>* t : {&keys, &values})
                t->v(table.back(), h, row, x) = E(static_cast<float>(normal_number(rng)));
      }
  }
  index_t pages() const {                                        // one more if 7 divides the number
    index_t const needed = static_cast<index_t>(lengths.size()) * places;
    return needed % 7 == 0 ? needed + 1 : needed;
  }
  /// Copies the keys or values of one sequence into a dense tensor.
  void gather(tensor<E> const& pool, index_t b, tensor<double>& to) const {
    to.each([&](double& x, index_t, index_t h, index_t j, index_t d) {
      x = static_cast<double>(pool.v(table[static_cast<std::size_t>(b * places + j / page_size)], h, j % page_size, d));
    });
  }
};

template <int N, int Storage>
void compare_pages(std::vector<std::int32_t> const& lengths, index_t queries, index_t dim) {
  using E = input_at<Storage>;
  using Out = output_at<Storage>;
  INFO(decode_policy_names[N] << ", storage " << Storage << ", " << queries << " queries, D " << dim);
  auto const use = std::get<N>(decode_policies());
  auto const batch = static_cast<index_t>(lengths.size());
  sequences<E> s(lengths, 2, 16, dim);
  tensor<E> q({batch, 6, queries, dim}, layout::length_first);
  q.fill_normal(23);
  tensor<Out> out({batch, 6, queries, dim}, layout::padded), again({batch, 6, queries, dim}, layout::padded);
  host_pages<E> const pages{host_tensor<E>::of(s.keys), host_tensor<E>::of(s.values), s.table, s.lengths};
  for (tensor<Out>* to : {&out, &again}) decode_on_device(use, host_tensor<E>::of(q), pages, host_tensor<Out>::of(*to));
  CHECK(out.all_written());
  CHECK(out.gaps_untouched());
  CHECK(same_elements(out, again));

  tensor<double> exact({batch, 6, queries, dim});
  exact.each([](double& x, auto...) { x = 0; });                 // for the sequence without keys
  index_t most_keys = 1;
  for (index_t b = 0; b < batch; ++b) {
    if (lengths[static_cast<std::size_t>(b)] == 0) continue;
    index_t const length = lengths[static_cast<std::size_t>(b)];
    tensor<double> one({1, 6, queries, dim}), to({1, 6, queries, dim});
    tensor<double> keys({1, 2, length, dim}), values({1, 2, length, dim});
    one.each([&](double& x, index_t, index_t h, index_t i, index_t d) { x = static_cast<double>(q.v(b, h, i, d)); });
    s.gather(s.keys, b, keys), s.gather(s.values, b, values);
    basin::reference::forward(use, one.v, keys.v, values.v, to.v);
    to.each([&](double& x, index_t, index_t h, index_t i, index_t d) { exact.v(b, h, i, d) = x; });
    most_keys = std::max(most_keys, length);
  }
  basin::problem const p{batch, 6, 2, queries, most_keys, dim, dim};
  double const norm = 3 * std::sqrt(static_cast<double>(dim));   // more than that of rows of normal numbers
  call_magnitudes const m{.q_norm = norm,
                          .k_norm = norm,
                          .v_norm = norm,
                          .dout_norm = 0,
                          .q = 6,
                          .k = 6,
                          .v = 6,
                          .dout = 0,
                          .support = support_of_errors(use.normalize, {.keys = p.keys})};
  check_close<E>("out", out, exact, tolerances_of<float>(p, m).out, 2);
}

template <class F>
void for_each_kind(F const& f) {
  for_each_number<decode_policy_count>([&](auto n) {
    for_each_number<storage_count>([&](auto storage) { f(n, storage); });
  });
}

}  // namespace

TEST_CASE("a device decodes keys in parts as the reference does, with and without observers", "[gpu][decode]") {
  for (shape const& s :
       {shape{2, 8, 2, 1, 3000, 64, 64}, shape{1, 6, 2, 3, 1025, 128, 128, layout::length_first, layout::padded},
        shape{1, 4, 4, 1, 1024, 40, 72}, shape{3, 4, 1, 7, 77, 64, 64, layout::padded, layout::length_first},
        shape{1, 2, 2, 5, 3, 96, 8}, shape{1, 1, 1, 1, 1, 16, 16}})
    for_each_kind([&](auto n, auto storage) { compare_view<n, storage>(s); });
}

TEST_CASE("a device decodes sequences of different lengths in pages as the reference does", "[gpu][decode]") {
  for (index_t const queries : {1, 3})
    for (index_t const dim : {64, 128})
      for_each_kind([&](auto n, auto storage) { compare_pages<n, storage>({2500, 0, 1, 1024, 77}, queries, dim); });
}

TEST_CASE("reduced: a few steps of decoding", "[gpu][decode][reduced]") {
  for_each_kind([&](auto n, auto storage) {
    compare_view<n, storage>({1, 4, 2, 1, 1100, 64, 64});
    compare_pages<n, storage>({1090, 0, 33}, 1, 64);
  });
}

}  // namespace basin_test
