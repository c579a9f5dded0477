#include "bench/json.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/summary.h"

namespace kappa::bench {

namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json numbers(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double v : values) {
    out.push_back(number(v));
  }
  return out;
}

Json row_json(const Measurement& m, int threads) {
  Json row;
  row["problem"] = m.problem;
  row["start"] = m.start;
  row["solver"] = m.solver;
  row["solved"] = m.score.solved;
  row["accuracy_digits"] = number(m.score.digits);
  row["final_value"] = number(m.value);
  row["initial_value"] = number(m.initial_value);
  row["best_value"] = number(m.best);
  row["seconds"] = number(m.median_seconds);
  row["seconds_all"] = numbers(m.seconds);
  row["iterations"] = m.iterations;
  row["evaluations"] = m.evaluations;
  row["threads"] = threads;
  row["reason"] = m.reason;
  if (!m.targets.empty()) {
    Json to = Json::object();
    for (std::size_t t = 0; t < m.targets.size(); ++t) {
      to[power_text(m.targets[t])] = number(m.seconds_to[t]);
    }
    row["seconds_to"] = std::move(to);
    if (!m.seconds_to_alone.empty()) {
      Json alone = Json::object();
      Json speed_up = Json::object();
      for (std::size_t t = 0; t < m.targets.size(); ++t) {
        alone[power_text(m.targets[t])] = number(m.seconds_to_alone[t]);
        speed_up[power_text(m.targets[t])] = number(speed_up_to(m, t));
      }
      row["seconds_to_one_thread"] = std::move(alone);
      row["speed_up"] = std::move(speed_up);
    }
    Json trace = Json::array();
    for (const TracePoint& point : m.trace) {
      trace.push_back({number(point.seconds), point.iteration, number(point.value)});
    }
    row["trace"] = std::move(trace);
  }
  for (const auto& [name, value] : m.extras) {
    row[name] = number(value);
  }
  if (m.same_bits) {
    row["same_bits"] = *m.same_bits;
  }
  if (m.peak_bytes) {
    row["peak_memory_bytes"] = number(*m.peak_bytes);
  }
  return row;
}

Json head(const std::string& suite, const Provenance& p) {
  Json out;
  out["suite"] = suite;
  out["machine"] = {{"processor", p.machine.processor},
                    {"cores", p.machine.cores},
                    {"memory_gib", number(std::round(10 * p.machine.memory_gib) / 10)},
                    {"system", p.machine.system}};
  Json versions = Json::object();
  for (const auto& [name, version] : p.versions) {
    versions[name] = version;
  }
  out["versions"] = std::move(versions);
  out["command"] = p.command;
  out["date"] = p.date;
  return out;
}

Json suite_json(const SuiteResult& result, const Provenance& provenance) {
  Json out = head(result.suite, provenance);
  out["threads"] = result.threads;
  out["repeat"] = result.repeat;
  if (!result.threads_seen.empty()) {
    out["threads_seen"] = result.threads_seen;
  }
  Json summary = Json::array();
  const SuiteSummary all = summarize(result);
  for (const SolverSummary& s : all.solvers) {
    summary.push_back({{"solver", s.solver},
                       {"solved", s.solved},
                       {"cases", s.cases},
                       {"mean_digits", number(s.mean_digits)},
                       {"seconds_solved", number(s.seconds_solved)},
                       {"common_cases", all.common},
                       {"seconds_common", number(s.seconds_common)},
                       {"ratio_to_first", number(s.ratio_to_first)},
                       {"geometric_mean_ratio", number(s.geometric_ratio)}});
  }
  out["summary"] = std::move(summary);
  Json rows = Json::array();
  for (const Measurement& m : result.measurements) {
    rows.push_back(row_json(m, result.threads));
  }
  out["rows"] = std::move(rows);
  return out;
}

Json pairs_json(const PairsResult& pairs, const Provenance& provenance) {
  Json out = head("pairs", provenance);
  Json rows = Json::array();
  for (const PairCell& cell : pairs.cells) {
    Json row = {{"curvature", cell.curvature}, {"optimizer", cell.optimizer}};
    row["solved"] = cell.refused.empty() ? Json(cell.solved) : Json(nullptr);
    row["of"] = cell.of;
    row["refused"] = cell.refused.empty() ? Json(nullptr) : Json(cell.refused);
    rows.push_back(std::move(row));
  }
  out["rows"] = std::move(rows);
  return out;
}

Json gaussian_json(const GaussianResult& measured, const Provenance& provenance) {
  Json out = head("gaussian", provenance);
  out["threads"] = measured.threads;
  out["observations"] = measured.observations;
  Json costs = Json::array();
  for (const GaussianCost& row : measured.costs) {
    costs.push_back({{"work", row.work},
                     {"seconds", number(row.median)},
                     {"seconds_all", numbers(row.seconds)},
                     {"ratio_to_factorization", number(row.ratio)}});
  }
  Json fits = Json::array();
  for (const GaussianFit& row : measured.fits) {
    fits.push_back({{"problem", row.problem},
                    {"method", row.method},
                    {"converged", row.converged},
                    {"value", number(row.value)},
                    {"iterations", row.iterations},
                    {"values", row.values},
                    {"linearizations", row.linearizations},
                    {"seconds", number(row.median)},
                    {"seconds_all", numbers(row.seconds)}});
  }
  out["costs"] = std::move(costs);
  out["fits"] = std::move(fits);
  return out;
}

