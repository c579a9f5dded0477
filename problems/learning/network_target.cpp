#include "problems/learning/network_target.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "core/option_checks.h"
#include "kappa/random.h"
#include "problems/io/samples.h"
#include "problems/learning/network_plan.h"

namespace kappa {
namespace {

constexpr const char* scheme = "network";

/// What the keys say.
struct NetworkKeys : detail::SampleChoice {
  std::string activation = "tanh";
  std::string output = "linear";
  std::string loss = "softmax";
  std::string targets = "data";
  std::string data;
  Index samples = 0;
  double decay = 0;
  double contraction = 0;
  Index code = -1;
  Index seed = 1;
  std::string precision = "double";
};

constexpr Index generated_samples = 1000;
constexpr Index first_samples = 10;

constexpr Field<NetworkKeys> fields[] = {
    {"activation", &NetworkKeys::activation, "",
     "of hidden layers: linear, tanh, sigmoid, relu, softplus or gelu"},
    {"output", &NetworkKeys::output, "", "activation of the last layer; cross-entropies take linear"},
    {"loss", &NetworkKeys::loss, "", "mean-square, sigmoid or softmax (cross-entropies)"},
    {"targets", &NetworkKeys::targets, "", "data (labels or numbers), or features: an autoencoder"},
    {"data", &NetworkKeys::data, "",
     "idx images, a folder of MNIST's files, FILE.csv or a libsvm file; none: generated"},
    {"samples", &NetworkKeys::samples, "",
     "samples taken from the beginning of the data, or generated; 0: all, or 1000"},
    {"leave_out", &NetworkKeys::leave_out, "", "every so many samples one is left out; 0: none"},
    {"take", &NetworkKeys::take, "",
     "every so many samples one is taken, those that leave_out leaves out; 0: all"},
    {"scale", &NetworkKeys::scale, "",
     "no, or standard: features of mean 0 and variance 1 over the samples that take does not name"},
    {"decay", &NetworkKeys::decay, "", "weight decay: f has decay/2 times the squared weights"},
    {"contraction", &NetworkKeys::contraction, "",
     "of autoencoders: f has contraction/2 times the mean squared norm of the code's Jacobian to the "
     "features"},
    {"code", &NetworkKeys::code, "", "layer of the code, from 0; -1: the hidden layer with the fewest units"},
    {"seed", &NetworkKeys::seed, "", "of the starting weights and of generated data"},
    {"precision", &NetworkKeys::precision, "", "single or double, of the computation inside"},
};

Activation read_activation(const char* key, const std::string& text) {
  return static_cast<Activation>(
      detail::choose_option(scheme, key, text, {"linear", "tanh", "sigmoid", "relu", "softplus", "gelu"}));
}

[[noreturn]] void bad_topology(std::string_view text, std::string_view part) {
  throw Error(
      "network: '" + std::string(part) + "' in '" + std::string(text) +
      "' is no layer; write sizes with - between them, as in 784-128-10, and the nodes a layer takes as "
      "4@0+1");
}

Index read_count(std::string_view text, std::string_view part) {
  Index out = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), out);
  if (error != std::errc() || end != part.data() + part.size() || out < 0 || out > 100'000'000) {
    bad_topology(text, part);
  }
  return out;
}

/// The numbers of "3+2".
std::vector<Index> read_counts(std::string_view text, std::string_view part) {
  std::vector<Index> out;
  while (true) {
    const std::size_t plus = std::min(part.find('+'), part.size());
    out.push_back(read_count(text, part.substr(0, plus)));
    if (plus == part.size()) {
      return out;
    }
    part.remove_prefix(plus + 1);
  }
}

bool ends_in(const std::string& text, std::string_view end) {
  return text.ends_with(end) || text.ends_with(std::string(end) + ".gz");
}

Dataset load_images(const std::string& images) {
  std::string labels = images;
  const std::size_t name = labels.rfind("images");
  if (name == std::string::npos) {
    throw Error("network: the labels of " + images + " are not found; images are named ...images-idx3-ubyte");
  }
  labels.replace(name, 6, "labels");
  const std::size_t kind = labels.rfind("idx3");
  if (kind != std::string::npos) {
    labels.replace(kind, 4, "idx1");
  }
  return load_idx(images, labels);
}

Dataset load_data(const NetworkKeys& keys) {
  const std::filesystem::path path = keys.data;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    const std::filesystem::path images = path / "train-images-idx3-ubyte";
    return load_images(std::filesystem::exists(images) ? images.string() : images.string() + ".gz");
  }
  const Targets targets =
      keys.loss == "mean-square" && keys.targets == "data" ? Targets::numbers : Targets::classes;
  if (ends_in(keys.data, "ubyte") || ends_in(keys.data, ".idx")) {
    return load_images(keys.data);
  }
  if (ends_in(keys.data, ".csv")) {
    CsvOptions options;
    options.targets = targets;
    return load_csv(keys.data, options);
  }
  LibsvmOptions options;
  options.targets = targets;
  return load_libsvm(keys.data, options);
}

/// The first `samples` of the data.
void shorten(Index samples, Dataset& data) {
  if (samples == 0 || samples >= data.samples()) {
    return;
  }
  const auto kept = static_cast<std::size_t>(samples);
  Features& f = data.features;
  if (f.sparse()) {
    f.row_start.resize(kept + 1);
    f.value.resize(static_cast<std::size_t>(f.row_start.back()));
    f.column.resize(f.value.size());
  } else {
    f.value.resize(kept * static_cast<std::size_t>(f.size));
  }
  f.samples = samples;
  data.label.resize(std::min(data.label.size(), kept));
  data.target.resize(std::min(data.target.size(), kept * static_cast<std::size_t>(data.outputs)));
}

