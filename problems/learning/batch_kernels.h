// The inner loops of networks, over batches of samples, in single or double precision and at the full width
// of the processor's vectors.
//
// A batch of a layer's values lies in panels of units: 128 bytes of units (Row of them: 32 single, 16 double)
// for every sample, the samples behind each other,
//
//     value of unit u at sample s  =  panel(u / Row)[s * Row + u % Row]
//
// and weights of a layer with as many rows for every input. One tile kernel then serves all three products of
// back-propagation without a packing pass: it multiplies vectors of one operand's units with single entries
// of the other that lie at constant distances.
//
//     forward          out(s, j) += sum_i W(i, j) in(s, i)         vectors over j, entries over s
//     back             in(s, i)  += sum_j W'(j, i) out(s, j)       the same kernel, weights transposed
//     weight gradient  G(i, j)   += sum_s a(s, i) d(s, j)          vectors over j, entries over i
//
// Sums run in an order that depends on the shapes alone, so any number of threads gives the same bits; each
// vector width has bits of its own. Functions are accurate to about two units in the last place.
#pragma once

#include "kappa/base.h"

namespace kappa::detail {

/// Units of a panel.
template <class T>
inline constexpr Index row_units = 128 / static_cast<Index>(sizeof(T));

/// Samples come in tiles of this many.
inline constexpr Index sample_tile = 8;

inline constexpr Index rounded_up(Index n, Index to) {
  return (n + to - 1) / to * to;
}

template <class T>
constexpr Index panels_of(Index units) {
  return (units + row_units<T> - 1) / row_units<T>;
}

/// Values of all units of a layer at all samples of a batch, in panels `stride` samples apart.
template <class T>
struct Panels {
  T* data = nullptr;
  Index units = 0;
  Index stride = 0;

  Index panels() const { return panels_of<T>(units); }
  T* row(Index panel, Index sample) const { return data + (panel * stride + sample) * row_units<T>; }
  T& at(Index unit, Index sample) const { return row(unit / row_units<T>, sample)[unit % row_units<T>]; }
  explicit operator bool() const { return data != nullptr; }
};

/// Weights as multiply() reads them: for every panel of outputs, `inputs` rows of Row outputs.
template <class T>
struct PackedWeights {
  const T* data = nullptr;
  Index inputs = 0;
  Index outputs = 0;
};

/// Samples [begin, end), both multiples of sample_tile.
struct SampleRange {
  Index begin = 0;
  Index end = 0;
  Index size() const { return end - begin; }
};

/// What is kept of activations that vectors compute: value, first and second derivative at z. `first` and
/// `second` may be null.
template <class T>
struct ActivationRows {
  const T* z = nullptr;
  T* value = nullptr;
  T* first = nullptr;
  T* second = nullptr;
};

template <class T>
struct BatchKernels {
  /// out += W in, at the samples of the range.
  void (*multiply)(const PackedWeights<T>& weights, const Panels<T>& in, const Panels<T>& out,
                   SampleRange samples);
  /// sum[(p * Row + i) * Row + j] += sum over samples of a(s, i) d(s, p * Row + j), for the units i of one
  /// panel of `a` (all panels p of d).
  void (*outer)(const Panels<T>& a, Index panel, const Panels<T>& d, SampleRange samples, T* sum);
  void (*tanh)(const ActivationRows<T>& rows, Index count);
  void (*sigmoid)(const ActivationRows<T>& rows, Index count);
  void (*softplus)(const ActivationRows<T>& rows, Index count);
  /// out = a b
  void (*product)(const T* a, const T* b, T* out, Index count);
  /// out = a b + c d
  void (*product_sum)(const T* a, const T* b, const T* c, const T* d, T* out, Index count);
};

/// The kernels for this processor; T is float or double.
template <class T>
const BatchKernels<T>& batch_kernels();

/// Those of a vector width in bits (512, 256 or 128) that the processor has; for tests.
template <class T>
const BatchKernels<T>& batch_kernels(int width);

}  // namespace kappa::detail
