#include "problems/targets.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "core/option_checks.h"
#include "problems/analytic/mgh_problem.h"
#include "problems/analytic/nist_problem.h"
#include "problems/io/bal_generated.h"
#include "problems/io/g2o.h"
#include "problems/learning/logistic_target.h"
#include "problems/learning/network_target.h"
#include "problems/likelihood/gaussian_target.h"
#include "problems/picture/network_images.h"
#include "problems/pose_graph/generated_pose_graph.h"
#include "problems/pose_graph/pose_graph_problem.h"
#include "problems/residual/bundle.h"

namespace kappa {

namespace {

using Keys = std::vector<std::pair<std::string, std::string>>;

/// "Misra1a?start=2" is the name Misra1a with start = 2.
std::pair<std::string, Keys> split_keys(const std::string& scheme, std::string_view text) {
  const std::size_t question = std::min(text.find('?'), text.size());
  std::string name(text.substr(0, question));
  Keys keys;
  std::string_view rest = text.substr(std::min(question + 1, text.size()));
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view entry = rest.substr(0, end);
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == entry.size()) {
      throw Error(scheme + ":" + std::string(text) + ": '" + std::string(entry) +
                  "' is no key; after the ? write key=value, and & between two of them");
    }
    std::string key(entry.substr(0, equals));
    for (const auto& earlier : keys) {
      if (earlier.first == key) {
        throw Error(scheme + ":" + std::string(text) + ": key '" + key + "' is given twice");
      }
    }
    keys.emplace_back(std::move(key), entry.substr(equals + 1));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {std::move(name), std::move(keys)};
}

[[noreturn]] void unknown_key(const std::string& scheme, const std::string& key, const char* valid) {
  throw Error(scheme + ": there is no key '" + key + "'; the valid one is " + valid);
}

template <class Problems>
std::vector<std::string> names_of(const Problems& problems) {
  std::vector<std::string> out;
  for (const auto& problem : problems) {
    out.emplace_back(problem.name);
  }
  return out;
}

void require_name(const std::string& scheme, const std::string& given,
                  const std::vector<std::string>& names) {
  if (!given.empty()) {
    return;
  }
  std::string valid;
  for (const std::string& name : names) {
    valid += (valid.empty() ? "" : ", ") + name;
  }
  throw Error(scheme + ": names no problem; write " + scheme + ":NAME with one of " + valid);
}

Target load_nist(std::string_view text) {
  const auto [name, keys] = split_keys("nist", text);
  require_name("nist", name, names_of(nist_problems()));
  int start = 0;
  for (const auto& [key, value] : keys) {
    if (key != "start") {
      unknown_key("nist", key, "start");
    }
    start = static_cast<int>(detail::choose_option("nist", key, value, {"1", "2"}));
  }
  const NistProblem& data = nist_problem(name);
  auto problem = std::make_unique<ResidualProblem>(make_nist(data, start));
  Target out;
  out.name = data.name + std::string(start == 0 ? "" : "?start=2");
  out.x0 = problem->initial();
  out.problem = std::move(problem);
  out.known_minimum = data.residual_sum_of_squares / 2;
  out.note = "NIST regression of " + std::string(data.difficulty) + " difficulty, from the " +
             (start == 0 ? "far" : "near") + " start";
  return out;
}

double read_factor(const std::string& scheme, const std::string& value) {
  double out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc() || end != value.data() + value.size() || !std::isfinite(out) || out <= 0) {
    throw Error(scheme + ": key 'factor' cannot be '" + value +
                "'; it takes a positive number, in the collection 1, 10 or 100");
  }
  return out;
}

/// The problem and the multiple of its start that "rosenbrock?factor=10" names.
std::pair<const MghProblem*, double> read_mgh(const std::string& scheme, std::string_view text,
                                              const std::vector<std::string>& names) {
  const auto [name, keys] = split_keys(scheme, text);
  require_name(scheme, name, names);
  double factor = 1;
  for (const auto& [key, value] : keys) {
    if (key != "factor") {
      unknown_key(scheme, key, "factor");
    }
    factor = read_factor(scheme, value);
  }
  return {&mgh_problem(name), factor};
}

std::string mgh_address(const MghProblem& data, double factor) {
  return data.name + (factor == 1 ? std::string() : "?factor=" + to_text(factor));
}

