#include "problems/learning/contractive_penalty.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace kappa::detail {
namespace {

/// phi'' and phi''' at z, where value and first are phi and phi'.
template <class T>
struct Curved {
  T second{};
  T third{};
};

template <class T>
Curved<T> curved(Activation activation, T z, T value, T first) {
  switch (activation) {
    case Activation::tanh:
      return {T{-2} * value * first, T{-2} * first * (T{3} * first - T{2})};
    case Activation::sigmoid:
      return {first * (T{1} - T{2} * value), first * (T{1} - T{6} * first)};
    case Activation::softplus: {
      const T slope = first * (T{1} - first);
      return {slope, slope * (T{1} - T{2} * first)};
    }
    case Activation::gelu: {
      const T density = static_cast<T>(0.39894228040143267794) * std::exp(T{-0.5} * z * z);
      return {density * (T{2} - z * z), density * z * (z * z - T{4})};
    }
    case Activation::relu:
    case Activation::linear:
      break;
  }
  return {};
}

/// body(index) for every number of the panels of `of` in the range, with the entry's place in any store of
/// that shape.
template <class T, class Body>
void each_entry(const Panels<T>& of, SampleRange range, const Body& body) {
  for (Index p = 0; p < of.panels(); ++p) {
    const Index begin = of.row(p, range.begin) - of.data;
    for (Index i = begin; i < begin + range.size() * row_units<T>; ++i) {
      body(i);
    }
  }
}

template <class T>
void clear(const Panels<T>& panels, SampleRange range) {
  each_entry(panels, range, [&](Index i) { panels.data[i] = T{0}; });
}

}  // namespace

template <class T>
void ContractivePenalty<T>::shape(Workspace& at, Index samples, bool tangent) const {
  const std::span<const Index> nodes = plan_.node_units;
  const std::span<const Index> inputs = nodes.first(static_cast<std::size_t>(plan_.inputs));
  const std::span<const Index> layers = nodes.subspan(inputs.size(), static_cast<std::size_t>(code_ + 1));
  for (Store* store : {&at.q, &at.s, &at.cs, &at.cq, &at.cz, &at.below}) {
    store->shape(layers, samples);
  }
  at.J.shape(inputs, samples);
  if (tangent) {
    for (Store* store : {&at.Rq, &at.Rs, &at.Rcs, &at.Rcq, &at.Rcz}) {
      store->shape(layers, samples);
    }
    at.RJ.shape(inputs, samples);
  }
}

template <class T>
void ContractivePenalty<T>::down(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch,
                                 const NetworkState<T>& state, Index unit, Workspace& at,
                                 SampleRange range) const {
  for (Index node = 0; node < plan_.inputs; ++node) {
    clear(at.J[node], range);
  }
  for (Index l = 0; l <= code_; ++l) {
    clear(at.q[l], range);
  }
  for (Index s = range.begin; s < std::min(range.end, batch.samples); ++s) {
    at.q[code_].at(unit, s) = T{1};
  }
  for (Index l = code_; l >= 0; --l) {
    each_entry(at.q[l], range, [s = at.s[l].data, q = at.q[l].data, first = state.first[l]](Index i) {
      s[i] = q[i] * first.data[i];
    });
    for (Index k = plan_.layer(l).first_link; k < plan_.layer(l).last_link; ++k) {
      const NetworkLink& link = plan_.link(k);
      pass_.multiply(weights.backward(link), at.s[l],
                     link.source_is_input ? at.J[link.source] : at.q[link.source - plan_.inputs], range);
    }
  }
}

template <class T>
void ContractivePenalty<T>::tangent_down(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                                         const NetworkState<T>& state, const NetworkTangent<T>& tangent,
                                         Workspace& at, SampleRange range) const {
  for (Index node = 0; node < plan_.inputs; ++node) {
    clear(at.RJ[node], range);
  }
  for (Index l = 0; l <= code_; ++l) {
    clear(at.Rq[l], range);
  }
  for (Index l = code_; l >= 0; --l) {
    const Activation activation = plan_.layer(l).activation;
    each_entry(at.q[l], range, [&](Index i) {
      const T first = state.first[l].data[i];
      const T second = curved(activation, state.argument[l].data[i], state.value[l].data[i], first).second;
      at.Rs[l].data[i] = first * at.Rq[l].data[i] + second * tangent.before[l].data[i] * at.q[l].data[i];
    });
    for (Index k = plan_.layer(l).first_link; k < plan_.layer(l).last_link; ++k) {
      const NetworkLink& link = plan_.link(k);
      const Panels<T>& to = link.source_is_input ? at.RJ[link.source] : at.Rq[link.source - plan_.inputs];
      pass_.multiply(weights.backward(link), at.Rs[l], to, range);
      pass_.multiply(direction.backward(link), at.s[l], to, range);
    }
  }
}

