#include "problems/likelihood/gaussian_target.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "core/option_checks.h"
#include "kappa/data.h"
#include "kappa/random.h"
#include "problems/analytic/nist.h"

namespace kappa {

namespace {

constexpr const char* part = "gaussian";
constexpr Index most_observations = 30000;  // 15 GB for the value alone
constexpr double side = 10;                 // of the box of generated inputs

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

template <class T>
T number(const std::string& key, const std::string& value, T least, T most) {
  T out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc() || end != value.data() + value.size() || !(out >= least && out <= most)) {
    throw Error(std::string(part) + ": key '" + key + "' cannot be '" + value + "'; it takes a number from " +
                to_text(least) + " to " + to_text(most));
  }
  return out;
}

GaussianTargetOptions read_keys(const std::vector<std::pair<std::string, std::string>>& keys) {
  GaussianTargetOptions out;
  constexpr std::int64_t largest_seed = std::int64_t{1} << 62;
  for (const auto& [key, value] : keys) {
    if (key == "n") {
      out.n = static_cast<Index>(number<std::int64_t>(key, value, 2, most_observations));
    } else if (key == "inputs") {
      out.inputs = static_cast<Index>(number<std::int64_t>(key, value, 1, 100));
    } else if (key == "kernel") {
      out.kernel = value;
    } else if (key == "mean") {
      const std::size_t choice = detail::choose_option(part, key, value, {"zero", "constant", "linear"});
      out.mean = choice == 0 ? "zero" : choice == 1 ? "constant" : "linear";
    } else if (key == "noise") {
      out.noise = number(key, value, 1e-12, 1e12);
    } else if (key == "offset") {
      out.offset = number(key, value, 0.0, 10.0);
    } else if (key == "period") {
      out.period = number(key, value, 1e-12, 1e12);
    } else if (key == "seed") {
      out.seed = static_cast<std::uint64_t>(number<std::int64_t>(key, value, 0, largest_seed));
    } else if (key == "file") {
      out.file = value;
    } else {
      std::vector<std::string> valid;
      for (const OptionInfo& info : gaussian_target_keys()) {
        valid.push_back(info.name);
      }
      throw Error(std::string(part) + ": there is no key '" + key +
                  "'; valid keys: " + detail::closest_first(key, std::move(valid)));
    }
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char at_character) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t end = text.find(at_character);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return out;
    }
    text.remove_prefix(end + 1);
  }
}

Kernel factor_from_text(std::string_view name, const KernelScales& scales) {
  if (name == "se" || name == "squared-exponential") {
    return kernels::squared_exponential(scales.lengths);
  }
  if (name == "matern32") {
    return kernels::matern32(scales.lengths);
  }
  if (name == "matern52") {
    return kernels::matern52(scales.lengths);
  }
  if (name == "periodic") {
    return kernels::periodic({.period = scales.period});
  }
  throw Error(std::string(part) + ": there is no kernel '" + std::string(name) + "'; valid kernels: " +
              detail::closest_first(name, {"se", "squared-exponential", "matern32", "matern52", "periodic"}) +
              ", joined by * and +");
}

std::shared_ptr<const MeanFunction> mean_from_text(const std::string& name, Index inputs, double start) {
  return name == "zero" ? nullptr : name == "constant" ? constant_mean(start) : linear_mean(inputs);
}

/// Inputs by columns, and targets; these are empty where they are to be drawn.
struct Observations {
  Index rows = 0;
  Index columns = 0;
  std::vector<double> inputs;
  std::vector<double> targets;

  ConstMatrixRef matrix() const { return {inputs.data(), rows, columns, rows}; }
  double range(Index d) const {
    const auto [low, high] = std::minmax_element(inputs.begin() + d * rows, inputs.begin() + (d + 1) * rows);
    return std::max(*high - *low, 1e-300);
  }
};

Observations generated_inputs(const GaussianTargetOptions& o) {
  Observations out{.rows = o.n, .columns = o.inputs, .inputs = {}, .targets = {}};
  const CounterRandom random(o.seed, 1);
  for (Index k = 0; k < o.n * o.inputs; ++k) {
    out.inputs.push_back(side * random.uniform(static_cast<std::uint64_t>(k)));
  }
  return out;
}

Observations enso() {
  const NistProblem& data = nist_problem("ENSO");
  Observations out{.rows = data.observations, .columns = 1, .inputs = {}, .targets = {}};
  for (int i = 0; i < data.observations; ++i) {
    out.targets.push_back(data.data[2 * i]);
    out.inputs.push_back(data.data[2 * i + 1]);
  }
  return out;
}

Observations from_csv(const std::string& file) {
  if (file.empty()) {
    throw Error(std::string(part) + ": csv names no file; write gaussian:csv?file=data.csv");
  }
  const Dataset data = load_csv(file, {.targets = Targets::numbers});
  if (data.features.size < 1 || data.samples() > most_observations) {
    throw Error(file + ": " + std::to_string(data.samples()) + " rows of " +
                std::to_string(data.features.size) + " inputs; a Gaussian process takes up to " +
                std::to_string(most_observations) + " rows, and one input at least");
  }
  Observations out{
      .rows = data.samples(), .columns = data.features.size, .inputs = {}, .targets = data.target};
  for (Index d = 0; d < out.columns; ++d) {
    for (Index i = 0; i < out.rows; ++i) {
      out.inputs.push_back(data.features.value[at(i * out.columns + d)]);
    }
  }
  return out;
}

