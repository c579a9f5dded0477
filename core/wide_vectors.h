// KAPPA_WIDE_VECTORS before a function: it is compiled for wider vectors too, and the one that fits the
// processor is chosen when the program starts.
//
// For the few loops in which small least squares spend their time. The sums of core/vector.h run in an order
// that does not depend on the width, and products are not fused, so both versions give the same bits.
// Sanitizers start before the choice can be made, so under them there is one version.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define KAPPA_WIDE_VECTORS __attribute__((target_clones("arch=haswell", "default")))
#else
#define KAPPA_WIDE_VECTORS
#endif
