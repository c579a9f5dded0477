#include "problems/learning/network_linearization.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "kappa/random.h"

namespace kappa::detail {

void add_decay(const NetworkPlan& plan, double decay, ConstVectorRef v, VectorRef out) {
  if (decay == 0) {
    return;
  }
  for (const NetworkPlan::Layer& layer : plan.layers) {
    for (auto i = static_cast<std::size_t>(layer.first_weight);
         i < static_cast<std::size_t>(layer.first_bias); ++i) {
      out[i] += decay * v[i];
    }
  }
}

Index code_layer(const NetworkTopology& topology, const NetworkOptions& options) {
  if (!(options.contraction >= 0) || !std::isfinite(options.contraction)) {
    throw Error("network: contraction is " + std::to_string(options.contraction) +
                "; it must not be negative");
  }
  const Index hidden = static_cast<Index>(topology.layers.size()) - 1;
  if (options.contraction == 0) {
    return 0;
  }
  if (options.code >= hidden || options.code < -1 || hidden < 1) {
    throw Error("network: the code of a contractive penalty is a hidden layer, 0 to " +
                std::to_string(hidden - 1) + ", not " + std::to_string(options.code));
  }
  if (options.code >= 0) {
    return options.code;
  }
  const auto first = topology.layers.begin();
  return std::min_element(first, first + hidden,
                          [](const NetworkLayer& a, const NetworkLayer& b) { return a.units < b.units; }) -
         first;
}

namespace {

void add_decay_diagonal(const NetworkPlan& plan, double decay, VectorRef out) {
  for (const NetworkPlan::Layer& layer : plan.layers) {
    for (Index i = layer.first_weight; i < layer.first_bias; ++i) {
      out[static_cast<std::size_t>(i)] += decay;
    }
  }
}

std::span<const Index> layer_units(const NetworkPlan& plan) {
  return std::span(plan.node_units).subspan(static_cast<std::size_t>(plan.inputs));
}

}  // namespace

template <class T>
double TypedNetworkLinearization<T>::linearize(ConstVectorRef x, std::span<const Index> terms) {
  x_.assign(x.begin(), x.end());
  batch_ = terms.empty() ? piece_of(context_.data, 0, context_.data.samples)
                         : gathered_.gather(plan(), context_.data, terms);
  drawn_valid_ = false;
  squared_ = false;
  weights_.pack(plan(), x);
  pass().shape(state_, batch_.samples, PassDepth::linearization);
  double sum = pass().run(weights_, batch_, state_, PassDepth::linearization, partial_);
  if (penalty().present()) {
    loss_delta_.shape(layer_units(plan()), batch_.samples);
    for (Index l = 0; l < plan().count(); ++l) {
      for (Index p = 0; p < state_.delta[l].panels(); ++p) {
        std::copy_n(state_.delta[l].row(p, 0), batch_.padded() * row_units<T>, loss_delta_[l].row(p, 0));
      }
    }
    sum += penalty().run(weights_, batch_, state_, PassDepth::gradient, scale(), {}, penalty_);
    penalty().inject(weights_, batch_, state_, penalty_);
  }
  return scale() * sum;
}

template <class T>
void TypedNetworkLinearization<T>::gradient(VectorRef out) const {
  std::fill(out.begin(), out.end(), 0.0);
  if (penalty().present()) {
    penalty().run(weights_, batch_, state_, PassDepth::gradient, scale(), out, penalty_);
  }
  const Term term{batch_.input, &state_.value, &state_.delta};
  pass().add_outer({&term, 1}, batch_, scale(), out);
  add_decay(plan(), context_.options.decay, x_, out);
}

template <class T>
void TypedNetworkLinearization<T>::product(Model model, ConstVectorRef v, VectorRef out) const {
  expects(static_cast<Index>(v.size()) == size() && static_cast<Index>(out.size()) == size(),
          "Network: a product's vectors have as many entries as there are variables");
  switch (model) {
    case Model::exact:
      curvature_product(TangentModel::exact, v, out);
      break;
    case Model::gauss_newton:
    case Model::fisher:
      curvature_product(TangentModel::gauss_newton, v, out);
      break;
    case Model::sampled_fisher:
      outer_product(drawn_deltas(context_.options.draws), v, out);
      break;
    case Model::empirical_fisher:
      outer_product(sample_deltas(), v, out);
      break;
    case Model::squared_mean_gradient:
      gradient_.resize(v.size());
      gradient(gradient_);
      for (std::size_t i = 0; i < v.size(); ++i) {
        out[i] = gradient_[i] * gradient_[i] * v[i];
      }
      return;
  }
  add_decay(plan(), context_.options.decay, v, out);
}

template <class T>
void TypedNetworkLinearization<T>::curvature_product(TangentModel model, ConstVectorRef v,
                                                     VectorRef out) const {
  pass().shape(tangent_, batch_.samples);
  direction_.pack(plan(), v);
  pass().run_tangent(weights_, direction_, batch_, state_, tangent_, model);
  std::fill(out.begin(), out.end(), 0.0);
  if (penalty().present()) {
    penalty().run_tangent(weights_, direction_, batch_, state_, tangent_, model, scale(), out, penalty_);
  }
  const Term terms[] = {{batch_.input, &state_.value, &tangent_.delta},
                        {{}, &tangent_.value, &state_.delta, false}};
  pass().add_outer(std::span(terms).first(model == TangentModel::exact ? 2 : 1), batch_, scale(), out);
}

template <class T>
void TypedNetworkLinearization<T>::outer_product(const PanelStore<T>& delta, ConstVectorRef v,
                                                 VectorRef out) const {
  pass().shape(tangent_, batch_.samples);
  direction_.pack(plan(), v);
  pass().run_projection(direction_, batch_, state_, delta, tangent_);
  std::fill(out.begin(), out.end(), 0.0);
  const Term term{batch_.input, &state_.value, &tangent_.delta};
  pass().add_outer({&term, 1}, batch_, scale(), out);
}

/// How often the diagonal goes back through the layers.
template <class T>
double TypedNetworkLinearization<T>::diagonal_passes(Model model) const {
  switch (model) {
    case Model::exact: {
      Index units = 0;
      for (const Index n : layer_units(plan())) {
        units += n;
      }
      return static_cast<double>(units);
    }
    case Model::gauss_newton:
    case Model::fisher:
      return static_cast<double>(plan().output().units);
    case Model::sampled_fisher:
    case Model::empirical_fisher:
    case Model::squared_mean_gradient:
      break;
  }
  return 1;
}

template <class T>
Offers TypedNetworkLinearization<T>::offers(Model model) const {
  const bool of_penalty = penalty().present() &&
                          (model == Model::exact || model == Model::gauss_newton || model == Model::fisher);
  // A dense matrix is a weight gradient for each variable.
  const double samples = static_cast<double>(batch_.samples);
  const double weights = samples * plan().forward_work;
  const double upper = samples * plan().backward_work;
  const bool exact = model == Model::exact;
  Offers out{.diagonal = !of_penalty, .dense = size() <= dense_limit};
  if (!penalty().present()) {
    out.product_work = 2 * weights + (exact ? 4 : 2) * upper;
    out.dense_work = static_cast<double>(size()) * (weights + (exact ? upper : 0.0));
    out.diagonal_work = diagonal_passes(model) * (weights + upper);
  }
  return out;
}

template <class T>
void TypedNetworkLinearization<T>::draw_output(std::uint64_t draw, Index sample,
                                               const Panels<T>& delta) const {
  const Index last = plan().count() - 1;
  const Index outputs = delta.units;
  const CounterRandom random(draw, 2);
  const auto counter =
      static_cast<std::uint64_t>(batch_.term_of(sample)) * static_cast<std::uint64_t>(outputs);
  switch (context_.options.loss) {
    case NetworkLoss::mean_square:
      for (Index k = 0; k < outputs; ++k) {
        const double noise = random.normal(counter + static_cast<std::uint64_t>(k));
        delta.at(k, sample) = state_.first[last].at(k, sample) * static_cast<T>(noise);
      }
      break;
    case NetworkLoss::sigmoid_cross_entropy:
      for (Index k = 0; k < outputs; ++k) {
        const T y = state_.predicted[0].at(k, sample);
        const bool one = random.uniform(counter + static_cast<std::uint64_t>(k)) < static_cast<double>(y);
        delta.at(k, sample) = one ? y - T{1} : y;
      }
      break;
    case NetworkLoss::softmax_cross_entropy: {
      double left = random.uniform(counter);
      Index drawn = 0;
      for (; drawn + 1 < outputs; ++drawn) {
        left -= static_cast<double>(state_.predicted[0].at(drawn, sample));
        if (left < 0) {
          break;
        }
      }
      for (Index k = 0; k < outputs; ++k) {
        delta.at(k, sample) = state_.predicted[0].at(k, sample) - (k == drawn ? T{1} : T{0});
      }
      break;
    }
  }
}

template <class T>
const PanelStore<T>& TypedNetworkLinearization<T>::drawn_deltas(std::uint64_t draw) const {
  if (drawn_valid_ && draw == draw_) {
    return drawn_;
  }
  drawn_.shape(layer_units(plan()), batch_.samples);
  const Panels<T>& output = drawn_[plan().count() - 1];
  for (Index s = 0; s < batch_.samples; ++s) {
    draw_output(draw, s, output);
  }
  for (Index s = batch_.samples; s < batch_.padded(); ++s) {
    for (Index p = 0; p < output.panels(); ++p) {
      std::fill_n(output.row(p, s), row_units<T>, T{0});
    }
  }
  pass().run_back(weights_, batch_, state_, drawn_);
  draw_ = draw;
  drawn_valid_ = true;
  return drawn_;
}

template <class T>
bool TypedNetworkLinearization<T>::sampled_gradient(std::uint64_t draw, VectorRef out) const {
  std::fill(out.begin(), out.end(), 0.0);
  const Term term{batch_.input, &state_.value, &drawn_deltas(draw)};
  pass().add_outer({&term, 1}, batch_, std::sqrt(scale()), out);
  return true;
}

template <class T>
Index TypedNetworkLinearization<T>::residuals() const {
  return context_.options.loss == NetworkLoss::mean_square && context_.options.decay == 0 &&
                 !penalty().present()
             ? batch_.samples * plan().output().units
             : 0;
}

template <class T>
bool TypedNetworkLinearization<T>::jacobian_product(ConstVectorRef v, VectorRef out) const {
  if (residuals() == 0) {
    return false;
  }
  pass().shape(tangent_, batch_.samples);
  direction_.pack(plan(), v);
  pass().run_output_tangent(weights_, direction_, batch_, state_, tangent_);
  const Panels<T>& value = tangent_.value[plan().count() - 1];
  const double factor = std::sqrt(scale());
  for (Index s = 0; s < batch_.samples; ++s) {
    for (Index k = 0; k < value.units; ++k) {
      out[static_cast<std::size_t>(s * value.units + k)] = factor * static_cast<double>(value.at(k, s));
    }
  }
  return true;
}

template <class T>
bool TypedNetworkLinearization<T>::jacobian_transpose_product(ConstVectorRef w, VectorRef out) const {
  if (residuals() == 0) {
    return false;
  }
  pass().shape(tangent_, batch_.samples);
  const Index last = plan().count() - 1;
  const Panels<T>& delta = tangent_.delta[last];
  for (Index s = 0; s < batch_.padded(); ++s) {
    for (Index k = 0; k < delta.units; ++k) {
      delta.at(k, s) =
          s < batch_.samples
              ? state_.first[last].at(k, s) * static_cast<T>(w[static_cast<std::size_t>(s * delta.units + k)])
              : T{0};
    }
  }
  pass().run_back(weights_, batch_, state_, tangent_.delta);
  std::fill(out.begin(), out.end(), 0.0);
  const Term term{batch_.input, &state_.value, &tangent_.delta};
  pass().add_outer({&term, 1}, batch_, std::sqrt(scale()), out);
  return true;
}

template <class T>
NetworkLinearization::Layer TypedNetworkLinearization<T>::layer(Index l) const {
  const NetworkPlan::Layer& layer = plan().layer(l);
  return {.units = layer.units,
          .inputs = layer.inputs,
          .first_weight = layer.first_weight,
          .first_bias = layer.first_bias};
}

template <class T>
void TypedNetworkLinearization<T>::layer_inputs(Index l, MatrixRef out) const {
  const NetworkPlan::Layer& layer = plan().layer(l);
  expects(out.rows == layer.inputs && out.cols == batch_.samples,
          "NetworkLinearization::layer_inputs: out is inputs x samples");
  Index first = 0;
  for (Index k = layer.first_link; k < layer.last_link; ++k) {
    const NetworkLink& link = plan().link(k);
    const Panels<T> from =
        link.source_is_input ? batch_.input[link.source] : state_.value[link.source - plan().inputs];
    for (Index s = 0; s < batch_.samples; ++s) {
      for (Index i = 0; i < link.inputs; ++i) {
        out(first + i, s) = static_cast<double>(from.at(i, s));
      }
    }
    first += link.inputs;
  }
}

template <class T>
void TypedNetworkLinearization<T>::copy_deltas(const PanelStore<T>& deltas, Index l, MatrixRef out) const {
  const Panels<T>& delta = deltas[l];
  expects(out.rows == delta.units && out.cols == batch_.samples,
          "NetworkLinearization::layer_deltas: out is units x samples");
  for (Index s = 0; s < batch_.samples; ++s) {
    for (Index j = 0; j < delta.units; ++j) {
      out(j, s) = static_cast<double>(delta.at(j, s));
    }
  }
}

template <class T>
void TypedNetworkLinearization<T>::layer_deltas(Index l, MatrixRef out) const {
  copy_deltas(sample_deltas(), l, out);
}

template <class T>
void TypedNetworkLinearization<T>::sampled_layer_deltas(Index l, std::uint64_t draw, MatrixRef out) const {
  copy_deltas(drawn_deltas(draw), l, out);
}

template <class T>
void TypedNetworkLinearization<T>::square(const PanelStore<T>& from, const PanelStore<T>& to) const {
  for (Index l = 0; l < plan().count(); ++l) {
    for (Index p = 0; p < from[l].panels(); ++p) {
      const T* a = from[l].row(p, 0);
      T* out = to[l].row(p, 0);
      for (Index i = 0; i < batch_.padded() * row_units<T>; ++i) {
        out[i] = a[i] * a[i];
      }
    }
  }
}

template <class T>
void TypedNetworkLinearization<T>::square_values() const {
  if (squared_) {
    return;
  }
  squared_input_.shape(std::span(plan().node_units).first(static_cast<std::size_t>(plan().inputs)),
                       batch_.samples);
  squared_value_.shape(layer_units(plan()), batch_.samples);
  square(state_.value, squared_value_);
  for (Index node = 0; node < plan().inputs; ++node) {
    const Panels<T> from = batch_.input[node];
    for (Index p = 0; p < from.panels(); ++p) {
      const T* a = from.row(p, 0);
      T* out = squared_input_[node].row(p, 0);
      for (Index i = 0; i < batch_.padded() * row_units<T>; ++i) {
        out[i] = a[i] * a[i];
      }
    }
  }
  squared_ = true;
}

template <class T>
void TypedNetworkLinearization<T>::add_squares(const PanelStore<T>& h, double factor, VectorRef out) const {
  square_values();
  const Term term{{&squared_input_, 0}, &squared_value_, &h};
  pass().add_outer({&term, 1}, batch_, factor, out);
}

template <class T>
bool TypedNetworkLinearization<T>::recursive_diagonal(Recursion recursion, VectorRef out) const {
  if (penalty().present() && recursion == Recursion::exact) {
    return false;
  }
  pass().shape(tangent_, batch_.samples);
  direction_.pack_squares(plan(), x_);
  pass().run_recursion(direction_, batch_, state_, tangent_.delta, recursion);
  std::fill(out.begin(), out.end(), 0.0);
  add_squares(tangent_.delta, scale(), out);
  add_decay_diagonal(plan(), context_.options.decay, out);
  return true;
}

template <class T>
bool TypedNetworkLinearization<T>::diagonal(Model model, VectorRef out) const {
  if (!offers(model).diagonal) {
    return false;
  }
  std::fill(out.begin(), out.end(), 0.0);
  pass().shape(tangent_, batch_.samples);
  switch (model) {
    case Model::exact:
      exact_diagonal(out);
      break;
    case Model::gauss_newton:
    case Model::fisher:
      gauss_newton_diagonal(out);
      break;
    case Model::sampled_fisher:
      square(drawn_deltas(context_.options.draws), tangent_.delta);
      add_squares(tangent_.delta, scale(), out);
      break;
    case Model::empirical_fisher:
      square(sample_deltas(), tangent_.delta);
      add_squares(tangent_.delta, scale(), out);
      break;
    case Model::squared_mean_gradient:
      gradient(out);
      std::transform(out.begin(), out.end(), out.begin(), [](double g) { return g * g; });
      return true;
  }
  add_decay_diagonal(plan(), context_.options.decay, out);
  return true;
}

template <class T>
void TypedNetworkLinearization<T>::output_factor(Index k, const Panels<T>& delta) const {
  const Index last = plan().count() - 1;
  for (Index s = 0; s < batch_.padded(); ++s) {
    for (Index j = 0; j < delta.units; ++j) {
      delta.at(j, s) = T{0};
    }
    switch (context_.options.loss) {
      case NetworkLoss::mean_square:
        delta.at(k, s) = state_.first[last].at(k, s);
        break;
      case NetworkLoss::sigmoid_cross_entropy: {
        const T y = state_.predicted[0].at(k, s);
        delta.at(k, s) = std::sqrt(y * (T{1} - y));
        break;
      }
      case NetworkLoss::softmax_cross_entropy: {
        // diag(y) - y y' = sum_k y_k (e_k - y)(e_k - y)'
        const T root = std::sqrt(state_.predicted[0].at(k, s));
        for (Index j = 0; j < delta.units; ++j) {
          delta.at(j, s) = root * ((j == k ? T{1} : T{0}) - state_.predicted[0].at(j, s));
        }
        break;
      }
    }
  }
}

template <class T>
void TypedNetworkLinearization<T>::gauss_newton_diagonal(VectorRef out) const {
  const Index last = plan().count() - 1;
  for (Index k = 0; k < plan().output().units; ++k) {
    output_factor(k, tangent_.delta[last]);
    pass().run_back(weights_, batch_, state_, tangent_.delta);
    square(tangent_.delta, tangent_.delta);
    add_squares(tangent_.delta, scale(), out);
  }
}

/// z_j of a layer is linear in its own weights, so d2f/dw_ji^2 = a_i^2 d2f/dz_j^2: one pass for each unit.
template <class T>
void TypedNetworkLinearization<T>::exact_diagonal(VectorRef out) const {
  PanelStore<T> h;
  h.shape(layer_units(plan()), batch_.samples);
  for (Index l = 0; l < plan().count(); ++l) {
    for (Index unit = 0; unit < plan().layer(l).units; ++unit) {
      pass().run_unit_tangent(weights_, batch_, state_, l, unit, tangent_, TangentModel::exact);
      for (Index s = 0; s < batch_.padded(); ++s) {
        h[l].at(unit, s) = tangent_.delta[l].at(unit, s);
      }
    }
  }
  add_squares(h, scale(), out);
}

template <class T>
bool TypedNetworkLinearization<T>::dense(Model model, MatrixRef out) const {
  if (size() > dense_limit) {
    return false;
  }
  expects(out.rows == size() && out.cols == size(), "Network: a dense matrix is variables x variables");
  const bool curvature = model == Model::exact || model == Model::gauss_newton || model == Model::fisher;
  if (curvature && !penalty().present()) {
    dense_curvature(model == Model::exact ? TangentModel::exact : TangentModel::gauss_newton, out);
  } else {
    dense_by_products(model, out);
  }
  return true;
}

template <class T>
void TypedNetworkLinearization<T>::dense_by_products(Model model, MatrixRef out) const {
  std::vector<double> unit(static_cast<std::size_t>(size()), 0.0);
  for (Index j = 0; j < size(); ++j) {
    unit[static_cast<std::size_t>(j)] = 1;
    product(model, unit, {out.column(j), unit.size()});
    unit[static_cast<std::size_t>(j)] = 0;
  }
  for (Index j = 0; j < size(); ++j) {
    for (Index i = 0; i < j; ++i) {
      out(i, j) = out(j, i) = 0.5 * (out(i, j) + out(j, i));
    }
  }
}

/// Columns of the weights of one unit share a pass: along W(j, i), R z_j = a_i, so what the pass along R z_j
/// = 1 gives is scaled by a_i, sample by sample. Rows of earlier layers come from symmetry.
template <class T>
void TypedNetworkLinearization<T>::dense_curvature(TangentModel model, MatrixRef out) const {
  pass().shape(tangent_, batch_.samples);
  pass().shape(scaled_, batch_.samples);
  for (Index l = 0; l < plan().count(); ++l) {
    for (Index unit = 0; unit < plan().layer(l).units; ++unit) {
      pass().run_unit_tangent(weights_, batch_, state_, l, unit, tangent_, model);
      dense_columns(model, l, unit, out);
    }
  }
  for (Index l = 0; l < plan().count(); ++l) {
    const NetworkPlan::Layer& layer = plan().layer(l);
    const Index end = layer.first_bias + layer.units;
    for (Index j = layer.first_weight; j < end; ++j) {
      for (Index i = end; i < size(); ++i) {
        out(j, i) = out(i, j);
      }
      for (Index i = layer.first_weight; i < j; ++i) {
        out(i, j) = out(j, i) = 0.5 * (out(i, j) + out(j, i));
      }
      if (j < layer.first_bias) {
        out(j, j) += context_.options.decay;
      }
    }
  }
}

/// Columns W(unit, .) and b(unit) of layer l in the rows of the layers from l on.
template <class T>
void TypedNetworkLinearization<T>::dense_columns(TangentModel model, Index l, Index unit,
                                                 MatrixRef out) const {
  const NetworkPlan::Layer& layer = plan().layer(l);
  const auto column = [&](Index variable, const auto& factor) {
    for (Index m = l; m < plan().count(); ++m) {
      for (Index p = 0; p < scaled_.delta[m].panels(); ++p) {
        for (Index s = 0; s < batch_.padded(); ++s) {
          const T a = factor(s);
          const T* delta = tangent_.delta[m].row(p, s);
          const T* value = tangent_.value[m].row(p, s);
          T* scaled_delta = scaled_.delta[m].row(p, s);
          T* scaled_value = scaled_.value[m].row(p, s);
          for (Index j = 0; j < row_units<T>; ++j) {
            scaled_delta[j] = a * delta[j];
            scaled_value[j] = a * value[j];
          }
        }
      }
    }
    const VectorRef target(out.column(variable), static_cast<std::size_t>(size()));
    std::fill(target.begin() + layer.first_weight, target.end(), 0.0);
    const Term terms[] = {{batch_.input, &state_.value, &scaled_.delta},
                          {{}, &scaled_.value, &state_.delta, false, l}};
    pass().add_outer(std::span(terms).first(model == TangentModel::exact ? 2 : 1), batch_, scale(), target,
                     l);
  };
  Index variable = layer.first_weight + unit;
  for (Index k = layer.first_link; k < layer.last_link; ++k) {
    const NetworkLink& link = plan().link(k);
    const Panels<T> a =
        link.source_is_input ? batch_.input[link.source] : state_.value[link.source - plan().inputs];
    for (Index i = 0; i < link.inputs; ++i) {
      column(variable, [&](Index s) { return a.at(i, s); });
      variable += layer.units;
    }
  }
  column(layer.first_bias + unit, [](Index) { return T{1}; });
}

template class TypedNetworkLinearization<float>;
template class TypedNetworkLinearization<double>;

}  // namespace kappa::detail