template <class T>
void ContractivePenalty<T>::up(const NetworkWeights<T>& weights, const NetworkState<T>& state, const Store& J,
                               const Store& cz, Workspace& at, SampleRange range) const {
  for (Index l = 0; l <= code_; ++l) {
    clear(at.cs[l], range);
    for (Index k = plan_.layer(l).first_link; k < plan_.layer(l).last_link; ++k) {
      const NetworkLink& link = plan_.link(k);
      pass_.multiply(weights.forward(link),
                     link.source_is_input ? J[link.source] : at.cq[link.source - plan_.inputs], at.cs[l],
                     range);
    }
    const Activation activation = plan_.layer(l).activation;
    each_entry(at.q[l], range, [&](Index i) {
      const T first = state.first[l].data[i];
      const T second = curved(activation, state.argument[l].data[i], state.value[l].data[i], first).second;
      const T cs = at.cs[l].data[i];
      at.cq[l].data[i] = first * cs;
      cz[l].data[i] += second * at.q[l].data[i] * cs;
    });
  }
}

template <class T>
void ContractivePenalty<T>::tangent_up(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                                       const NetworkState<T>& state, const NetworkTangent<T>& tangent,
                                       Workspace& at, SampleRange range) const {
  for (Index l = 0; l <= code_; ++l) {
    clear(at.Rcs[l], range);
    for (Index k = plan_.layer(l).first_link; k < plan_.layer(l).last_link; ++k) {
      const NetworkLink& link = plan_.link(k);
      const Index source = link.source - plan_.inputs;
      pass_.multiply(weights.forward(link), link.source_is_input ? at.RJ[link.source] : at.Rcq[source],
                     at.Rcs[l], range);
      pass_.multiply(direction.forward(link), link.source_is_input ? at.J[link.source] : at.cq[source],
                     at.Rcs[l], range);
    }
    const Activation activation = plan_.layer(l).activation;
    each_entry(at.q[l], range, [&](Index i) {
      const T first = state.first[l].data[i];
      const auto [second, third] =
          curved(activation, state.argument[l].data[i], state.value[l].data[i], first);
      const T Rz = tangent.before[l].data[i];
      const T q = at.q[l].data[i];
      const T cs = at.cs[l].data[i];
      const T Rcs = at.Rcs[l].data[i];
      at.Rcq[l].data[i] = first * Rcs + second * Rz * cs;
      at.Rcz[l].data[i] += second * (at.Rq[l].data[i] * cs + q * Rcs) + third * Rz * q * cs;
    });
  }
}

template <class T>
void ContractivePenalty<T>::propagate(const NetworkWeights<T>& weights, const NetworkState<T>& state,
                                      const Store& cz, const Store& delta, const Store* second, Workspace& at,
                                      SampleRange range) const {
  for (Index l = 0; l <= code_; ++l) {
    clear(at.below[l], range);
  }
  const T factor = static_cast<T>(weight_);
  for (Index l = code_; l >= 0; --l) {
    const Activation activation = plan_.layer(l).activation;
    each_entry(at.below[l], range, [&](Index i) {
      const T first = state.first[l].data[i];
      const T above = at.below[l].data[i];
      if (second != nullptr) {
        (*second)[l].data[i] +=
            above * curved(activation, state.argument[l].data[i], state.value[l].data[i], first).second;
      }
      const T own = first * above + factor * cz[l].data[i];
      delta[l].data[i] += own;
      cz[l].data[i] = own;
    });
    for (Index k = plan_.layer(l).first_link; k < plan_.layer(l).last_link; ++k) {
      const NetworkLink& link = plan_.link(k);
      if (!link.source_is_input) {
        pass_.multiply(weights.backward(link), cz[l], at.below[link.source - plan_.inputs], range);
      }
    }
  }
}

