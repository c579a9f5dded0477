#include "kappa/network.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "kappa/random.h"
#include "problems/learning/network_linearization.h"

namespace kappa {

std::string_view name(Activation activation) {
  constexpr std::string_view names[] = {"linear", "tanh", "sigmoid", "relu", "softplus", "gelu"};
  return names[static_cast<std::size_t>(activation)];
}

std::string_view name(NetworkLoss loss) {
  constexpr std::string_view names[] = {"mean-square", "sigmoid", "softmax"};
  return names[static_cast<std::size_t>(loss)];
}

NetworkTopology NetworkTopology::chain(std::vector<Index> sizes, Activation hidden, Activation output) {
  if (sizes.size() < 2) {
    throw Error("network: a chain has at least the sizes of its input and its output");
  }
  NetworkTopology out;
  out.inputs = {sizes.front()};
  for (std::size_t k = 1; k < sizes.size(); ++k) {
    out.layers.push_back({sizes[k], k + 1 < sizes.size() ? hidden : output, {}});
  }
  return out;
}

class Network::Implementation {
 public:
  Implementation(NetworkTopology given, const NetworkOptions& opts)
      : topology(std::move(given)), options(opts) {}
  virtual ~Implementation() = default;

  virtual const detail::NetworkPlan& plan() const = 0;
  virtual Index terms() const = 0;
  static ModelSet models() {
    return {Model::exact,          Model::gauss_newton,     Model::fisher,
            Model::sampled_fisher, Model::empirical_fisher, Model::squared_mean_gradient};
  }
  virtual EvalStatus evaluate(const Request& request, Evaluation& evaluation) const = 0;
  virtual std::vector<Measure> measures(ConstVectorRef x, const Dataset* data) const = 0;
  virtual void values(ConstVectorRef x, const Features& features, Index layer, bool predictions,
                      MatrixRef out) const = 0;
  /// Jacobian of the loss's argument at a sample with respect to z of each layer, and the values of the
  /// nodes.
  virtual void sample_jacobian(ConstVectorRef x, Index sample, Index output,
                               std::vector<std::vector<double>>& value,
                               std::vector<std::vector<double>>& delta) const = 0;

  NetworkTopology topology;
  NetworkOptions options;
};

namespace {

/// Buffers of evaluations that keep nothing, handed out to one thread at a time.
template <class W>
class Pool {
 public:
  std::unique_ptr<W> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      return std::make_unique<W>();
    }
    std::unique_ptr<W> out = std::move(free_.back());
    free_.pop_back();
    return out;
  }
  void give(std::unique_ptr<W> back) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(back));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<W>> free_;
};

