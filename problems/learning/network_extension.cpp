#include "problems/learning/network_extension.h"

#include <algorithm>
#include <cstring>

namespace kappa::detail {
namespace {

const NetworkLinearization& of(const void* self) {
  return *static_cast<const NetworkLinearization*>(self);
}

/// f(linearization) where there is a layer l; no exception enters a plugin.
template <class F>
kappa_status with(const void* self, std::int64_t l, const F& f) {
  if (self == nullptr || l < 0 || l >= of(self).layers()) {
    return KAPPA_BROKEN_CONTRACT;
  }
  try {
    f(of(self));
    return KAPPA_OK;
  } catch (...) {
    return KAPPA_ERROR;
  }
}

MatrixRef columns(double* out, Index rows, const NetworkLinearization& at, Index stride) {
  expects(out != nullptr && stride >= rows, "kappa.network.layers/1: columns must not overlap");
  return {out, rows, at.samples(), stride};
}

kappa_status layer(void* self, std::int64_t l, kappa_network_layer* out) {
  return with(self, l, [&](const NetworkLinearization& at) {
    const NetworkLinearization::Layer from = at.layer(l);
    const kappa_network_layer table{.struct_size = std::min<std::uint64_t>(out->struct_size, sizeof table),
                                    .units = from.units,
                                    .inputs = from.inputs,
                                    .first_weight = from.first_weight,
                                    .first_bias = from.first_bias};
    std::memcpy(out, &table, table.struct_size);
  });
}
kappa_status inputs(void* self, std::int64_t l, double* out, std::int64_t stride) {
  return with(self, l, [&](const NetworkLinearization& at) {
    at.layer_inputs(l, columns(out, at.layer(l).inputs, at, stride));
  });
}
kappa_status deltas(void* self, std::int64_t l, double* out, std::int64_t stride) {
  return with(self, l, [&](const NetworkLinearization& at) {
    at.layer_deltas(l, columns(out, at.layer(l).units, at, stride));
  });
}
kappa_status sampled_deltas(void* self, std::int64_t l, std::uint64_t draw, double* out,
                            std::int64_t stride) {
  return with(self, l, [&](const NetworkLinearization& at) {
    at.sampled_layer_deltas(l, draw, columns(out, at.layer(l).units, at, stride));
  });
}

}  // namespace

kappa_network_layers layers_table(const NetworkLinearization& linearization) {
  kappa_network_layers out{};
  out.struct_size = sizeof out;
  out.self = const_cast<NetworkLinearization*>(&linearization);  // the functions only read
  out.layers = linearization.layers();
  out.samples = linearization.samples();
  out.decay = linearization.decay();
  out.layer = layer;
  out.inputs = inputs;
  out.deltas = deltas;
  out.sampled_deltas = sampled_deltas;
  return out;
}

}  // namespace kappa::detail