/// Targets from a network of the same topology with three times the weights of a start.
void teach(const NetworkTopology& topology, const NetworkOptions& options, std::uint64_t seed,
           Dataset& data) {
  const Index outputs = topology.layers.back().units;
  NetworkOptions plain;
  plain.loss = NetworkLoss::mean_square;
  data.outputs = outputs;
  data.target.assign(static_cast<std::size_t>(data.samples() * outputs), 0.0);
  const Network teacher(topology, data, plain);
  std::vector<double> weights = teacher.initial(seed + 1);
  std::for_each(weights.begin(), weights.end(), [](double& w) { w *= 3; });
  teacher.outputs(weights, data.features, {data.target.data(), outputs, data.samples(), outputs});
  if (options.loss == NetworkLoss::mean_square) {
    return;
  }
  for (Index s = 0; s < data.samples(); ++s) {
    const double* z = data.target.data() + s * outputs;
    data.label.push_back(
        static_cast<std::int32_t>(outputs == 1 ? (z[0] > 0 ? 1 : 0) : std::max_element(z, z + outputs) - z));
  }
  data.target.clear();
  data.outputs = 0;
}

Dataset generate(const NetworkTopology& topology, const NetworkOptions& options, const NetworkKeys& keys) {
  Dataset out;
  out.name = "generated";
  out.features.samples = keys.samples == 0 ? generated_samples : keys.samples;
  for (const Index size : topology.inputs) {
    out.features.size += size;
  }
  constexpr double most = 1e9;  // 8 GB
  if (static_cast<double>(out.features.samples) * static_cast<double>(out.features.size) > most) {
    throw Error("network: " + std::to_string(out.features.samples) + " generated samples of " +
                std::to_string(out.features.size) + " features do not fit into 8 GB; ask for fewer samples");
  }
  const auto seed = static_cast<std::uint64_t>(keys.seed);
  const CounterRandom random(seed, 1);
  const auto values = static_cast<std::uint64_t>(out.features.samples * out.features.size);
  for (std::uint64_t k = 0; k < values; ++k) {
    out.features.value.push_back(random.uniform(k));
  }
  if (options.targets == NetworkOptions::Targets::data) {
    teach(topology, options, seed, out);
  }
  return out;
}

NetworkKeys read_keys(const std::vector<std::pair<std::string, std::string>>& given) {
  Options options;
  for (const auto& [key, value] : given) {
    options.set(key, value);
  }
  const NetworkKeys out = read_options<NetworkKeys>(scheme, options, fields);
  detail::require_option(out.samples >= 0, scheme, "samples", static_cast<std::int64_t>(out.samples),
                         "it must not be negative");
  detail::require_option(out.seed >= 0, scheme, "seed", static_cast<std::int64_t>(out.seed),
                         "it must not be negative");
  return out;
}

NetworkOptions network_options(const NetworkKeys& keys) {
  NetworkOptions out;
  out.loss = static_cast<NetworkLoss>(
      detail::choose_option(scheme, "loss", keys.loss, {"mean-square", "sigmoid", "softmax"}));
  out.targets = static_cast<NetworkOptions::Targets>(
      detail::choose_option(scheme, "targets", keys.targets, {"data", "features"}));
  out.precision = static_cast<Precision>(
      detail::choose_option(scheme, "precision", keys.precision, {"single", "double"}));
  out.decay = keys.decay;
  out.contraction = keys.contraction;
  out.code = keys.code;
  return out;
}

}  // namespace

std::vector<OptionInfo> network_keys() {
  return describe_options<NetworkKeys>(fields);
}

NetworkTopology read_topology(std::string_view text, Activation hidden, Activation output) {
  NetworkTopology out;
  std::string_view rest = text;
  bool more = true;
  while (more) {
    const std::size_t dash = std::min(rest.find('-'), rest.size());
    more = dash < rest.size();
    const std::string_view part = rest.substr(0, dash);
    rest.remove_prefix(more ? dash + 1 : dash);
    if (out.inputs.empty()) {
      out.inputs = read_counts(text, part);
      continue;
    }
    const std::size_t at = std::min(part.find('@'), part.size());
    NetworkLayer layer;
    layer.units = read_count(text, part.substr(0, at));
    layer.activation = more ? hidden : output;
    if (at < part.size()) {
      layer.sources = read_counts(text, part.substr(at + 1));
    }
    out.layers.push_back(std::move(layer));
  }
  return out;
}

NamedNetwork make_network(std::string_view name,
                          const std::vector<std::pair<std::string, std::string>>& given) {
  const NetworkKeys keys = read_keys(given);
  const NetworkOptions options = network_options(keys);
  const NetworkTopology topology = read_topology(name, read_activation("activation", keys.activation),
                                                 read_activation("output", keys.output));
  const detail::NetworkPlan checked(topology, 1);  // before data is made for it
  Dataset data;
  if (keys.data.empty()) {
    data = generate(topology, options, keys);
  } else {
    data = load_data(keys);
    shorten(keys.samples, data);
  }
  detail::choose_samples(scheme, keys, data);
  Network network(topology, data, options);
  std::vector<double> x0 = network.initial(static_cast<std::uint64_t>(keys.seed));
  std::string note = std::to_string(network.dimension()) + " variables, " + std::to_string(network.terms()) +
                     " samples" + (keys.data.empty() ? ", generated" : "") + ", loss " +
                     std::string(kappa::name(options.loss));
  std::vector<Index> first(static_cast<std::size_t>(std::min(first_samples, data.samples())));
  std::iota(first.begin(), first.end(), Index{0});
  return {std::move(network), std::move(x0), std::move(note), dense_rows(data.features, first)};
}

}  // namespace kappa