template <class W>
class Borrowed {
 public:
  explicit Borrowed(Pool<W>& pool) : pool_(pool), lent_(pool.take()) {}
  ~Borrowed() { pool_.give(std::move(lent_)); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  W* operator->() const { return lent_.get(); }
  W& operator*() const { return *lent_; }

 private:
  Pool<W>& pool_;
  std::unique_ptr<W> lent_;
};

void require_losses_fit(const NetworkTopology& topology, const NetworkOptions& options) {
  const NetworkLayer& output = topology.layers.back();
  if (options.loss != NetworkLoss::mean_square && output.activation != Activation::linear) {
    throw Error("network: loss " + std::string(name(options.loss)) +
                " has its own output function, so the output layer must be linear, not " +
                std::string(name(output.activation)));
  }
  if (options.loss == NetworkLoss::softmax_cross_entropy && output.units < 2) {
    throw Error("network: loss softmax needs at least two outputs; for one, take loss sigmoid");
  }
  if (!(options.decay >= 0) || !std::isfinite(options.decay)) {
    throw Error("network: decay is " + std::to_string(options.decay) + "; it must not be negative");
  }
}

/// Copies features into panels, each input node its columns.
template <class T>
void copy_features(const detail::NetworkPlan& plan, const Features& features, detail::PanelStore<T>& input) {
  if (features.size != plan.features) {
    throw Error("network: the data has " + std::to_string(features.size) + " features, the inputs take " +
                std::to_string(plan.features));
  }
  const std::span<const Index> units =
      std::span(plan.node_units).first(static_cast<std::size_t>(plan.inputs));
  input.shape(units, features.samples);
  std::vector<Index> node_of(static_cast<std::size_t>(plan.features));
  std::vector<Index> first(static_cast<std::size_t>(plan.inputs));
  Index column = 0;
  for (Index node = 0; node < plan.inputs; ++node) {
    first[static_cast<std::size_t>(node)] = column;
    for (Index i = 0; i < plan.units(node); ++i) {
      node_of[static_cast<std::size_t>(column++)] = node;
    }
  }
  const auto put = [&](Index sample, Index at, double value) {
    if (!std::isfinite(value)) {
      throw Error("network: feature " + std::to_string(at) + " of sample " + std::to_string(sample) +
                  " is not finite; leave the sample out or replace it");
    }
    const Index node = node_of[static_cast<std::size_t>(at)];
    input[node].at(at - first[static_cast<std::size_t>(node)], sample) = static_cast<T>(value);
  };
  for (Index s = 0; s < features.samples; ++s) {
    if (features.sparse()) {
      for (Index k = features.row_start[static_cast<std::size_t>(s)];
           k < features.row_start[static_cast<std::size_t>(s) + 1]; ++k) {
        put(s, features.column[static_cast<std::size_t>(k)], features.value[static_cast<std::size_t>(k)]);
      }
    } else {
      for (Index i = 0; i < features.size; ++i) {
        put(s, i, features.value[static_cast<std::size_t>(s * features.size + i)]);
      }
    }
  }
}

void require_labels(const Dataset& data, Index outputs) {
  if (static_cast<Index>(data.label.size()) != data.samples()) {
    throw Error("network: the data has " + std::to_string(data.samples()) + " samples and " +
                std::to_string(data.label.size()) + " labels; give each sample a class");
  }
  const Index classes = outputs == 1 ? 2 : outputs;
  for (std::size_t s = 0; s < data.label.size(); ++s) {
    if (data.label[s] < 0 || data.label[s] >= classes) {
      throw Error("network: sample " + std::to_string(s) + " has class " + std::to_string(data.label[s]) +
                  ", but " + std::to_string(outputs) + (outputs == 1 ? " output takes" : " outputs take") +
                  " classes 0 to " + std::to_string(classes - 1));
    }
  }
}

/// One-hot targets; of one output, the class itself.
template <class T>
void copy_labels(const Dataset& data, const detail::Panels<T>& target) {
  for (Index s = 0; s < data.samples(); ++s) {
    const Index label = data.label[static_cast<std::size_t>(s)];
    if (target.units == 1) {
      target.at(0, s) = static_cast<T>(label);
    } else {
      target.at(label, s) = T{1};
    }
  }
}

template <class T>
void copy_targets(const Dataset& data, const NetworkOptions& options, const detail::Panels<T>& target) {
  if (data.outputs != target.units ||
      static_cast<Index>(data.target.size()) != data.samples() * data.outputs) {
    throw Error("network: the data has " + std::to_string(data.outputs) + " targets a sample, the network " +
                std::to_string(target.units) + " outputs");
  }
  const bool probability = options.loss == NetworkLoss::sigmoid_cross_entropy;
  for (Index s = 0; s < data.samples(); ++s) {
    for (Index k = 0; k < target.units; ++k) {
      const double t = data.target[static_cast<std::size_t>(s * target.units + k)];
      if (!std::isfinite(t) || (probability && (t < 0 || t > 1))) {
        throw Error("network: target " + std::to_string(k) + " of sample " + std::to_string(s) + " is " +
                    std::to_string(t) +
                    (probability ? "; loss sigmoid takes 0 to 1" : "; it must be finite"));
      }
      target.at(k, s) = static_cast<T>(t);
    }
  }
}

/// The features of each sample as its targets.
template <class T>
void copy_inputs(const detail::NetworkPlan& plan, const NetworkOptions& options,
                 const detail::PanelStore<T>& input, Index samples, const detail::Panels<T>& target) {
  if (target.units != plan.features) {
    throw Error("network: an autoencoder has as many outputs as features, here " +
                std::to_string(plan.features) + ", not " + std::to_string(target.units));
  }
  Index first = 0;
  for (Index node = 0; node < plan.inputs; ++node) {
    for (Index s = 0; s < samples; ++s) {
      for (Index i = 0; i < plan.units(node); ++i) {
        const T t = input[node].at(i, s);
        if (options.loss == NetworkLoss::sigmoid_cross_entropy && (t < 0 || t > 1)) {
          throw Error("network: feature " + std::to_string(first + i) + " of sample " + std::to_string(s) +
                      " is " + std::to_string(t) +
                      "; as a target of loss sigmoid it lies in 0 to 1: scale it or take loss mean-square");
        }
        target.at(first + i, s) = t;
      }
    }
    first += plan.units(node);
  }
}

template <class T>
void copy_data(const detail::NetworkPlan& plan, const NetworkOptions& options, const Dataset& data,
               detail::NetworkData<T>& out) {
  if (data.samples() < 1) {
    throw Error("network: the data has no samples");
  }
  out.samples = data.samples();
  copy_features(plan, data.features, out.input);
  const bool features = options.targets == NetworkOptions::Targets::features;
  const Index outputs = plan.output().units;
  if (options.loss == NetworkLoss::softmax_cross_entropy) {
    if (features) {
      throw Error("network: loss softmax takes classes, so it has no use for features as targets");
    }
    require_labels(data, outputs);
    out.label = data.label;
    return;
  }
  out.has_target = true;
  out.target.shape({&outputs, 1}, out.samples);
  if (features) {
    copy_inputs(plan, options, out.input, out.samples, out.target[0]);
  } else if (!data.label.empty()) {
    require_labels(data, outputs);
    out.label = data.label;
    copy_labels(data, out.target[0]);
  } else {
    copy_targets(data, options, out.target[0]);
  }
}

}  // namespace

