// KAPPA_WIDE_VECTORS before a function: it is compiled for wider vectors too, and the one that fits the
// processor is chosen when the program starts.
//
// For the few loops in which small least squares spend their time. The sums of core/vector.h run in an order
// that does not depend on the width, and products are not fused, so both versions give the same bits.
// Sanitizers start before the choice can be made, so under them there is one version.
//
// Where a loop holds sums in registers its form depends on the width: it is a template over the lanes of
// Vector<Lanes>, each version behind KAPPA_VECTORS_512, _256 or nothing (128 bits), and vector_width() tells
// which to call. What it calls must be inlined (always_inline). Each version's bits are its own.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define KAPPA_WIDE_VECTORS __attribute__((target_clones("arch=haswell", "default")))
#else
#define KAPPA_WIDE_VECTORS
#endif

#if defined(__x86_64__)
#define KAPPA_VECTORS_512 [[gnu::target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]]
#define KAPPA_VECTORS_256 [[gnu::target("avx2,fma")]]
#else
#define KAPPA_VECTORS_512
#define KAPPA_VECTORS_256
#endif

namespace kappa::detail {

/// Doubles that are computed with side by side, at any address of a double.
template <int Lanes>
struct Vector;
template <>
struct Vector<2> {
  typedef double type __attribute__((vector_size(16), aligned(8), may_alias));
};
template <>
struct Vector<4> {
  typedef double type __attribute__((vector_size(32), aligned(8), may_alias));
};
template <>
struct Vector<8> {
  typedef double type __attribute__((vector_size(64), aligned(8), may_alias));
};

/// As many floats, at any address of a float.
template <int Lanes>
struct SingleVector;
template <>
struct SingleVector<2> {
  typedef float type __attribute__((vector_size(8), aligned(4), may_alias));
};
template <>
struct SingleVector<4> {
  typedef float type __attribute__((vector_size(16), aligned(4), may_alias));
};
template <>
struct SingleVector<8> {
  typedef float type __attribute__((vector_size(32), aligned(4), may_alias));
};

/// The bits of the widest vectors that the processor computes with: 512, 256 or 128.
inline int vector_width() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
    return 512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return 256;
  }
#endif
  return 128;
}

}  // namespace kappa::detail
