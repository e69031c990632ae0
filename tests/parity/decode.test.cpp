// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/decode.hpp: 16-bit storage, pages, groups of query heads, and results that must be equal to the last bit.
#include <omp.h>

#include "basin/core/half.hpp"
#include "basin/core/paged.hpp"
#include "parity/compare.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

auto const full = basin::attention<>{};
auto const causal = full.with(basin::causal{});

/// The elements of a tensor in another storage type and the same layout. The tensor itself is rounded to that type.
template <class Storage>
struct stored {
  std::vector<Storage> memory;
  basin::view<Storage const, 4> v;

  explicit stored(tensor<float>& from) {
    for (float const x : from.memory) memory.push_back(static_cast<Storage>(x));
    from.each(
        [&](float& x, auto...) { x = static_cast<float>(memory[static_cast<std::size_t>(&x - from.memory.data())]); });
    std::array<index_t, 4> extents{}, strides{};
    for (int r = 0; r < 4; ++r)
      extents[static_cast<std::size_t>(r)] = from.v.extent(r), strides[static_cast<std::size_t>(r)] = from.v.stride(r);
    v = basin::strided(static_cast<Storage const*>(memory.data()) + (from.v.data_handle() - from.memory.data()),
                       extents, strides);
  }
};

/// Compares decode with 16-bit keys and values with the reference on the rounded numbers.
template <class Storage, class Decode, class Attention>
void compare_stored(Decode const& decode, Attention const& use, shape const& s) {
  INFO(description(s));
  call<float> here(s);
  stored<Storage> const k(here.k), v(here.v);
  call<double> exact(s);
  exact.copy_inputs(here);
  decode(use, here.q.v, k.v, v.v, here.out.v);
  basin::reference::forward(use, exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  CHECK(here.outputs_are_whole());
  CHECK(distance(here.out, exact.out) <= tolerances_of<float>(s, here.magnitudes()).out);
}

/// A batch of sequences in pages in random order, and the same sequences in contiguous memory.
template <class Storage>
struct paged_call {
  index_t kv_heads, dim, value_dim;
  std::vector<std::int32_t> lengths, table;
  std::vector<Storage> key_pool, value_pool;
  std::vector<std::vector<Storage>> keys, values;
  basin::paged_view<Storage const> k, v;

  paged_call(std::vector<std::int32_t> of, index_t heads, index_t page_size, index_t d, index_t dv)
      : kv_heads(heads), dim(d), value_dim(dv), lengths(std::move(of)) {
    auto const batch = static_cast<index_t>(lengths.size());
    index_t const width = (*std::max_element(lengths.begin(), lengths.end()) + page_size - 1) / page_size,
                  pages = batch * width;
    for (index_t n = 0; n < pages; ++n) table.push_back(static_cast<std::int32_t>(n));
    splitmix rng{static_cast<std::uint64_t>(page_size)};
    for (std::size_t n = table.size(); n > 1; --n) std::swap(table[n - 1], table[rng() % n]);
    key_pool.assign(static_cast<std::size_t>(pages * heads * page_size * d),
                    static_cast<Storage>(static_cast<float>(nan)));
    value_pool.assign(static_cast<std::size_t>(pages * heads * page_size * dv),
                      static_cast<Storage>(static_cast<float>(nan)));
    auto const tables = basin::contiguous(static_cast<std::int32_t const*>(table.data()), batch, width);
    auto const sizes = basin::contiguous(static_cast<std::int32_t const*>(lengths.data()), batch);
    k = {basin::contiguous(static_cast<Storage const*>(key_pool.data()), pages, heads, page_size, d), tables, sizes};
    v = {basin::contiguous(static_cast<Storage const*>(value_pool.data()), pages, heads, page_size, dv), tables, sizes};
    fill(key_pool, keys, d, page_size, 1);
    fill(value_pool, values, dv, page_size, 2);
  }
  void fill(std::vector<Storage>& pool, std::vector<std::vector<Storage>>& pieces, index_t d, index_t page_size,
            std::uint64_t seed) {
    splitmix rng{seed};
    index_t const width = k.table.extent(1);
    for (index_t b = 0; b < k.batch(); ++b) {
      index_t const length = k.lengths(b);
      auto& piece = pieces.emplace_back(static_cast<std::size_t>(kv_heads * length * d));
      for (index_t h = 0; h < kv_heads; ++h)
        for (index_t j = 0; j < length; ++j)
          for (index_t n = 0; n < d; ++n) {
            auto const x = static_cast<Storage>(static_cast<float>(normal_number(rng)));
            index_t const page = table[static_cast<std::size_t>(b * width + j / page_size)];
            piece[static_cast<std::size_t>((h * length + j) * d + n)] = x;
            pool[static_cast<std::size_t>(((page * kv_heads + h) * page_size + j % page_size) * d + n)] = x;
          }
    }
  }
  auto key_piece(index_t b) const { return piece(keys, b, dim); }
  auto value_piece(index_t b) const { return piece(values, b, value_dim); }
  basin::view<Storage const, 4> piece(std::vector<std::vector<Storage>> const& of, index_t b, index_t d) const {
    return basin::contiguous(of[static_cast<std::size_t>(b)].data(), 1, kv_heads, lengths[static_cast<std::size_t>(b)],
                             d);
  }
};

/// Pages of every size must give the same bits as contiguous keys, whatever else is in the batch.
template <class Storage, class Attention>
void require_bits_of_one_piece(Attention const& use, index_t queries, index_t dim, index_t value_dim) {
  index_t const heads = 4, kv_heads = 2, batch = 5;
  for (index_t const page_size : {1, 3, 16, 64, 100, 2048}) {
    CAPTURE(page_size, queries, dim, value_dim);
    paged_call<Storage> const c({1300, 1, 0, 77, 513}, kv_heads, page_size, dim, value_dim);
    tensor<float> q({batch, heads, queries, dim}), out({batch, heads, queries, value_dim}, layout::padded);
    q.fill_normal(3);
    basin::cpu::decode(use, q.v, c.k, c.v, out.v);
    CHECK(out.all_written());
    CHECK(out.gaps_untouched());
    for (index_t b = 0; b < batch; ++b) {
      tensor<float> alone({1, heads, queries, dim}), expected({1, heads, queries, value_dim});
      alone.each([&](float& x, index_t, index_t h, index_t i, index_t d) { x = q.v(b, h, i, d); });
      expected.each([](float& x, auto...) { x = 0; });
      if (c.lengths[static_cast<std::size_t>(b)] > 0)
        decode_few(use, alone.v, c.key_piece(b), c.value_piece(b), expected.v);
      bool same = true;
      expected.each([&](float& x, index_t, index_t h, index_t i, index_t d) {
        same = same && same_bits(x, static_cast<float>(out.v(b, h, i, d)));
      });
      CAPTURE(b);
      CHECK(same);
    }
  }
}

/// Outputs and observations must have the same bits for every number of threads.
template <class Attention>
void require_same_bits_for_any_threads(Attention const& use, basin::cpu::tuning const& cut) {
  shape const s{2, 6, 2, 2, 1501, 16, 24};
  int const before = omp_get_max_threads();
  call<float> first(s);
  reports seen(s);
  omp_set_num_threads(1);
  decode_few(use.with(seen.watch_all()), first.q.v, first.k.v, first.v.v, first.out.v, cut);
  for (int const threads : {2, 3, 5}) {
    CAPTURE(threads);
    omp_set_num_threads(threads);
    call<float> again(s);
    reports seen_again(s);
    decode_few(use.with(seen_again.watch_all()), again.q.v, again.k.v, again.v.v, again.out.v, cut);
    CHECK(same_elements(first.out, again.out));
    for (auto const list : {&reports::received, &reports::nats, &reports::heaviest, &reports::squares})
      CHECK(std::memcmp((seen.*list).data(), (seen_again.*list).data(), (seen.*list).size() * sizeof(double)) == 0);
  }
  omp_set_num_threads(before);
}

/// A query head must have the same bits alone, in a group, and in an observed call.
template <class Attention>
void require_same_bits_alone(Attention const& use) {
  for (index_t const heads : {2, 3, 5, 7}) {
    shape const s{1, heads, 1, 2, 700, 40, 24};
    INFO(description(s));
    call<float> together(s), observed(s);
    reports seen(s);
    cpu_decode_few(use, together);
    cpu_decode_few(use.with(seen.watch_all()), observed);
    CHECK(same_elements(together.out, observed.out));
    for (index_t h = 0; h < heads; ++h) {
      call<float> alone(shape{1, 1, 1, 2, 700, 40, 24});
      alone.q.each([&](float& x, index_t, index_t, index_t i, index_t d) { x = together.q.v(0, h, i, d); });
      alone.k.copy_from(together.k), alone.v.copy_from(together.v);
      cpu_decode_few(use, alone);
      bool same = true;
      alone.out.each([&](float& x, index_t, index_t, index_t i, index_t d) {
        same = same && same_bits(x, static_cast<float>(together.out.v(0, h, i, d)));
      });
      CAPTURE(h);
      CHECK(same);
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("decode of 16-bit keys and values agrees with the reference on the same numbers", "[parity][cpu]",
                   basin::bfloat16, basin::float16) {
  auto const few = [](auto const&... arguments) { decode_few(arguments...); };
  std::size_t n = 0;
  constexpr layout inputs[] = {layout::heads_first, layout::length_first, layout::padded, layout::dim_first,
                               layout::reversed};
  for (index_t const dim : {3, 8, 16, 32, 40, 50, 64, 80, 96, 128, 200, 256})
    for (index_t const queries : {1, 3}) {
      layout const in = inputs[n++ % 5];
      compare_stored<TestType>(few, causal, {1, 4, 2, queries, 150, dim, dim, in});
      compare_stored<TestType>(few, causal, {2, 3, 3, queries, 77, dim, 48, layout::heads_first});
    }
  compare_stored<TestType>(few, causal, {1, 8, 1, 1, 1500, 64, 64});
  auto const in_a_query_tile = [](auto const&... arguments) { basin::cpu::decode(arguments...); };
  compare_stored<TestType>(in_a_query_tile, full, {1, 8, 1, 12, 300, 64, 64});
}

TEMPLATE_TEST_CASE("decode agrees with the reference at every dim and group size", "[parity][cpu]", float, double) {
  for (index_t const dim : {1, 7, 8, 16, 31, 40, 50, 64, 72, 100, 128, 250, 256})
    for (index_t const heads : {1, 2, 6, 7})
      compare_forward<TestType>(causal, {1, heads, 1, 1 + dim % 3, 133, dim, 257 - dim}, numbers::normal, 1,
                                cpu_decode_few);
}

TEST_CASE("pages of any size give the same bits as contiguous keys", "[parity][cpu]") {
  for (index_t const queries : {1, 3}) {
    require_bits_of_one_piece<float>(causal, queries, 64, 32);
    require_bits_of_one_piece<float>(causal, queries, 50, 9);
    require_bits_of_one_piece<basin::bfloat16>(causal, queries, 64, 80);
    require_bits_of_one_piece<float>(causal.with(basin::sparsemax{}), queries, 24, 40);
    require_bits_of_one_piece<float>(full.with(one_plus_square{}).with(holes{}), queries, 16, 16);
  }
}

TEST_CASE("decode of many queries against pages agrees with the reference", "[parity][cpu]") {
  shape const s{1, 4, 2, 40, 333, 16, 16};
  paged_call<float> const c({333}, 2, 32, 16, 16);
  call<float> here(s);
  call<double> exact(s);
  here.k.each([&](float& x, index_t, index_t h, index_t j, index_t d) { x = c.key_piece(0)(0, h, j, d); });
  here.v.each([&](float& x, index_t, index_t h, index_t j, index_t d) { x = c.value_piece(0)(0, h, j, d); });
  exact.copy_inputs(here);
  basin::cpu::decode(causal, here.q.v, c.k, c.v, here.out.v);
  basin::reference::forward(causal, exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  CHECK(distance(here.out, exact.out) <= tolerances_of<float>(s, here.magnitudes()).out);
}

TEST_CASE("observers of pages report up to the longest sequence, and no weight beyond the end of a shorter one",
          "[parity][cpu]") {
  paged_call<float> const c({40, 7}, 1, 16, 8, 8);
  shape const s{2, 2, 1, 1, 40, 8, 8};
  tensor<float> q({2, 2, 1, 8}), out({2, 2, 1, 8});
  q.fill_normal(5);
  reports seen(s);
  std::vector<double> weights(2 * 2 * 40), scores(weights.size()), visible(4);
  row_copies const copies{basin::contiguous(weights.data(), 2, 2, 1, 40), basin::contiguous(scores.data(), 2, 2, 1, 40),
                          basin::contiguous(visible.data(), 2, 2, 1)};
  basin::cpu::decode(causal.with(basin::together(seen.watch_all(), copies)), q.v, c.k, c.v, out.v);
  CHECK(visible == std::vector<double>{40, 40, 7, 7});
  for (std::size_t n = 0; n < weights.size(); ++n) {
    bool const is_there = n < 80 || n % 40 < 7;
    CHECK((weights[n] > 0) == is_there);
    CHECK((scores[n] > -inf) == is_there);
    CHECK(seen.received[n] == weights[n]);
  }
}

TEST_CASE("the number of threads changes no bit of decode, whatever the normalizer", "[parity][cpu]") {
  for (auto const& cut : {basin::cpu::tuning{}, small_cuts}) {
    require_same_bits_for_any_threads(causal, cut);
    require_same_bits_for_any_threads(causal.with(basin::sparsemax{}), cut);
    require_same_bits_for_any_threads(causal.with(basin::length_scaled<basin::softmax>{}), cut);
    require_same_bits_for_any_threads(causal.with(one_plus_square{}), cut);
  }
}

TEST_CASE("a head decodes to the same bits alone, in a group and observed", "[parity][cpu]") {
  require_same_bits_alone(causal);
  require_same_bits_alone(full.with(basin::sparsemax{}));
  require_same_bits_alone(full.with(basin::length_scaled<basin::softmax>{}));
  require_same_bits_alone(full.with(one_plus_square{}));
}

TEST_CASE("a pruner that keeps every key, tested per element, changes no bit of decode", "[property][mask]") {
  for (index_t const queries : {1, 4}) {
    shape const s{1, 6, 2, queries, 700, 24, 24};
    call<float> a(s), b(s);
    cpu_decode_few(full, a);
    cpu_decode_few(full.with(from_score{-1e30}), b);                 // needs a test per element, `full` needs none
    CHECK(same_elements(a.out, b.out));
  }
}

TEST_CASE("NaN and infinities hidden from one head of a group do not affect its row", "[parity][cpu]") {
  shape const s{1, 3, 1, 1, 300, 24, 40};
  std::vector<std::uint8_t> dropped(3 * 300, 0);
  dropped[300 + 10] = dropped[300 + 299] = 1;                    // keys 10 and 299 are hidden from head 1
  auto const use = full.with(basin::drop_keys{basin::contiguous(std::as_const(dropped).data(), 1, 3, 300)});
  for (auto const input : {&call<float>::k, &call<float>::v})
    for (double const with : {nan, inf})
      for (index_t const key : {10, 299}) {
        CAPTURE(key, with);
        call<float> clean(s), dirty(s);
        (dirty.*input).each([&](float& x, index_t, index_t, index_t j, index_t) {
          if (j == key) x = static_cast<float>(with);
        });
        cpu_decode_few(use, clean), cpu_decode_few(use, dirty);
        dirty.out.each([&](float& x, index_t, index_t h, index_t, index_t d) {
          if (h == 1) CHECK(same_bits(x, static_cast<float>(clean.out.v(0, 1, 0, d))));
          else if (std::isnan(with)) CHECK(std::isnan(x));
        });
      }
}

TEST_CASE("a key of weight 0 does not affect a decoded step, whatever its value", "[parity][cpu]") {
  shape const s{1, 2, 1, 2, 200, 16, 40};
  auto const use = full.with(basin::top_k{5});
  call<float> clean(s), dirty(s);
  std::vector<double> received(2 * 200);
  cpu_decode_few(use.with(basin::received_attention{basin::contiguous(received.data(), 1, 2, 200)}), clean);
  dirty.v.each([&](float& x, index_t, index_t, index_t j, index_t) {
    if (received[static_cast<std::size_t>(j)] == 0 && received[static_cast<std::size_t>(200 + j)] == 0)
      x = static_cast<float>(nan);
  });
  cpu_decode_few(use, dirty);
  CHECK(same_elements(clean.out, dirty.out));
}

TEST_CASE("a key with an infinite number has the score of the product, wherever the number lies", "[parity][cpu]") {
  for (index_t const dim : {16, 24, 40, 50})
    for (index_t const place : {0, 9, 15}) {
      CAPTURE(dim, place);
      shape const s{1, 2, 1, 1, 40, dim, 8};
      call<float> here(s);
      here.q.each([](float& x, auto...) { x = std::fabs(x) + 0.5f; });
      here.k.v(0, 0, 7, place) = static_cast<float>(-inf);       // the score is -inf, the weight 0
      call<double> exact(s);
      exact.copy_inputs(here);
      cpu_decode_few(full, here);
      basin::reference::forward(full, exact.q.v, exact.k.v, exact.v.v, exact.out.v);
      here.k.v(0, 0, 7, place) = 0;
      CHECK(distance(here.out, exact.out) <= tolerances_of<float>(s, here.magnitudes()).out);
    }
}

TEST_CASE("decode writes 16-bit outputs from 16-bit queries", "[parity][cpu]") {
  shape const s{1, 2, 1, 1, 90, 32, 32};
  call<float> exact(s);
  stored<basin::bfloat16> const q(exact.q), k(exact.k), v(exact.v);
  std::vector<basin::bfloat16> out(64);
  basin::cpu::decode(causal, q.v, k.v, v.v, basin::contiguous(out.data(), 1, 2, 1, 32));
  cpu_decode_few(causal, exact);
  double const allowed = tolerances_of<float>(s, exact.magnitudes()).out;  // k is read in pairs: another order of sums
  exact.out.each([&](float& x, index_t, index_t h, index_t, index_t d) {
    double const got = static_cast<float>(out[static_cast<std::size_t>(h * 32 + d)]);
    CHECK(std::fabs(got - static_cast<double>(x)) <= 0x1p-8 * std::fabs(static_cast<double>(x)) + 2 * allowed);
  });
}

}  // namespace basin_test