template <class T>
class Network::Typed final : public Implementation {
 public:
  static constexpr Index piece = 4 * detail::NetworkPass<T>::slab;

  Typed(NetworkTopology given, const Dataset& data, const NetworkOptions& opts)
      : Implementation(std::move(given), opts), context_(topology, opts) {
    require_losses_fit(topology, options);
    copy_data(context_.plan, options, data, context_.data);
  }

  const detail::NetworkPlan& plan() const override { return context_.plan; }
  Index terms() const override { return context_.data.samples; }
  EvalStatus evaluate(const Request& request, Evaluation& evaluation) const override;
  std::vector<Measure> measures(ConstVectorRef x, const Dataset* data) const override;
  void values(ConstVectorRef x, const Features& features, Index layer, bool predictions,
              MatrixRef out) const override;
  void sample_jacobian(ConstVectorRef x, Index sample, Index output, std::vector<std::vector<double>>& value,
                       std::vector<std::vector<double>>& delta) const override;

 private:
  using Linearization = detail::TypedNetworkLinearization<T>;
  struct Workspace {
    detail::NetworkWeights<T> weights;
    detail::NetworkState<T> state;
    detail::GatheredBatch<T> gathered;
    std::vector<double> partial;
    typename detail::ContractivePenalty<T>::Workspace penalty;
  };

  /// Calls body(batch, loss sum) for the data's pieces; false where it was interrupted.
  template <class Body>
  bool each_piece(Workspace& at, const detail::NetworkData<T>& data, std::span<const Index> terms,
                  detail::PassDepth depth, const Interrupt* interrupt, const Body& body) const;
  EvalStatus finish(const Request& request, double loss, Evaluation& evaluation) const;
  double penalty(ConstVectorRef x) const;

  detail::NetworkContext<T> context_;
  mutable Pool<Workspace> pool_;
};

