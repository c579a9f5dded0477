// KAPPA_WIDE_VECTORS before a function: it is compiled for wider vectors too, and the one that fits the
// processor is chosen when the program starts. KAPPA_WIDEST_VECTORS: for vectors of 512 bits as well.
//
// For the few loops in which solves spend their time: small least squares (WIDE), whose sums run in the order
// of core/vector.h whatever the width, and the blocks of bundle adjustment (WIDEST), where a version's bits
// are its own. A library compiled for such a processor anyway (KAPPA_NATIVE) has the one version. Sanitizers
// start before the choice can be made, so under them there is one version too.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define KAPPA_WIDE_VECTORS __attribute__((target_clones("arch=haswell", "default")))
#if !defined(__AVX512F__)
#define KAPPA_WIDEST_VECTORS __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#endif
#else
#define KAPPA_WIDE_VECTORS
#endif
#if !defined(KAPPA_WIDEST_VECTORS)
#define KAPPA_WIDEST_VECTORS
#endif