std::vector<std::string> bounded_mgh_names() {
  std::vector<std::string> out;
  for (const MghBounds& bounds : mgh_bounds()) {
    out.emplace_back(mgh_problem(std::to_string(bounds.number)).name);
  }
  return out;
}

Target load_bounded_mgh(std::string_view text) {
  const auto [found, factor] = read_mgh("mgh-bounded", text, bounded_mgh_names());
  const MghBounds& bounds = mgh_bounds(*found);
  auto problem = std::make_unique<ResidualProblem>(make_mgh(*found, bounds, factor));
  Target out;
  out.name = mgh_address(*found, factor);
  out.x0 = problem->initial();
  out.problem = std::move(problem);
  out.known_minimum = bounds.value / 2;
  out.note = "problem " + std::to_string(found->number) + " of Moré, Garbow and Hillstrom (" + found->title +
             ") in Gay's box; the objective there is twice kappa's";
  return out;
}

Target load_mgh(std::string_view text) {
  const auto [found, factor] = read_mgh("mgh", text, names_of(mgh_problems()));
  const MghProblem& data = *found;
  auto problem = std::make_unique<ResidualProblem>(make_mgh(data, factor));
  Target out;
  out.name = mgh_address(data, factor);
  out.x0 = problem->initial();
  out.problem = std::move(problem);
  out.note = "problem " + std::to_string(data.number) + " of Moré, Garbow and Hillstrom (" + data.title +
             "), whose objective is twice kappa's";
  for (const MghMinimum& minimum : data.minima) {
    if (!out.known_minimum || minimum.value / 2 < *out.known_minimum) {
      out.known_minimum = minimum.value / 2;
    }
  }
  return out;
}

std::string describe(const BalProblem& data) {
  std::string out = std::to_string(data.cameras) + " cameras, " + std::to_string(data.points) + " points, " +
                    std::to_string(data.observations) + " observations";
  const BalCoverage covered = coverage(data);
  if (covered.cameras_unseeing + covered.points_unseen + covered.points_seen_once > 0) {
    out += "; " + std::to_string(covered.points_seen_once) + " points are seen once, " +
           std::to_string(covered.points_unseen) + " never, and " + std::to_string(covered.cameras_unseeing) +
           " cameras see nothing";
  }
  return out;
}

Target load_bundle(std::string_view text) {
  if (text.empty()) {
    throw Error("bal: names no file; write bal:FILE, or bal:generated/street for a synthetic problem");
  }
  const auto data = std::make_shared<BalProblem>(load_bal(std::string(text)));
  auto problem = std::make_unique<ResidualProblem>(make_bundle(*data));
  Target out;
  out.name = text;
  out.x0 = problem->initial();
  out.problem = std::move(problem);
  out.note = describe(*data);
  out.write = [data](ConstVectorRef x, const std::string& path) {
    expects(x.size() == data->parameters.size(), "Target::write: the solution is of another problem");
    data->parameters.assign(x.begin(), x.end());
    write_bal(*data, path);
  };
  out.draw = [data](ConstVectorRef x) { return draw(*data, x); };
  return out;
}

std::string describe(const PoseGraph& graph) {
  const std::vector<std::int32_t> part = connected_parts(graph);
  const auto parts = part.empty() ? 0 : *std::max_element(part.begin(), part.end()) + 1;
  const auto held = static_cast<Index>(anchors(graph).size());
  return std::to_string(graph.poses()) + " poses in " +
         (graph.space == PoseGraph::Space::plane ? "the plane" : "space") + ", " +
         std::to_string(graph.edges()) + " edges, " + std::to_string(held) +
         (held == 1 ? " pose held" : " poses held") +
         (parts > 1 ? "; the graph is in " + std::to_string(parts) + " parts" : "");
}