/// Starts: data of their own tell mean and variance, a tenth of which is taken for noise.
GaussianTarget fitted(const Observations& data, const GaussianTargetOptions& o, const std::string& what) {
  double mean = 0;
  double square = 0;
  for (const double y : data.targets) {
    mean += y / static_cast<double>(data.rows);
  }
  for (const double y : data.targets) {
    square += (y - mean) * (y - mean) / static_cast<double>(data.rows);
  }
  square = square > 0 ? square : 1;
  KernelScales scales;
  for (Index d = 0; d < data.columns; ++d) {
    scales.lengths.push_back(data.range(d) / 10);
  }
  scales.period = o.period > 0 ? o.period : data.range(0) / 10;
  scales.variance = square / static_cast<double>(split(o.kernel, '+').size());
  const auto model = std::make_shared<const GaussianProcess>(
      data.matrix(), kernel_from_text(o.kernel, scales), mean_from_text(o.mean, data.columns, mean),
      GaussianProcessOptions{.noise = square * o.noise});
  return {GaussianLikelihood(model, data.targets), model->start(),
          what + ", " + std::to_string(data.rows) + " observations, kernel " + model->kernel().text()};
}

GaussianTarget generated(const GaussianTargetOptions& o) {
  const Observations data = generated_inputs(o);
  KernelScales scales;
  // Several inputs lie farther apart.
  scales.lengths.assign(at(o.inputs), 1.0 + 0.5 * static_cast<double>(o.inputs - 1));
  scales.period = o.period > 0 ? o.period : side / 10;
  const auto model = std::make_shared<const GaussianProcess>(
      data.matrix(), kernel_from_text(o.kernel, scales), mean_from_text(o.mean, o.inputs, 1.0),
      GaussianProcessOptions{.noise = o.noise});
  const std::vector<double> truth = model->start();
  std::vector<double> start = truth;
  const CounterRandom random(o.seed, 2);
  for (std::size_t i = 0; i < start.size(); ++i) {
    // A period that is off by much is another local minimum.
    const bool period = model->parameter_name(static_cast<Index>(i)).starts_with("log period");
    start[i] += (period ? 0.02 : 1.0) * o.offset * random.normal(i);
  }
  return {GaussianLikelihood(model, model->sample(truth, o.seed)), std::move(start),
          std::to_string(o.n) + " observations drawn from the model, kernel " + model->kernel().text()};
}

}  // namespace

std::vector<std::string> gaussian_target_names() {
  return {"generated", "enso", "csv"};
}

std::vector<OptionInfo> gaussian_target_keys() {
  const GaussianTargetOptions d;
  const auto count = [](auto n) { return to_text(static_cast<std::int64_t>(n)); };
  return {
      {"kernel", d.kernel, "",
       "sum of products of se, matern32, matern52 and periodic; enso: matern52+periodic"},
      {"mean", d.mean, "", "zero, constant or linear"},
      {"noise", to_text(d.noise), "",
       "generated: variance of the noise; otherwise where it starts, as a share of the data's variance"},
      {"period", to_text(d.period), "",
       "where the period starts; 0: a tenth of the first input's range, for enso 12 months"},
      {"n", count(d.n), "", "generated: observations"},
      {"inputs", count(d.inputs), "", "generated: inputs"},
      {"offset", to_text(d.offset), "", "generated: standard deviation of the start about the truth"},
      {"seed", count(d.seed), "", "generated: of the random numbers"},
      {"file", "", "", "csv: the file"},
  };
}

Kernel kernel_from_text(const std::string& text, const KernelScales& scales) {
  std::optional<Kernel> sum;
  for (const std::string_view term : split(text, '+')) {
    Kernel product = kernels::variance(scales.variance);
    for (const std::string_view name : split(term, '*')) {
      product = product * factor_from_text(name, scales);
    }
    sum = sum ? *sum + product : product;
  }
  return *sum;
}

GaussianTarget make_gaussian_target(const std::string& name,
                                    const std::vector<std::pair<std::string, std::string>>& keys) {
  GaussianTargetOptions o = read_keys(keys);
  const auto given = [&](const char* key) {
    return std::any_of(keys.begin(), keys.end(), [&](const auto& k) { return k.first == key; });
  };
  if (name == "generated") {
    return generated(o);
  }
  if (name == "enso") {
    o.kernel = given("kernel") ? o.kernel : "matern52+periodic";
    o.period = given("period") ? o.period : 12;
    return fitted(enso(), o, "NIST's series ENSO");
  }
  if (name == "csv") {
    return fitted(from_csv(o.file), o, o.file);
  }
  throw Error(std::string(part) + ": there is no problem '" + name +
              "'; valid names: " + detail::closest_first(name, gaussian_target_names()));
}

}  // namespace kappa
