#include "problems/learning/network_pass.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/parallel.h"
#include "core/scratch.h"

namespace kappa::detail {
namespace {

/// Panels of a power of two bytes would share the same few sets of a cache.
template <class T>
Index padded_stride(Index samples) {
  const Index tiles = rounded_up(samples, sample_tile);
  return tiles % (2 * sample_tile) == 0 ? tiles + sample_tile : tiles;
}

template <class T>
void fill_rows(const Panels<T>& panels, SampleRange range, T value) {
  for (Index p = 0; p < panels.panels(); ++p) {
    std::fill_n(panels.row(p, range.begin), range.size() * row_units<T>, value);
  }
}

/// The samples `terms` of `from`, and zeros up to `padded` samples.
template <class T>
void copy_samples(const Panels<T>& from, std::span<const Index> terms, const Panels<T>& to, Index padded) {
  constexpr Index Row = row_units<T>;
  const Index samples = static_cast<Index>(terms.size());
  const Partition chunks{padded, 64};
  for_each_chunk(chunks.chunks(), static_cast<double>(padded * from.units), [&](Index c) {
    for (Index p = 0; p < from.panels(); ++p) {
      for (Index s = chunks.begin(c); s < chunks.end(c); ++s) {
        if (s < samples) {
          std::memcpy(to.row(p, s), from.row(p, terms[static_cast<std::size_t>(s)]), sizeof(T) * Row);
        } else {
          std::fill_n(to.row(p, s), Row, T{0});
        }
      }
    }
  });
}

/// A chunk's part of a pass.
SampleRange chunk_range(const Partition& chunks, Index c) {
  return {chunks.begin(c), chunks.end(c)};
}

/// Value, first and second derivative of the activations that are not vectorised.
template <class T, class Function>
void activate_each(const ActivationRows<T>& rows, Index count, const Function& function) {
  for (Index i = 0; i < count; ++i) {
    T first{};
    T second{};
    rows.value[i] = function(rows.z[i], first, second);
    if (rows.first != nullptr) {
      rows.first[i] = first;
    }
    if (rows.second != nullptr) {
      rows.second[i] = second;
    }
  }
}

template <class T>
T gelu(T argument, T& first, T& second) {
  constexpr double inverse_sqrt_2 = 0.70710678118654752440;
  constexpr double inverse_sqrt_2pi = 0.39894228040143267794;
  const double z = static_cast<double>(argument);
  const double below = 0.5 * std::erfc(-z * inverse_sqrt_2);
  const double density = inverse_sqrt_2pi * std::exp(-0.5 * z * z);
  first = static_cast<T>(below + z * density);
  second = static_cast<T>(density * (2 - z * z));
  return static_cast<T>(z * below);
}

template <class T>
void activate_rows(const BatchKernels<T>& kernels, Activation activation, const ActivationRows<T>& rows,
                   Index count) {
  switch (activation) {
    case Activation::tanh:
      kernels.tanh(rows, count);
      break;
    case Activation::sigmoid:
      kernels.sigmoid(rows, count);
      break;
    case Activation::softplus:
      kernels.softplus(rows, count);
      break;
    case Activation::gelu:
      activate_each(rows, count, gelu<T>);
      break;
    case Activation::relu:
      activate_each(rows, count, [](T z, T& first, T&) {
        first = z > 0 ? T{1} : T{0};
        return z < 0 ? T{0} : z;
      });
      break;
    case Activation::linear:
      activate_each(rows, count, [](T z, T& first, T&) {
        first = T{1};
        return z;
      });
      break;
  }
}

}  // namespace

template <class T>
void PanelStore<T>::shape(std::span<const Index> units, Index samples) {
  const Index stride = padded_stride<T>(samples);
  if (stride <= capacity_ && std::equal(units.begin(), units.end(), units_.begin(), units_.end())) {
    return;
  }
  units_.assign(units.begin(), units.end());
  capacity_ = stride;
  Index size = 0;
  for (const Index n : units) {
    size += panels_of<T>(n) * stride * row_units<T>;
  }
  memory_.clear();
  memory_.resize(static_cast<std::size_t>(size), T{0});
  panels_.clear();
  Index begin = 0;
  for (const Index n : units) {
    panels_.push_back({n > 0 ? memory_.data() + begin : nullptr, n, stride});
    begin += panels_of<T>(n) * stride * row_units<T>;
  }
}

template <class T>
void NetworkWeights<T>::pack(const NetworkPlan& plan, ConstVectorRef x) {
  constexpr Index Row = row_units<T>;
  memory_.resize(static_cast<std::size_t>(plan.packed));
  for_each_chunk(static_cast<Index>(plan.links.size()), static_cast<double>(plan.packed), [&](Index k) {
    const NetworkLink& link = plan.link(k);
    const double* w = x.data() + link.first_weight;
    T* packed = memory_.data() + link.forward;
    for (Index p = 0; p < panels_of<T>(link.units); ++p) {
      const Index units = std::min(Row, link.units - p * Row);
      for (Index i = 0; i < link.inputs; ++i) {
        const double* column = w + i * link.units + p * Row;
        for (Index j = 0; j < units; ++j) {
          packed[j] = static_cast<T>(column[j]);
        }
        std::fill(packed + units, packed + Row, T{0});
        packed += Row;
      }
    }
    if (link.backward < 0) {
      return;
    }
    packed = memory_.data() + link.backward;
    for (Index p = 0; p < panels_of<T>(link.inputs); ++p) {
      const Index units = std::min(Row, link.inputs - p * Row);
      for (Index i = 0; i < Row; ++i) {
        const double* column = w + (p * Row + i) * link.units;
        for (Index j = 0; j < link.units; ++j) {
          packed[j * Row + i] = i < units ? static_cast<T>(column[j]) : T{0};
        }
      }
      packed += link.units * Row;
    }
  });
  for (const NetworkPlan::Layer& layer : plan.layers) {
    T* bias = memory_.data() + layer.packed_bias;
    std::fill_n(bias, rounded_up(layer.units, Row), T{0});
    for (Index j = 0; j < layer.units; ++j) {
      bias[j] = static_cast<T>(x[static_cast<std::size_t>(layer.first_bias + j)]);
    }
  }
}

template <class T>
void NetworkWeights<T>::pack_squares(const NetworkPlan& plan, ConstVectorRef x) {
  pack(plan, x);
  for (T& entry : memory_) {
    entry *= entry;
  }
}

template <class T>
void NetworkPass<T>::shape(NetworkState<T>& state, Index samples, PassDepth depth) const {
  const std::span<const Index> all =
      std::span(plan_.node_units).subspan(static_cast<std::size_t>(plan_.inputs));
  const Index output = plan_.output().units;
  state.value.shape(all, samples);
  if (loss_ != NetworkLoss::mean_square) {
    state.predicted.shape({&output, 1}, samples);
  }
  if (keeps_arguments_) {
    state.argument.shape(all, samples);
  }
  if (depth >= PassDepth::gradient) {
    state.first.shape(all, samples);
    state.delta.shape(all, samples);
  }
  if (depth == PassDepth::linearization) {
    state.second.shape(all, samples);
  }
}

template <class T>
void NetworkPass<T>::shape(NetworkTangent<T>& tangent, Index samples) const {
  const std::span<const Index> all =
      std::span(plan_.node_units).subspan(static_cast<std::size_t>(plan_.inputs));
  tangent.before.shape(all, samples);
  tangent.value.shape(all, samples);
  tangent.delta.shape(all, samples);
}

template <class T>
double NetworkPass<T>::run(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch,
                           NetworkState<T>& state, PassDepth depth, std::vector<double>& partial) const {
  const Partition chunks{batch.padded(), chunk};
  partial.assign(static_cast<std::size_t>(chunks.chunks()), 0.0);
  for_each_chunk(chunks.chunks(), work(batch), [&](Index c) {
    const SampleRange range = chunk_range(chunks, c);
    forward(weights, batch, state, depth, range);
    partial[static_cast<std::size_t>(c)] = output_loss(batch, state, depth, range);
    if (depth >= PassDepth::gradient) {
      back(weights, state.delta, state.first, depth == PassDepth::linearization ? &state.second : nullptr,
           range);
    }
  });
  double sum = 0;
  for (const double part : partial) {
    sum += part;
  }
  return sum;
}

template <class T>
void NetworkPass<T>::fill_bias(const NetworkWeights<T>& weights, const NetworkPlan::Layer& layer,
                               const Panels<T>& z, SampleRange range) const {
  const T* bias = weights.bias(layer);
  for (Index p = 0; p < z.panels(); ++p) {
    for (Index s = range.begin; s < range.end; ++s) {
      std::memcpy(z.row(p, s), bias + p * row_units<T>, sizeof(T) * row_units<T>);
    }
  }
}

template <class T>
void NetworkPass<T>::forward(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch,
                             NetworkState<T>& state, PassDepth depth, SampleRange range) const {
  for (Index l = 0; l < plan_.count(); ++l) {
    const NetworkPlan::Layer& layer = plan_.layer(l);
    const Panels<T>& z = state.value[l];
    fill_bias(weights, layer, z, range);
    for (Index k = layer.first_link; k < layer.last_link; ++k) {
      const NetworkLink& link = plan_.link(k);
      multiply(weights.forward(link), node_value(batch.input, state.value, link.source), z, range);
    }
    activate(layer, l, state, depth, range);
  }
}

template <class T>
void NetworkPass<T>::activate(const NetworkPlan::Layer& layer, Index l, NetworkState<T>& state,
                              PassDepth depth, SampleRange range) const {
  const Index count = range.size() * row_units<T>;
  const Panels<T>& value = state.value[l];
  for (Index p = 0; p < value.panels(); ++p) {
    T* z = value.row(p, range.begin);
    if (keeps_arguments_) {
      std::copy_n(z, count, state.argument[l].row(p, range.begin));
    }
    activate_rows(kernels_, layer.activation,
                  {z, z, depth >= PassDepth::gradient ? state.first[l].row(p, range.begin) : nullptr,
                   depth == PassDepth::linearization ? state.second[l].row(p, range.begin) : nullptr},
                  count);
  }
}

template <class T>
double NetworkPass<T>::output_loss(const NetworkBatch<T>& batch, NetworkState<T>& state, PassDepth depth,
                                   SampleRange range) const {
  switch (loss_) {
    case NetworkLoss::mean_square:
      return mean_square(batch, state, depth, range);
    case NetworkLoss::sigmoid_cross_entropy:
      return sigmoid(batch, state, depth, range);
    case NetworkLoss::softmax_cross_entropy:
      return softmax(batch, state, depth, range);
  }
  return 0;
}

template <class T>
void NetworkPass<T>::clear_padding(const NetworkBatch<T>& batch, const Panels<T>& panels,
                                   SampleRange range) const {
  if (range.end > batch.samples) {
    fill_rows(panels, {std::max(range.begin, batch.samples), range.end}, T{0});
  }
}

template <class T>
double NetworkPass<T>::mean_square(const NetworkBatch<T>& batch, NetworkState<T>& state, PassDepth depth,
                                   SampleRange range) const {
  const Index last = plan_.count() - 1;
  const Panels<T>& value = state.value[last];
  const Index end = std::min(range.end, batch.samples);
  double sum = 0;
  for (Index p = 0; p < value.panels(); ++p) {
    const Index units = std::min(row_units<T>, value.units - p * row_units<T>);
    for (Index s = range.begin; s < end; ++s) {
      const T* a = value.row(p, s);
      const T* t = batch.target.row(p, s);
      double row = 0;
      for (Index j = 0; j < units; ++j) {
        const double difference = static_cast<double>(a[j]) - static_cast<double>(t[j]);
        row += difference * difference;
      }
      sum += row;
      if (depth == PassDepth::value) {
        continue;
      }
      T* delta = state.delta[last].row(p, s);
      const T* first = state.first[last].row(p, s);
      T* second = depth == PassDepth::linearization ? state.second[last].row(p, s) : nullptr;
      for (Index j = 0; j < units; ++j) {
        const T difference = a[j] - t[j];
        delta[j] = first[j] * difference;
        if (second != nullptr) {
          second[j] *= difference;
        }
      }
    }
  }
  if (depth >= PassDepth::gradient) {
    clear_padding(batch, state.delta[last], range);
    clear_padding(batch, state.first[last], range);
  }
  if (depth == PassDepth::linearization) {
    clear_padding(batch, state.second[last], range);
  }
  return 0.5 * sum;
}

template <class T>
double NetworkPass<T>::sigmoid(const NetworkBatch<T>& batch, NetworkState<T>& state, PassDepth depth,
                               SampleRange range) const {
  const Index last = plan_.count() - 1;
  const Panels<T>& z = state.value[last];
  const Panels<T>& y = state.predicted[0];
  const Index end = std::min(range.end, batch.samples);
  double sum = 0;
  T softplus[row_units<T>];
  for (Index p = 0; p < z.panels(); ++p) {
    const Index units = std::min(row_units<T>, z.units - p * row_units<T>);
    for (Index s = range.begin; s < end; ++s) {
      const T* argument = z.row(p, s);
      const T* t = batch.target.row(p, s);
      kernels_.softplus({argument, softplus, y.row(p, s), nullptr}, row_units<T>);
      double row = 0;
      for (Index j = 0; j < units; ++j) {
        row += static_cast<double>(softplus[j] - t[j] * argument[j]);
      }
      sum += row;
      if (depth >= PassDepth::gradient) {
        const T* probability = y.row(p, s);
        T* delta = state.delta[last].row(p, s);
        for (Index j = 0; j < units; ++j) {
          delta[j] = probability[j] - t[j];
        }
      }
    }
  }
  clear_padding(batch, y, range);
  if (depth >= PassDepth::gradient) {
    clear_padding(batch, state.delta[last], range);
  }
  return sum;
}

template <class T>
double NetworkPass<T>::softmax(const NetworkBatch<T>& batch, NetworkState<T>& state, PassDepth depth,
                               SampleRange range) const {
  const Index last = plan_.count() - 1;
  const Panels<T>& z = state.value[last];
  const Panels<T>& y = state.predicted[0];
  const Index end = std::min(range.end, batch.samples);
  double loss = 0;
  for (Index s = range.begin; s < end; ++s) {
    double most = -infinity;
    for (Index k = 0; k < z.units; ++k) {
      const double argument = static_cast<double>(z.at(k, s));
      most = argument <= most ? most : argument;  // NaN stays
    }
    double sum = 0;
    for (Index k = 0; k < z.units; ++k) {
      const double e = std::exp(static_cast<double>(z.at(k, s)) - most);
      sum += e;
      y.at(k, s) = static_cast<T>(e);
    }
    const Index label = batch.label[s];
    loss += std::log(sum) - (static_cast<double>(z.at(label, s)) - most);
    const double factor = 1 / sum;
    for (Index k = 0; k < z.units; ++k) {
      y.at(k, s) = static_cast<T>(static_cast<double>(y.at(k, s)) * factor);
    }
    if (depth >= PassDepth::gradient) {
      const Panels<T>& delta = state.delta[last];
      for (Index k = 0; k < z.units; ++k) {
        delta.at(k, s) = y.at(k, s);
      }
      // Of a probability near 1 the others' sum is the exact complement.
      double others = 0;
      for (Index k = 0; k < z.units; ++k) {
        others += k == label ? 0.0 : static_cast<double>(y.at(k, s));
      }
      delta.at(label, s) = static_cast<T>(-others);
    }
  }
  clear_padding(batch, y, range);
  if (depth >= PassDepth::gradient) {
    clear_padding(batch, state.delta[last], range);
  }
  return loss;
}

template <class T>
void NetworkPass<T>::back(const NetworkWeights<T>& weights, const Store& delta, const Store& first,
                          const Store* second, SampleRange range) const {
  for (Index l = plan_.count() - 2; l >= 0; --l) {
    fill_rows(delta[l], range, T{0});
  }
  const Index count = range.size() * row_units<T>;
  for (Index l = plan_.count() - 1; l >= 0; --l) {
    if (l + 1 < plan_.count()) {
      // All that takes this layer comes later and has added its part.
      for (Index p = 0; p < delta[l].panels(); ++p) {
        T* d = delta[l].row(p, range.begin);
        if (second != nullptr) {
          T* s = (*second)[l].row(p, range.begin);
          kernels_.product(s, d, s, count);
        }
        kernels_.product(d, first[l].row(p, range.begin), d, count);
      }
    }
    const NetworkPlan::Layer& layer = plan_.layer(l);
    for (Index k = layer.first_link; k < layer.last_link; ++k) {
      const NetworkLink& link = plan_.link(k);
      if (!link.source_is_input) {
        multiply(weights.backward(link), delta[l], delta[link.source - plan_.inputs], range);
      }
    }
  }
}

template <class T>
void NetworkPass<T>::run_back(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch,
                              const NetworkState<T>& state, const PanelStore<T>& delta) const {
  const Partition chunks{batch.padded(), chunk};
  for_each_chunk(chunks.chunks(), work(batch),
                 [&](Index c) { back(weights, delta, state.first, nullptr, chunk_range(chunks, c)); });
}

template <class T>
void NetworkPass<T>::run_tangent(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                                 const NetworkBatch<T>& batch, const NetworkState<T>& state,
                                 NetworkTangent<T>& tangent, TangentModel model) const {
  const Partition chunks{batch.padded(), chunk};
  for_each_chunk(chunks.chunks(), 2 * work(batch), [&](Index c) {
    const SampleRange range = chunk_range(chunks, c);
    tangent_forward(weights, direction, batch, state, tangent, range);
    tangent_output(state, tangent, model, range);
    tangent_back(weights, &direction, state, tangent, model, 0, range);
  });
}

template <class T>
void NetworkPass<T>::run_unit_tangent(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch,
                                      const NetworkState<T>& state, Index l, Index unit,
                                      NetworkTangent<T>& tangent, TangentModel model) const {
  const Partition chunks{batch.padded(), chunk};
  for_each_chunk(chunks.chunks(), 2 * work(batch), [&](Index c) {
    const SampleRange range = chunk_range(chunks, c);
    fill_rows(tangent.before[l], range, T{0});
    for (Index s = range.begin; s < range.end; ++s) {
      tangent.before[l].at(unit, s) = T{1};
    }
    unit_tangent_forward(weights, state, l, tangent, range);
    tangent_output(state, tangent, model, range);
    tangent_back(weights, nullptr, state, tangent, model, l, range);
  });
}

template <class T>
void NetworkPass<T>::unit_tangent_forward(const NetworkWeights<T>& weights, const NetworkState<T>& state,
                                          Index l, NetworkTangent<T>& tangent, SampleRange range) const {
  const Index count = range.size() * row_units<T>;
  for (Index m = l; m < plan_.count(); ++m) {
    const NetworkPlan::Layer& layer = plan_.layer(m);
    const Panels<T>& z = tangent.before[m];
    if (m > l) {
      fill_rows(z, range, T{0});
      for (Index k = layer.first_link; k < layer.last_link; ++k) {
        const NetworkLink& link = plan_.link(k);
        if (link.source >= plan_.inputs + l) {
          multiply(weights.forward(link), tangent.value[link.source - plan_.inputs], z, range);
        }
      }
    }
    for (Index p = 0; p < z.panels(); ++p) {
      kernels_.product(z.row(p, range.begin), state.first[m].row(p, range.begin),
                       tangent.value[m].row(p, range.begin), count);
    }
  }
}

template <class T>
void NetworkPass<T>::run_output_tangent(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                                        const NetworkBatch<T>& batch, const NetworkState<T>& state,
                                        NetworkTangent<T>& tangent) const {
  const Partition chunks{batch.padded(), chunk};
  for_each_chunk(chunks.chunks(), work(batch), [&](Index c) {
    tangent_forward(weights, direction, batch, state, tangent, chunk_range(chunks, c));
  });
}

template <class T>
void NetworkPass<T>::run_projection(const NetworkWeights<T>& direction, const NetworkBatch<T>& batch,
                                    const NetworkState<T>& state, const PanelStore<T>& delta,
                                    NetworkTangent<T>& scaled) const {
  const Partition chunks{batch.padded(), chunk};
  for_each_chunk(chunks.chunks(), work(batch), [&](Index c) {
    const SampleRange range = chunk_range(chunks, c);
    double along[chunk] = {};
    for (Index l = 0; l < plan_.count(); ++l) {
      const NetworkPlan::Layer& layer = plan_.layer(l);
      const Panels<T>& z = scaled.before[l];
      fill_bias(direction, layer, z, range);
      for (Index k = layer.first_link; k < layer.last_link; ++k) {
        const NetworkLink& link = plan_.link(k);
        multiply(direction.forward(link), node_value(batch.input, state.value, link.source), z, range);
      }
      for (Index p = 0; p < z.panels(); ++p) {
        for (Index s = range.begin; s < range.end; ++s) {
          const T* d = delta[l].row(p, s);
          const T* v = z.row(p, s);
          T sum{0};
          for (Index j = 0; j < row_units<T>; ++j) {
            sum += d[j] * v[j];
          }
          along[s - range.begin] += static_cast<double>(sum);
        }
      }
    }
    for (Index l = 0; l < plan_.count(); ++l) {
      for (Index p = 0; p < delta[l].panels(); ++p) {
        for (Index s = range.begin; s < range.end; ++s) {
          const T factor = static_cast<T>(along[s - range.begin]);
          const T* d = delta[l].row(p, s);
          T* out = scaled.delta[l].row(p, s);
          for (Index j = 0; j < row_units<T>; ++j) {
            out[j] = factor * d[j];
          }
        }
      }
    }
  });
}

template <class T>
void NetworkPass<T>::run_recursion(const NetworkWeights<T>& squares, const NetworkBatch<T>& batch,
                                   const NetworkState<T>& state, const PanelStore<T>& h,
                                   Recursion recursion) const {
  const Partition chunks{batch.padded(), chunk};
  const bool exact = recursion == Recursion::exact;
  for_each_chunk(chunks.chunks(), work(batch), [&](Index c) {
    const SampleRange range = chunk_range(chunks, c);
    const Index count = range.size() * row_units<T>;
    for (Index l = 0; l < plan_.count(); ++l) {
      fill_rows(h[l], range, T{0});
    }
    for (Index l = plan_.count() - 1; l >= 0; --l) {
      const bool output = l + 1 == plan_.count();
      const bool probabilities = output && loss_ != NetworkLoss::mean_square;
      for (Index p = 0; p < h[l].panels(); ++p) {
        T* row = h[l].row(p, range.begin);
        const T* first = state.first[l].row(p, range.begin);
        const T* second = state.second[l].row(p, range.begin);
        const T* y = probabilities ? state.predicted[0].row(p, range.begin) : nullptr;
        for (Index i = 0; i < count; ++i) {
          const T above = output ? T{1} : row[i];
          row[i] =
              probabilities ? y[i] * (T{1} - y[i]) : first[i] * first[i] * above + (exact ? second[i] : T{0});
        }
      }
      const NetworkPlan::Layer& layer = plan_.layer(l);
      for (Index k = layer.first_link; k < layer.last_link; ++k) {
        const NetworkLink& link = plan_.link(k);
        if (!link.source_is_input) {
          multiply(squares.backward(link), h[l], h[link.source - plan_.inputs], range);
        }
      }
    }
  });
}

template <class T>
void NetworkPass<T>::tangent_forward(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                                     const NetworkBatch<T>& batch, const NetworkState<T>& state,
                                     NetworkTangent<T>& tangent, SampleRange range) const {
  const Index count = range.size() * row_units<T>;
  for (Index l = 0; l < plan_.count(); ++l) {
    const NetworkPlan::Layer& layer = plan_.layer(l);
    const Panels<T>& z = tangent.before[l];
    fill_bias(direction, layer, z, range);
    for (Index k = layer.first_link; k < layer.last_link; ++k) {
      const NetworkLink& link = plan_.link(k);
      multiply(direction.forward(link), node_value(batch.input, state.value, link.source), z, range);
      if (!link.source_is_input) {
        multiply(weights.forward(link), tangent.value[link.source - plan_.inputs], z, range);
      }
    }
    for (Index p = 0; p < z.panels(); ++p) {
      kernels_.product(z.row(p, range.begin), state.first[l].row(p, range.begin),
                       tangent.value[l].row(p, range.begin), count);
    }
  }
}

template <class T>
void NetworkPass<T>::tangent_output(const NetworkState<T>& state, NetworkTangent<T>& tangent,
                                    TangentModel model, SampleRange range) const {
  const Index last = plan_.count() - 1;
  const Index count = range.size() * row_units<T>;
  const Panels<T>& delta = tangent.delta[last];
  const Panels<T>& z = tangent.before[last];
  if (loss_ == NetworkLoss::softmax_cross_entropy) {
    const Panels<T>& y = state.predicted[0];
    for (Index s = range.begin; s < range.end; ++s) {
      T mean{0};
      for (Index k = 0; k < z.units; ++k) {
        mean += y.at(k, s) * z.at(k, s);
      }
      for (Index k = 0; k < z.units; ++k) {
        delta.at(k, s) = y.at(k, s) * (z.at(k, s) - mean);
      }
    }
    return;
  }
  for (Index p = 0; p < delta.panels(); ++p) {
    T* d = delta.row(p, range.begin);
    const T* before = z.row(p, range.begin);
    if (loss_ == NetworkLoss::sigmoid_cross_entropy) {
      const T* y = state.predicted[0].row(p, range.begin);
      for (Index i = 0; i < count; ++i) {
        d[i] = y[i] * (T{1} - y[i]) * before[i];
      }
    } else if (model == TangentModel::exact) {
      kernels_.product_sum(state.first[last].row(p, range.begin), tangent.value[last].row(p, range.begin),
                           state.second[last].row(p, range.begin), before, d, count);
    } else {
      kernels_.product(state.first[last].row(p, range.begin), tangent.value[last].row(p, range.begin), d,
                       count);
    }
  }
}

template <class T>
void NetworkPass<T>::tangent_back(const NetworkWeights<T>& weights, const NetworkWeights<T>* direction,
                                  const NetworkState<T>& state, NetworkTangent<T>& tangent,
                                  TangentModel model, Index lowest, SampleRange range) const {
  for (Index l = plan_.count() - 2; l >= lowest; --l) {
    fill_rows(tangent.delta[l], range, T{0});
  }
  const Index count = range.size() * row_units<T>;
  for (Index l = plan_.count() - 1; l >= lowest; --l) {
    const Panels<T>& delta = tangent.delta[l];
    if (l + 1 < plan_.count()) {
      for (Index p = 0; p < delta.panels(); ++p) {
        T* d = delta.row(p, range.begin);
        const T* first = state.first[l].row(p, range.begin);
        if (model == TangentModel::exact) {
          kernels_.product_sum(d, first, state.second[l].row(p, range.begin),
                               tangent.before[l].row(p, range.begin), d, count);
        } else {
          kernels_.product(d, first, d, count);
        }
      }
    }
    const NetworkPlan::Layer& layer = plan_.layer(l);
    for (Index k = layer.first_link; k < layer.last_link; ++k) {
      const NetworkLink& link = plan_.link(k);
      if (link.source < plan_.inputs + lowest) {
        continue;
      }
      const Panels<T>& source = tangent.delta[link.source - plan_.inputs];
      multiply(weights.backward(link), delta, source, range);
      if (model == TangentModel::exact && direction != nullptr) {
        multiply(direction->backward(link), state.delta[l], source, range);
      }
    }
  }
}

template <class T>
void NetworkPass<T>::add_outer(std::span<const OuterTerm<T>> terms, const NetworkBatch<T>& batch,
                               double scale, VectorRef out, Index first_layer) const {
  const Index first = plan_.layer(first_layer).first_panel;
  const Index panels = static_cast<Index>(plan_.weight_panels.size()) - first;
  const double work = static_cast<double>(batch.samples) * plan_.forward_work;
  for_each_chunk(panels + plan_.count() - first_layer, work, [&](Index c) {
    if (c < panels) {
      add_outer_panel(terms, plan_.weight_panels[static_cast<std::size_t>(first + c)], batch, scale, out);
    } else {
      add_outer_bias(terms, first_layer + c - panels, batch, scale, out);
    }
  });
}

template <class T>
void NetworkPass<T>::add_outer_panel(std::span<const OuterTerm<T>> terms, NetworkPlan::WeightPanel piece,
                                     const NetworkBatch<T>& batch, double scale, VectorRef out) const {
  constexpr Index Row = row_units<T>;
  const NetworkLink& link = plan_.link(piece.link);
  const Index size = panels_of<T>(link.units) * Row * Row;
  Scratch<T> sum(size);
  const Index inputs = std::min(Row, link.inputs - piece.panel * Row);
  const Partition slabs{batch.padded(), slab};
  for (Index b = 0; b < slabs.chunks(); ++b) {
    std::fill_n(sum.data(), size, T{0});
    for (const OuterTerm<T>& term : terms) {
      if (link.layer > term.last_layer) {
        continue;
      }
      if (link.source_is_input ? term.input.store == nullptr
                               : link.source < plan_.inputs + term.first_layer) {
        continue;
      }
      const Panels<T> a =
          link.source_is_input ? term.input[link.source] : (*term.value)[link.source - plan_.inputs];
      const SampleRange range = chunk_range(slabs, b);
      kernels_.outer(a, piece.panel, (*term.delta)[link.layer], range, sum.data());
      counted_.fetch_add(inputs * link.units * range.size(), std::memory_order_relaxed);
    }
    for (Index i = 0; i < inputs; ++i) {
      double* column = out.data() + link.first_weight + (piece.panel * Row + i) * link.units;
      for (Index j = 0; j < link.units; ++j) {
        column[j] += scale * static_cast<double>(sum[(j / Row * Row + i) * Row + j % Row]);
      }
    }
  }
}

template <class T>
void NetworkPass<T>::add_outer_bias(std::span<const OuterTerm<T>> terms, Index l,
                                    const NetworkBatch<T>& batch, double scale, VectorRef out) const {
  constexpr Index Row = row_units<T>;
  const NetworkPlan::Layer& layer = plan_.layer(l);
  const Partition slabs{batch.padded(), slab};
  for (const OuterTerm<T>& term : terms) {
    if (!term.bias || l > term.last_layer) {
      continue;
    }
    const Panels<T>& delta = (*term.delta)[l];
    for (Index b = 0; b < slabs.chunks(); ++b) {
      for (Index p = 0; p < delta.panels(); ++p) {
        T sum[Row] = {};
        for (Index s = slabs.begin(b); s < slabs.end(b); ++s) {
          const T* row = delta.row(p, s);
          for (Index j = 0; j < Row; ++j) {
            sum[j] += row[j];
          }
        }
        double* bias = out.data() + layer.first_bias + p * Row;
        for (Index j = 0; j < std::min(Row, layer.units - p * Row); ++j) {
          bias[j] += scale * static_cast<double>(sum[j]);
        }
      }
    }
  }
}

template <class T>
NetworkBatch<T> GatheredBatch<T>::gather(const NetworkPlan& plan, const NetworkData<T>& data,
                                         std::span<const Index> terms) {
  const Index samples = static_cast<Index>(terms.size());
  const std::span<const Index> inputs =
      std::span(plan.node_units).first(static_cast<std::size_t>(plan.inputs));
  input.shape(inputs, samples);
  term.assign(terms.begin(), terms.end());
  NetworkBatch<T> out;
  out.samples = samples;
  out.term = term.data();
  out.input = {&input, 0};
  for (Index node = 0; node < plan.inputs; ++node) {
    copy_samples(data.input[node], terms, input[node], out.padded());
  }
  if (data.has_target) {
    const Index outputs = plan.output().units;
    target.shape({&outputs, 1}, samples);
    copy_samples(data.target[0], terms, target[0], out.padded());
    out.target = target[0];
  }
  if (!data.label.empty()) {
    label.resize(terms.size());
    std::transform(terms.begin(), terms.end(), label.begin(),
                   [&](Index i) { return data.label[static_cast<std::size_t>(i)]; });
    out.label = label.data();
  }
  return out;
}

template <class T>
NetworkBatch<T> piece_of(const NetworkData<T>& data, Index begin, Index end) {
  NetworkBatch<T> out;
  out.samples = end - begin;
  out.first_term = begin;
  out.input = {&data.input, begin};
  if (data.has_target) {
    out.target = data.target[0];
    out.target.data += begin * row_units<T>;
  }
  out.label = data.label.empty() ? nullptr : data.label.data() + begin;
  return out;
}

template class PanelStore<float>;
template class PanelStore<double>;
template class NetworkWeights<float>;
template class NetworkWeights<double>;
template class NetworkPass<float>;
template class NetworkPass<double>;
template struct GatheredBatch<float>;
template struct GatheredBatch<double>;
template NetworkBatch<float> piece_of(const NetworkData<float>&, Index, Index);
template NetworkBatch<double> piece_of(const NetworkData<double>&, Index, Index);

}  // namespace kappa::detail