template <class T>
template <class Body>
bool Network::Typed<T>::each_piece(Workspace& at, const detail::NetworkData<T>& data,
                                   std::span<const Index> terms, detail::PassDepth depth,
                                   const Interrupt* interrupt, const Body& body) const {
  const Index samples = terms.empty() ? data.samples : static_cast<Index>(terms.size());
  for (Index begin = 0; begin < samples; begin += piece) {
    if (interrupt != nullptr && interrupt->requested()) {
      return false;
    }
    const Index end = std::min(begin + piece, samples);
    const detail::NetworkBatch<T> batch =
        terms.empty() ? detail::piece_of(data, begin, end)
                      : at.gathered.gather(plan(), data,
                                           terms.subspan(static_cast<std::size_t>(begin),
                                                         static_cast<std::size_t>(end - begin)));
    context_.pass.shape(at.state, batch.samples, depth);
    body(batch, context_.pass.run(at.weights, batch, at.state, depth, at.partial));
  }
  return true;
}

template <class T>
double Network::Typed<T>::penalty(ConstVectorRef x) const {
  double sum = 0;
  if (options.decay > 0) {
    for (const detail::NetworkPlan::Layer& layer : plan().layers) {
      for (Index i = layer.first_weight; i < layer.first_bias; ++i) {
        sum += x[static_cast<std::size_t>(i)] * x[static_cast<std::size_t>(i)];
      }
    }
  }
  return 0.5 * options.decay * sum;
}

template <class T>
EvalStatus Network::Typed<T>::evaluate(const Request& request, Evaluation& evaluation) const {
  const auto missing = [&](Want want) {
    return includes(request.want, want) && !includes(evaluation.have, want);
  };
  const std::span<const Index> terms = request.sample.terms;
  const Index samples = terms.empty() ? context_.data.samples : static_cast<Index>(terms.size());
  const double scale = 1.0 / static_cast<double>(samples);
  const bool gradient = missing(Want::gradient);
  if (gradient) {
    evaluation.gradient.assign(static_cast<std::size_t>(plan().variables), 0.0);
  }
  if (missing(Want::linearization)) {
    if (request.interrupt != nullptr && request.interrupt->requested()) {
      return EvalStatus::interrupted;
    }
    auto* linearization = dynamic_cast<Linearization*>(evaluation.linearization.get());
    if (linearization == nullptr || !linearization->belongs_to(context_)) {
      auto made = std::make_unique<Linearization>(context_);
      linearization = made.get();
      evaluation.linearization = std::move(made);
    }
    const double loss = linearization->linearize(evaluation.x, terms);
    if (gradient) {
      linearization->gradient(evaluation.gradient);
    }
    return finish(request, loss, evaluation);
  }
  if (!gradient && !missing(Want::value)) {
    return EvalStatus::ok;
  }
  const Borrowed<Workspace> at(pool_);
  at->weights.pack(plan(), evaluation.x);
  const VectorRef evaluation_gradient = gradient ? VectorRef(evaluation.gradient) : VectorRef();
  double loss = 0;
  const bool done = each_piece(
      *at, context_.data, terms,
      gradient || context_.penalty.present() ? detail::PassDepth::gradient : detail::PassDepth::value,
      request.interrupt, [&](const detail::NetworkBatch<T>& batch, double sum) {
        loss += sum;
        if (context_.penalty.present()) {
          loss += context_.penalty.run(at->weights, batch, at->state,
                                       gradient ? detail::PassDepth::gradient : detail::PassDepth::value,
                                       scale, evaluation_gradient, at->penalty);
        }
        if (gradient) {
          if (context_.penalty.present()) {
            context_.penalty.inject(at->weights, batch, at->state, at->penalty);
          }
          const detail::OuterTerm<T> term{batch.input, &at->state.value, &at->state.delta};
          context_.pass.add_outer({&term, 1}, batch, scale, evaluation.gradient);
        }
      });
  if (!done) {
    return EvalStatus::interrupted;
  }
  if (gradient) {
    detail::add_decay(plan(), options.decay, evaluation.x, evaluation.gradient);
  }
  return finish(request, scale * loss, evaluation);
}

