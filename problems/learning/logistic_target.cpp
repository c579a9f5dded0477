#include "problems/learning/logistic_target.h"

#include <algorithm>
#include <span>

#include "core/option_checks.h"
#include "problems/io/samples.h"
#include "problems/learning/generated_samples.h"

namespace kappa {

namespace {

struct Keys : detail::SampleChoice {
  double C = LogisticOptions{}.C;
  double l2 = LogisticOptions{}.l2;
  double bias = LogisticOptions{}.bias;
  std::string intercept = "regularised";
  std::string two_classes = "binary";
  Index target = CsvOptions{}.target_column;
  Index skip = CsvOptions{}.skip_lines;
  Index samples = GeneratedSamples{}.samples;
  Index seed = static_cast<Index>(GeneratedSamples{}.seed);
};

constexpr Field<Keys> shared[] = {
    {"C", &Keys::C, "", "weight of the losses; positive"},
    {"l2", &Keys::l2, "", "weight of |w|^2 / 2"},
    {"bias", &Keys::bias, "", "value of a feature that all samples share; 0: none"},
    {"intercept", &Keys::intercept, "", "whether the weight of that feature is regularised, or free"},
    {"two_classes", &Keys::two_classes, "", "binary, or multinomial: a weight for each class"},
    {"leave_out", &Keys::leave_out, "", "every so many samples one is left out; 0: none"},
    {"take", &Keys::take, "", "every so many samples one is taken, those that leave_out leaves out; 0: all"},
    {"scale", &Keys::scale, "",
     "no, or standard: features of mean 0 and variance 1 over the samples that take does not name"},
};
constexpr Field<Keys> of_csv[] = {
    {"target", &Keys::target, "", "column of the classes, from 0; -1: the last"},
    {"skip", &Keys::skip, "", "lines to skip before the first"},
};
constexpr Field<Keys> of_libsvm[] = {
    {"samples", &Keys::samples, "", "generated: samples"},
    {"seed", &Keys::seed, "", "generated: of the random numbers"},
};

std::vector<Field<Keys>> fields_of(const std::string& scheme) {
  std::vector<Field<Keys>> out(std::begin(shared), std::end(shared));
  const auto add = [&](std::span<const Field<Keys>> more) {
    out.insert(out.end(), more.begin(), more.end());
  };
  add(scheme == "csv" ? std::span<const Field<Keys>>(of_csv) : std::span<const Field<Keys>>(of_libsvm));
  return out;
}

Dataset load(const std::string& scheme, const std::string& name, const Keys& keys) {
  if (scheme == "csv") {
    detail::require_option(keys.skip >= 0, "csv", "skip", static_cast<std::int64_t>(keys.skip),
                           "it must not be negative");
    CsvOptions options;
    options.target_column = keys.target;
    options.skip_lines = keys.skip;
    return load_csv(name, options);
  }
  if (name == "generated") {
    GeneratedSamples options;
    options.samples = keys.samples;
    options.seed = static_cast<std::uint64_t>(keys.seed);
    return generate_samples(options);
  }
  return load_libsvm(name);
}

std::string describe(const Dataset& data) {
  std::string out = std::to_string(data.samples()) + " samples of " + std::to_string(data.features.size) +
                    " features, " + std::to_string(data.classes.size()) + " classes";
  constexpr std::size_t few = 4;
  for (std::size_t c = 0; c < data.classes.size() && data.classes.size() <= few; ++c) {
    out += (c == 0 ? " (" : ", ") +
           std::to_string(std::count(data.label.begin(), data.label.end(), static_cast<std::int32_t>(c))) +
           " of '" + data.classes[c] + "'" + (c + 1 == data.classes.size() ? ")" : "");
  }
  return out;
}

}  // namespace

NamedLogistic make_logistic(const std::string& scheme, const std::string& name,
                            const std::vector<std::pair<std::string, std::string>>& keys) {
  if (name.empty()) {
    throw Error(scheme + ": names no file; write " + scheme + ":FILE" +
                (scheme == "libsvm" ? ", or libsvm:generated for a synthetic set" : ""));
  }
  Options given;
  for (const auto& [key, value] : keys) {
    given.set(key, value);
  }
  const std::vector<Field<Keys>> fields = fields_of(scheme);
  const auto k = read_options<Keys>(scheme, given, fields);
  LogisticOptions options;
  options.C = k.C;
  options.l2 = k.l2;
  options.bias = k.bias;
  options.intercept = detail::choose_option(scheme, "intercept", k.intercept, {"regularised", "free"}) == 0
                          ? LogisticOptions::Intercept::regularised
                          : LogisticOptions::Intercept::free;
  options.two_classes =
      detail::choose_option(scheme, "two_classes", k.two_classes, {"binary", "multinomial"}) == 0
          ? LogisticOptions::TwoClasses::binary
          : LogisticOptions::TwoClasses::multinomial;
  Dataset data = load(scheme, name, k);
  detail::choose_samples(scheme, k, data);
  // A single large index in a small file must not ask for gigabytes.
  constexpr Index most = 1 << 26;
  if (data.features.size > most / static_cast<Index>(std::max<std::size_t>(1, data.classes.size()))) {
    throw Error(scheme + ":" + name + ": has " + std::to_string(data.features.size) +
                " columns, too many for weights in memory; is an index wrong?");
  }
  NamedLogistic out;
  out.note = describe(data);
  try {
    out.problem = std::make_unique<LogisticRegression>(data, options);
  } catch (const Error& error) {
    throw Error(scheme + ":" + name + ": " + error.what());
  }
  return out;
}

std::vector<OptionInfo> logistic_keys(const std::string& scheme) {
  return describe_options<Keys>(fields_of(scheme));
}

}  // namespace kappa