Target load_graph(std::string_view text) {
  if (text.empty()) {
    throw Error("g2o: names no file; write g2o:FILE, or g2o:generated/sphere for a synthetic graph");
  }
  const auto data = std::make_shared<const PoseGraph>(load_pose_graph(std::string(text)));
  Target out;
  out.name = text;
  try {
    auto problem = std::make_unique<ResidualProblem>(make_pose_graph(*data));
    out.x0 = problem->initial();
    out.problem = std::move(problem);
  } catch (const Error& error) {
    throw Error("g2o:" + std::string(text) + ": " + error.what());
  }
  out.note = describe(*data);
  out.write = [data](ConstVectorRef x, const std::string& path) {
    PoseGraph solved = *data;
    solved.pose = poses_at(*data, x);
    write_g2o(solved, path);
  };
  out.draw = [data](ConstVectorRef x) { return draw(*data, poses_at(*data, x)); };
  return out;
}

Target load_gaussian(std::string_view text) {
  const auto [name, keys] = split_keys("gaussian", text);
  require_name("gaussian", name, gaussian_target_names());
  GaussianTarget made = make_gaussian_target(name, keys);
  Target out;
  out.name = text;
  out.problem = std::make_unique<GaussianLikelihood>(std::move(made.problem));
  out.x0 = std::move(made.start);
  out.note = std::move(made.note);
  return out;
}

Target load_logistic(const std::string& scheme, std::string_view text) {
  const auto [name, keys] = split_keys(scheme, text);
  NamedLogistic made = make_logistic(scheme, name, keys);
  Target out;
  out.name = text;
  out.x0 = made.problem->initial();
  out.problem = std::move(made.problem);
  out.note = std::move(made.note);
  return out;
}

Target load_network(std::string_view text) {
  const auto [name, keys] = split_keys("network", text);
  require_name("network", name, {"784-128-10"});
  NamedNetwork made = make_network(name, keys);
  Target out;
  out.name = text;
  out.x0 = std::move(made.x0);
  auto network = std::make_unique<Network>(std::move(made.network));
  const Network* const shown = network.get();
  out.problem = std::move(network);
  if (image_side(*shown)) {
    out.image = [shown, samples = std::move(made.first)](ConstVectorRef x) {
      std::optional<Image> pair = reconstructions(*shown, x, samples);
      return pair ? *pair : *filters(*shown, x);
    };
  }
  out.note = std::move(made.note);
  return out;
}

std::vector<OptionInfo> generated_graph_keys() {
  const GeneratedPoseGraph d;
  const auto count = [](auto n) { return to_text(static_cast<std::int64_t>(n)); };
  return {
      {"dimension", count(d.dimension), "", "generated: of a grid, 2 or 3"},
      {"poses", count(d.poses), "", "generated: poses, at least 20"},
      {"seed", count(d.seed), "", "generated: of the random numbers"},
      {"translation", to_text(d.translation), "",
       "generated: standard deviation of each measured coordinate, metres"},
      {"rotation", to_text(d.rotation), "", "generated: that of each axis of a measured rotation, radians"},
      {"closures", to_text(d.closures), "", "generated: probability that an offered loop is closed"},
      {"start", "odometry", "", "generated: odometry integrates it, truth starts at the true poses"},
  };
}

/// The keys of generated problems, their defaults read from the struct.
std::vector<OptionInfo> generated_keys() {
  const GeneratedBal d;
  const auto count = [](auto n) { return to_text(static_cast<std::int64_t>(n)); };
  return {
      {"cameras", count(d.cameras), "", "generated: cameras, at least 2"},
      {"points", count(d.points), "", "generated: points, at least ten for each camera"},
      {"seed", count(d.seed), "", "generated: of the random numbers"},
      {"track", to_text(d.track), "", "generated: mean number of cameras that see a point, at least 2"},
      {"noise", to_text(d.noise), "", "generated: standard deviation of the observations, pixels"},
      {"rotation", to_text(d.rotation), "",
       "generated: standard deviation of the start's camera axes, radians"},
      {"translation", to_text(d.translation), "", "generated: that of the camera centres, metres"},
      {"point", to_text(d.point), "", "generated: that of the points, metres"},
      {"focal", to_text(d.focal), "", "generated: that of the focal lengths, relative"},
      {"distortion", to_text(d.distortion), "",
       "generated: share of the lens distortion that the start does not know"},
  };
}