/// Takes over what was computed, unless it is not finite.
template <class T>
EvalStatus Network::Typed<T>::finish(const Request& request, double loss, Evaluation& evaluation) const {
  const double value = loss + penalty(evaluation.x);
  if (!std::isfinite(value)) {
    evaluation.fault = "the network's loss is not finite";
    return EvalStatus::outside_domain;
  }
  if (includes(request.want, Want::gradient) && !includes(evaluation.have, Want::gradient) &&
      !std::all_of(evaluation.gradient.begin(), evaluation.gradient.end(),
                   [](double g) { return std::isfinite(g); })) {
    evaluation.fault = "the network's gradient is not finite";
    return EvalStatus::outside_domain;
  }
  if (!includes(evaluation.have, Want::value)) {
    evaluation.value = value;
  }
  if (sizeof(T) < sizeof(double) && includes(request.want, Want::linearization)) {
    evaluation.value_rounding = static_cast<double>(std::numeric_limits<T>::epsilon()) * std::abs(loss);
  }
  evaluation.have = evaluation.have | Want::value | request.want;
  if (includes(request.want, Want::linearization)) {
    evaluation.models.insert(models());
  }
  return EvalStatus::ok;
}

namespace {

/// Whether the outputs of sample s name its class.
template <class T>
bool classified(const detail::Panels<T>& output, Index s, Index label, double threshold) {
  if (output.units == 1) {
    return (static_cast<double>(output.at(0, s)) > threshold) == (label == 1);
  }
  Index best = 0;
  for (Index k = 1; k < output.units; ++k) {
    best = output.at(k, s) > output.at(best, s) ? k : best;
  }
  return best == label;
}

}  // namespace

template <class T>
std::vector<Measure> Network::Typed<T>::measures(ConstVectorRef x, const Dataset* other) const {
  detail::NetworkData<T> copy;
  if (other != nullptr) {
    copy_data(plan(), options, *other, copy);
  }
  const detail::NetworkData<T>& data = other == nullptr ? context_.data : copy;
  const double threshold = options.loss == NetworkLoss::mean_square ? 0.5 : 0.0;
  const Borrowed<Workspace> at(pool_);
  at->weights.pack(plan(), x);
  double loss = 0;
  Index right = 0;
  each_piece(*at, data, {}, detail::PassDepth::value, nullptr,
             [&](const detail::NetworkBatch<T>& batch, double sum) {
               loss += sum;
               for (Index s = 0; batch.label != nullptr && s < batch.samples; ++s) {
                 right +=
                     classified(at->state.value[plan().count() - 1], s, batch.label[s], threshold) ? 1 : 0;
               }
             });
  const double samples = static_cast<double>(data.samples);
  std::vector<Measure> out{{"loss", loss / samples, Measure::Better::lower}};
  if (!data.label.empty()) {
    out.push_back({"accuracy", static_cast<double>(right) / samples, Measure::Better::higher});
  }
  return out;
}

template <class T>
void Network::Typed<T>::values(ConstVectorRef x, const Features& features, Index layer, bool predictions,
                               MatrixRef out) const {
  detail::NetworkData<T> data;
  copy_features(plan(), features, data.input);
  data.samples = features.samples;
  const Borrowed<Workspace> at(pool_);
  at->weights.pack(plan(), x);
  // A pass needs targets of some kind; its loss is not looked at.
  const Index outputs = plan().output().units;
  if (options.loss == NetworkLoss::softmax_cross_entropy) {
    data.label.assign(static_cast<std::size_t>(features.samples), 0);
  } else {
    data.has_target = true;
    data.target.shape({&outputs, 1}, features.samples);
  }
  Index begin = 0;
  each_piece(*at, data, {}, detail::PassDepth::value, nullptr,
             [&](const detail::NetworkBatch<T>& batch, double) {
               const detail::Panels<T>& from = predictions && options.loss != NetworkLoss::mean_square
                                                   ? at->state.predicted[0]
                                                   : at->state.value[layer];
               for (Index s = 0; s < batch.samples; ++s) {
                 for (Index j = 0; j < from.units; ++j) {
                   out(j, begin + s) = static_cast<double>(from.at(j, s));
                 }
               }
               begin += batch.samples;
             });
}