Json jacobian_json(const std::vector<JacobianRow>& measured, const Provenance& provenance) {
  Json out = head("jacobian", provenance);
  out["threads"] = 1;
  out["repeat"] = measured.front().nanoseconds.size();
  Json rows = Json::array();
  for (const JacobianRow& row : measured) {
    rows.push_back({{"problem", row.problem},
                    {"observations", row.observations},
                    {"work", row.work},
                    {"nanoseconds", number(row.median)},
                    {"nanoseconds_all", numbers(row.nanoseconds)},
                    {"ratio_to_first", number(row.ratio)},
                    {"block_difference", number(row.difference)}});
  }
  out["rows"] = std::move(rows);
  return out;
}

Json logistic_json(const std::vector<LogisticRow>& measured, const Provenance& provenance) {
  Json out = head("logistic", provenance);
  out["repeat"] = measured.front().seconds.size();
  Json rows = Json::array();
  for (const LogisticRow& row : measured) {
    rows.push_back({{"problem", row.problem},
                    {"C", row.C},
                    {"solver", row.solver},
                    {"threads", row.threads},
                    {"seconds", number(row.median)},
                    {"seconds_all", numbers(row.seconds)},
                    {"liblinear_over_this", number(row.ratio)},
                    {"value", number(row.value)},
                    {"excess", number(row.excess)},
                    {"gradient_ratio", number(row.gradient_ratio)},
                    {"iterations", row.iterations},
                    {"reason", row.reason}});
  }
  out["rows"] = std::move(rows);
  return out;
}

Json network_json(const NetworkResult& measured, const Provenance& provenance) {
  Json out = head("network", provenance);
  Json rows = Json::array();
  for (const NetworkRow& row : measured.rows) {
    rows.push_back({{"problem", row.problem},
                    {"threads", row.threads},
                    {"work", row.work},
                    {"milliseconds", number(row.median)},
                    {"milliseconds_all", numbers(row.milliseconds)},
                    {"gigaflops", number(row.gigaflops)},
                    {"ratio", number(row.ratio)},
                    {"ratio_means", row.ratio_means}});
    if (row.difference >= 0) {
      rows.back()["difference"] = number(row.difference);
    }
  }
  out["rows"] = std::move(rows);
  Json hessians = Json::array();
  for (const HessianRow& row : measured.hessians) {
    hessians.push_back({{"weights", row.weights},
                        {"multiply_adds", number(row.multiply_adds)},
                        {"milliseconds", number(row.milliseconds)}});
  }
  out["peer"] = measured.peer;
  out["hessians"] = std::move(hessians);
  out["work_slope"] = number(measured.work_slope);
  out["time_slope"] = number(measured.time_slope);
  return out;
}

Json learning_json(const LearningResult& result, const Provenance& provenance) {
  Json out = head("learning", provenance);
  out["threads"] = result.threads;
  out["data"] = result.data;
  out["network"] = result.network;
  out["samples"] = result.samples;
  out["batch"] = result.batch;
  Json curves = Json::array();
  for (const LearningCurve& curve : result.curves) {
    Json points = Json::array();
    for (const LearningPoint& p : curve.points) {
      points.push_back({{"epoch", p.epoch},
                        {"gradient_equivalents", number(p.gradient_equivalents)},
                        {"seconds", number(p.seconds)},
                        {"train_value", number(p.train_value)},
                        {"test_loss", number(p.test_loss)},
                        {"test_accuracy", number(p.test_accuracy)}});
    }
    curves.push_back({{"method", curve.method},
                      {"rate", number(curve.rate)},
                      {"chosen", curve.chosen},
                      {"best_accuracy", number(curve.best_accuracy())},
                      {"gradients_to_88_percent", number(curve.work_to(0.88))},
                      {"ended", curve.ended},
                      {"points", std::move(points)}});
  }
  out["curves"] = std::move(curves);
  return out;
}

std::string temporary_beside(const std::string& path) {
  return path + ".partial-" + std::to_string(getpid());
}

[[noreturn]] void cannot_write(const std::string& path) {
  throw Error("cannot write '" + path + "': " + std::strerror(errno) +
              "; name a file in a folder that exists and may be written to");
}

}  // namespace

std::string json_text(const Provenance& provenance, const Results& results) {
  Json all = Json::array();
  for (const SuiteResult& result : results.suites) {
    all.push_back(suite_json(result, provenance));
  }
  if (results.pairs) {
    all.push_back(pairs_json(*results.pairs, provenance));
  }
  if (!results.jacobian.empty()) {
    all.push_back(jacobian_json(results.jacobian, provenance));
  }
  if (results.gaussian) {
    all.push_back(gaussian_json(*results.gaussian, provenance));
  }
  if (!results.logistic.empty()) {
    all.push_back(logistic_json(results.logistic, provenance));
  }
  if (!results.network.empty()) {
    all.push_back(network_json(results.network, provenance));
  }
  if (results.learning) {
    all.push_back(learning_json(*results.learning, provenance));
  }
  const Json& out = all.size() == 1 ? all.front() : all;
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_whole(const std::string& path, const std::string& text) {
  const std::string temporary = temporary_beside(path);
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    file.flush();
    if (!file) {
      const int why = errno;
      std::remove(temporary.c_str());
      errno = why;
      cannot_write(path);
    }
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int why = errno;
    std::remove(temporary.c_str());
    errno = why;
    cannot_write(path);
  }
}

void require_writable(const std::string& path) {
  if (std::filesystem::is_directory(path)) {
    errno = EISDIR;
    cannot_write(path);
  }
  const std::string temporary = temporary_beside(path);
  const std::ofstream file(temporary);
  const bool writable = file.good();
  const int why = errno;
  std::remove(temporary.c_str());
  if (!writable) {
    errno = why;
    cannot_write(path);
  }
}

}  // namespace kappa::bench