std::vector<TargetScheme>& schemes_so_far() {
  static std::vector<TargetScheme> schemes = {
      {"nist",
       "The 27 nonlinear regressions of NIST's Statistical Reference Datasets.",
       "nist:Misra1a?start=2",
       {{"start", "1", "", "NIST's starting point: 1 is far, 2 is near"}},
       [] { return names_of(nist_problems()); },
       load_nist},
      {"mgh",
       "The 35 test problems of Moré, Garbow and Hillstrom, by name or number.",
       "mgh:rosenbrock?factor=10",
       {{"factor", "1", "", "multiple of the standard start; the collection's are 1, 10 and 100"}},
       [] { return names_of(mgh_problems()); },
       load_mgh},
      {"mgh-bounded",
       "31 of them in the boxes of Gay, which cut off most unconstrained minima.",
       "mgh-bounded:wood",
       {{"factor", "1", "", "multiple of the standard start, which is then moved into the box"}},
       bounded_mgh_names,
       load_bounded_mgh},
      {"bal", "Bundle adjustment from a file in the BAL format, or generated.",
       "bal:problem-16-22106-pre.txt", generated_keys(),
       [] {
         return std::vector<std::string>{"FILE", "generated/street", "generated/tourist"};
       },
       load_bundle},
      {"g2o", "Pose graph in the plane or in space from a file in the g2o format, or generated.",
       "g2o:sphere2500.g2o", generated_graph_keys(),
       [] {
         return std::vector<std::string>{"FILE", "generated/sphere", "generated/torus", "generated/grid"};
       },
       load_graph},
      {"gaussian", "Gaussian-process regression: generated, NIST's series ENSO, or of a CSV file.",
       "gaussian:generated?n=500&kernel=matern52+periodic&seed=1", gaussian_target_keys(),
       gaussian_target_names, load_gaussian},
      {"libsvm", "Logistic regression on the classes of a libsvm file, or on generated samples.",
       "libsvm:generated?C=10", logistic_keys("libsvm"),
       [] {
         return std::vector<std::string>{"FILE", "generated"};
       },
       [](std::string_view text) { return load_logistic("libsvm", text); }},
      {"csv", "Logistic regression on the classes of a file of comma-separated values.",
       "csv:iris.csv?bias=1", logistic_keys("csv"), [] { return std::vector<std::string>{"FILE"}; },
       [](std::string_view text) { return load_logistic("csv", text); }},
      {"network", "A feed-forward network, by its layers' sizes, on data from a file or generated.",
       "network:8-16-3?samples=500&decay=1e-4", network_keys(),
       [] {
         return std::vector<std::string>{"SIZES", "784-128-10", "4-5-4@0+1-3"};
       },
       load_network},
  };
  return schemes;
}

std::string scheme_names(std::string_view closest_to) {
  return detail::closest_first(closest_to, names_of(target_schemes()));
}

}  // namespace

const std::vector<TargetScheme>& target_schemes() {
  return schemes_so_far();
}

void add_target_scheme(TargetScheme scheme) {
  for (const TargetScheme& other : target_schemes()) {
    if (other.name == scheme.name) {
      throw Error("there is a target scheme '" + scheme.name + "' already; give the new one another name");
    }
  }
  schemes_so_far().push_back(std::move(scheme));
}

const TargetScheme& target_scheme(std::string_view name) {
  for (const TargetScheme& scheme : target_schemes()) {
    if (scheme.name == name) {
      return scheme;
    }
  }
  throw Error("there is no target scheme '" + std::string(name) + "'; valid schemes: " + scheme_names(name));
}

Target load_target(std::string_view address) {
  const std::size_t colon = address.find(':');
  if (colon == std::string_view::npos) {
    std::string message = "target '" + std::string(address) + "' has no scheme; write SCHEME:NAME, such as " +
                          target_schemes().front().example + "; valid schemes: " + scheme_names(address);
    std::error_code ignored;
    if (std::filesystem::is_regular_file(address, ignored)) {
      const std::string scheme = address.ends_with(".g2o") ? "g2o:" : "bal:";
      message += "; to read it as a " +
                 std::string(scheme == "g2o:" ? "pose graph" : "bundle-adjustment file") + " write " +
                 scheme + std::string(address);
    }
    throw Error(message);
  }
  const TargetScheme& scheme = target_scheme(address.substr(0, colon));
  Target out = scheme.load(address.substr(colon + 1));
  out.scheme = scheme.name;
  return out;
}

}  // namespace kappa