template <class T>
void Network::Typed<T>::sample_jacobian(ConstVectorRef x, Index sample, Index output,
                                        std::vector<std::vector<double>>& value,
                                        std::vector<std::vector<double>>& delta) const {
  const Borrowed<Workspace> at(pool_);
  at->weights.pack(plan(), x);
  const detail::NetworkBatch<T> batch = at->gathered.gather(plan(), context_.data, {&sample, 1});
  context_.pass.shape(at->state, 1, detail::PassDepth::gradient);
  context_.pass.run(at->weights, batch, at->state, detail::PassDepth::gradient, at->partial);
  const Index last = plan().count() - 1;
  const detail::Panels<T>& d = at->state.delta[last];
  for (Index s = 0; s < batch.padded(); ++s) {
    for (Index j = 0; j < d.units; ++j) {
      d.at(j, s) = s == 0 && j == output ? at->state.first[last].at(j, s) : T{0};
    }
  }
  context_.pass.run_back(at->weights, batch, at->state, at->state.delta);
  const auto copy = [](const detail::Panels<T>& from, std::vector<double>& to) {
    to.resize(static_cast<std::size_t>(from.units));
    for (Index j = 0; j < from.units; ++j) {
      to[static_cast<std::size_t>(j)] = static_cast<double>(from.at(j, 0));
    }
  };
  value.resize(static_cast<std::size_t>(plan().nodes()));
  delta.resize(static_cast<std::size_t>(plan().count()));
  for (Index node = 0; node < plan().nodes(); ++node) {
    copy(node < plan().inputs ? batch.input[node] : at->state.value[node - plan().inputs],
         value[static_cast<std::size_t>(node)]);
  }
  for (Index l = 0; l < plan().count(); ++l) {
    copy(at->state.delta[l], delta[static_cast<std::size_t>(l)]);
  }
}

Network::Network(NetworkTopology topology, const Dataset& data, const NetworkOptions& options) {
  if (options.precision == Precision::single_precision) {
    implementation_ = std::make_unique<Typed<float>>(std::move(topology), data, options);
  } else {
    implementation_ = std::make_unique<Typed<double>>(std::move(topology), data, options);
  }
}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

std::vector<double> Network::initial(std::uint64_t seed) const {
  const detail::NetworkPlan& plan = implementation_->plan();
  const CounterRandom random(seed);
  std::vector<double> x(static_cast<std::size_t>(plan.variables), 0.0);
  for (const detail::NetworkPlan::Layer& layer : plan.layers) {
    const bool rectifies = layer.activation == Activation::relu || layer.activation == Activation::softplus ||
                           layer.activation == Activation::gelu;
    const double fan_in = static_cast<double>(layer.inputs);
    const double range = std::sqrt(6.0 / (fan_in + static_cast<double>(layer.units)));
    const double deviation = std::sqrt(2.0 / fan_in);
    for (Index i = layer.first_weight; i < layer.first_bias; ++i) {
      const auto k = static_cast<std::uint64_t>(i);
      x[static_cast<std::size_t>(i)] =
          rectifies ? deviation * random.normal(k) : range * (2 * random.uniform(k) - 1);
    }
  }
  return x;
}

Index Network::dimension() const {
  return implementation_->plan().variables;
}

Index Network::terms() const {
  return implementation_->terms();
}

Index Network::residuals() const {
  const NetworkOptions& given = options();
  return given.loss == NetworkLoss::mean_square && given.decay == 0 && given.contraction == 0
             ? terms() * outputs()
             : 0;
}

ModelSet Network::models() const {
  return Implementation::models();
}

EvalStatus Network::evaluate(const Request& request, Evaluation& evaluation) const {
  expects(static_cast<Index>(evaluation.x.size()) == dimension(),
          "Network::evaluate: x has as many entries as there are variables");
  return implementation_->evaluate(request, evaluation);
}

std::string Network::variable_name(Index i) const {
  const detail::NetworkPlan& plan = implementation_->plan();
  const Index l = plan.layer_of(i);
  const detail::NetworkPlan::Layer& layer = plan.layer(l);
  const std::string number = std::to_string(l + 1);
  if (i >= layer.first_bias) {
    return "b" + number + "(" + std::to_string(i - layer.first_bias) + ")";
  }
  const Index k = i - layer.first_weight;
  return "W" + number + "(" + std::to_string(k % layer.units) + "," + std::to_string(k / layer.units) + ")";
}