template <class T>
double ContractivePenalty<T>::squares(const NetworkBatch<T>& batch, const Store& J, SampleRange range) const {
  double sum = 0;
  for (Index node = 0; node < plan_.inputs; ++node) {
    for (Index s = range.begin; s < std::min(range.end, batch.samples); ++s) {
      for (Index i = 0; i < J[node].units; ++i) {
        const double entry = static_cast<double>(J[node].at(i, s));
        sum += entry * entry;
      }
    }
  }
  return sum;
}

template <class T>
double ContractivePenalty<T>::run(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch,
                                  const NetworkState<T>& state, PassDepth depth, double scale,
                                  VectorRef gradient, Workspace& at) const {
  shape(at, batch.samples, false);
  const Partition chunks{batch.padded(), NetworkPass<T>::chunk};
  const auto each_chunk = [&](const auto& body) {
    for_each_chunk(chunks.chunks(), work(batch), [&](Index c) {
      body(c, SampleRange{chunks.begin(c), chunks.end(c)});
    });
  };
  each_chunk([&](Index, SampleRange range) {
    for (Index l = 0; l <= code_; ++l) {
      clear(at.cz[l], range);
    }
  });
  double sum = 0;
  for (Index unit = 0; unit < plan_.layer(code_).units; ++unit) {
    at.partial.assign(static_cast<std::size_t>(chunks.chunks()), 0.0);
    each_chunk([&](Index c, SampleRange range) {
      down(weights, batch, state, unit, at, range);
      at.partial[static_cast<std::size_t>(c)] = squares(batch, at.J, range);
      if (depth >= PassDepth::gradient) {
        up(weights, state, at.J, at.cz, at, range);
      }
    });
    for (const double part : at.partial) {
      sum += part;
    }
    if (!gradient.empty()) {
      const OuterTerm<T> term{{&at.J, 0}, &at.cq, &at.s, false, 0, code_};
      pass_.add_outer({&term, 1}, batch, weight_ * scale, gradient);
    }
  }
  return 0.5 * weight_ * sum;
}

template <class T>
void ContractivePenalty<T>::inject(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch,
                                   NetworkState<T>& state, Workspace& at) const {
  const Partition chunks{batch.padded(), NetworkPass<T>::chunk};
  for_each_chunk(chunks.chunks(), work(batch), [&](Index c) {
    propagate(weights, state, at.cz, state.delta, state.second.empty() ? nullptr : &state.second, at,
              {chunks.begin(c), chunks.end(c)});
  });
}

template <class T>
void ContractivePenalty<T>::run_tangent(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                                        const NetworkBatch<T>& batch, const NetworkState<T>& state,
                                        NetworkTangent<T>& tangent, TangentModel model, double scale,
                                        VectorRef out, Workspace& at) const {
  shape(at, batch.samples, true);
  const bool exact = model == TangentModel::exact;
  const Partition chunks{batch.padded(), NetworkPass<T>::chunk};
  const auto each_chunk = [&](const auto& body) {
    for_each_chunk(chunks.chunks(), 2 * work(batch), [&](Index c) {
      body(SampleRange{chunks.begin(c), chunks.end(c)});
    });
  };
  each_chunk([&](SampleRange range) {
    for (Index l = 0; l <= code_; ++l) {
      clear(at.cz[l], range);
      clear(at.Rcz[l], range);
    }
  });
  for (Index unit = 0; unit < plan_.layer(code_).units; ++unit) {
    each_chunk([&](SampleRange range) {
      down(weights, batch, state, unit, at, range);
      tangent_down(weights, direction, state, tangent, at, range);
      if (exact) {
        up(weights, state, at.J, at.cz, at, range);
        tangent_up(weights, direction, state, tangent, at, range);
      } else {
        up(weights, state, at.RJ, at.Rcz, at, range);
      }
    });
    const OuterTerm<T> terms[] = {
        {{exact ? &at.J : &at.RJ, 0}, &at.cq, exact ? &at.Rs : &at.s, false, 0, code_},
        {{&at.RJ, 0}, &at.Rcq, &at.s, false, 0, code_}};
    pass_.add_outer(std::span(terms).first(exact ? 2 : 1), batch, weight_ * scale, out);
  }
  each_chunk(
      [&](SampleRange range) { propagate(weights, state, at.Rcz, tangent.delta, nullptr, at, range); });
}

template class ContractivePenalty<float>;
template class ContractivePenalty<double>;

}  // namespace kappa::detail