std::string Network::block_name(Index i) const {
  return "layer " + std::to_string(implementation_->plan().layer_of(i) + 1);
}

std::vector<Measure> Network::measures(ConstVectorRef x) const {
  return implementation_->measures(x, nullptr);
}

std::vector<Measure> Network::measures(ConstVectorRef x, const Dataset& data) const {
  return implementation_->measures(x, &data);
}

std::vector<std::string> Network::notes(ModelSet) const {
  if (options().precision == Precision::single_precision) {
    return {"the network computes in single precision: values and derivatives carry about six digits"};
  }
  return {};
}

void Network::outputs(ConstVectorRef x, const Features& features, MatrixRef out) const {
  expects(out.rows == outputs() && out.cols == features.samples,
          "Network::outputs: out is outputs x samples");
  implementation_->values(x, features, static_cast<Index>(topology().layers.size()) - 1, true, out);
}

void Network::layer_values(ConstVectorRef x, const Features& features, Index l, MatrixRef out) const {
  expects(l >= 0 && l < static_cast<Index>(topology().layers.size()), "Network::layer_values: no such layer");
  expects(out.rows == topology().layers[static_cast<std::size_t>(l)].units && out.cols == features.samples,
          "Network::layer_values: out is units x samples");
  implementation_->values(x, features, l, false, out);
}

void Network::input_jacobian(ConstVectorRef x, Index sample, MatrixRef out) const {
  const detail::NetworkPlan& plan = implementation_->plan();
  expects(out.rows == outputs() && out.cols == plan.features,
          "Network::input_jacobian: out is outputs x features");
  std::vector<std::vector<double>> value;
  std::vector<std::vector<double>> delta;
  for (Index output = 0; output < outputs(); ++output) {
    implementation_->sample_jacobian(x, sample, output, value, delta);
    for (Index i = 0; i < plan.features; ++i) {
      out(output, i) = 0;
    }
    for (const detail::NetworkLink& link : plan.links) {
      if (!link.source_is_input) {
        continue;
      }
      Index first = 0;
      for (Index node = 0; node < link.source; ++node) {
        first += plan.units(node);
      }
      const double* w = x.data() + link.first_weight;
      for (Index i = 0; i < link.inputs; ++i) {
        for (Index j = 0; j < link.units; ++j) {
          out(output, first + i) += w[i * link.units + j] *
                                    delta[static_cast<std::size_t>(link.layer)][static_cast<std::size_t>(j)];
        }
      }
    }
  }
}

void Network::weight_jacobian(ConstVectorRef x, Index sample, MatrixRef out) const {
  const detail::NetworkPlan& plan = implementation_->plan();
  expects(out.rows == outputs() && out.cols == plan.variables,
          "Network::weight_jacobian: out is outputs x variables");
  std::vector<std::vector<double>> value;
  std::vector<std::vector<double>> delta;
  for (Index output = 0; output < outputs(); ++output) {
    implementation_->sample_jacobian(x, sample, output, value, delta);
    for (const detail::NetworkLink& link : plan.links) {
      const std::vector<double>& a = value[static_cast<std::size_t>(link.source)];
      const std::vector<double>& d = delta[static_cast<std::size_t>(link.layer)];
      for (Index i = 0; i < link.inputs; ++i) {
        for (Index j = 0; j < link.units; ++j) {
          out(output, link.first_weight + i * link.units + j) =
              d[static_cast<std::size_t>(j)] * a[static_cast<std::size_t>(i)];
        }
      }
    }
    for (Index l = 0; l < plan.count(); ++l) {
      const detail::NetworkPlan::Layer& layer = plan.layer(l);
      for (Index j = 0; j < layer.units; ++j) {
        out(output, layer.first_bias + j) = delta[static_cast<std::size_t>(l)][static_cast<std::size_t>(j)];
      }
    }
  }
}

const NetworkTopology& Network::topology() const {
  return implementation_->topology;
}

const NetworkOptions& Network::options() const {
  return implementation_->options;
}

}  // namespace kappa
