#include "bench/learning.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <stop_token>

#include "bench/chart.h"
#include "bench/grid.h"
#include "bench/suite.h"
#include "bench/thread_limit.h"
#include "kappa/kappa.h"
#include "kappa/network.h"
#include "kappa/random.h"
#include "problems/picture/base64.h"
#include "problems/picture/network_images.h"

namespace kappa::bench {

namespace {

struct TrainAndTest {
  std::string name;
  Dataset train;
  Dataset test;
};

/// Clouds about random centres, some of them near each other: 10 classes of 64 features.
Dataset generated(Index samples, std::uint64_t stream) {
  constexpr Index features = 64;
  constexpr Index classes = 10;
  Dataset out;
  out.features = {.samples = samples, .size = features, .value = {}, .row_start = {}, .column = {}};
  const CounterRandom centres(1, 1);
  RandomSequence noise(1, stream);
  for (Index s = 0; s < samples; ++s) {
    const Index c = noise.below(classes);
    out.label.push_back(static_cast<std::int32_t>(c));
    for (Index j = 0; j < features; ++j) {
      const double centre = centres.normal(static_cast<std::uint64_t>(c * features + j));
      out.features.value.push_back(0.5 * centre + noise.normal());
    }
  }
  for (Index c = 0; c < classes; ++c) {
    out.classes.push_back(std::to_string(c));
  }
  return out;
}

std::string idx_file(const std::string& folder, const std::string& name) {
  return folder + "/" + name + ".gz";
}

TrainAndTest read(const std::string& folder) {
  if (folder.empty()) {
    return {"generated, 10 classes", generated(10000, 2), generated(2000, 3)};
  }
  TrainAndTest out{
      folder,
      load_idx(idx_file(folder, "train-images-idx3-ubyte"), idx_file(folder, "train-labels-idx1-ubyte")),
      load_idx(idx_file(folder, "t10k-images-idx3-ubyte"), idx_file(folder, "t10k-labels-idx1-ubyte"))};
  match_classes(out.train, out.test);
  return out;
}

/// Notes the curve, without the time that judging takes, and ends it when its work is done.
class Recorder final : public Observer {
 public:
  Recorder(LearningCurve& curve, const double& judging, double work)
      : curve_(curve), judging_(judging), work_(work) {}

  std::stop_token token() const { return stop_.get_token(); }

  void observe(const Progress& p) override {
    if (work_ > 0 && p.gradient_equivalents >= work_) {
      stop_.request_stop();
    }
    if (p.event != Progress::Event::epoch) {
      return;
    }
    LearningPoint at{.epoch = p.epoch,
                     .gradient_equivalents = p.gradient_equivalents,
                     .seconds = p.seconds - judging_,
                     .train_value = p.epoch_value};
    for (const Measure& m : p.measures) {
      (m.name == "accuracy" ? at.test_accuracy : at.test_loss) = m.value;
    }
    curve_.points.push_back(at);
  }

 private:
  LearningCurve& curve_;
  const double& judging_;
  double work_;
  std::stop_source stop_;
};

/// The test data, with the time that judging takes.
class Judge final : public Problem {
 public:
  Judge(const Problem& test, double& seconds) : test_(test), seconds_(seconds) {}
  Index dimension() const override { return test_.dimension(); }
  ModelSet models() const override { return test_.models(); }
  EvalStatus evaluate(const Request& request, Evaluation& at) const override {
    return test_.evaluate(request, at);
  }
  std::vector<Measure> measures(ConstVectorRef x) const override {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<Measure> out = test_.measures(x);
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return out;
  }

 private:
  const Problem& test_;
  double& seconds_;
};

LearningCurve learn(const Network& train, const Network& test, const LearningOptions& options,
                    const std::string& method, double rate) {
  LearningCurve out{.method = method, .rate = rate, .ended = {}, .points = {}, .x = {}};
  double judging = 0;
  const Judge judge(test, judging);
  Recorder recorder(out, judging, options.work);
  Stopping stopping;
  stopping.max_epochs = options.work > 0 ? std::numeric_limits<Index>::max() : options.epochs;
  stopping.max_iterations = stopping.max_evaluations = std::numeric_limits<Index>::max();
  stopping.stop = recorder.token();
  const bool classes = options.task == LearningOptions::Task::classes;
  Session session;
  session.validation = {.problem = classes ? &judge : nullptr, .measure = classes ? "accuracy" : ""};
  Result result = minimize(train, train.initial(), learning_method(options, method, rate, train.terms()),
                           stopping, &recorder, session);
  out.ended = result.reason;
  out.value = result.value;
  out.x = std::move(result.x);
  return out;
}

std::string number(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return std::isfinite(value) ? text : "-";
}

std::vector<const LearningCurve*> chosen(const LearningResult& result) {
  std::vector<const LearningCurve*> out;
  for (const LearningCurve& curve : result.curves) {
    if (curve.chosen) {
      out.push_back(&curve);
    }
  }
  return out;
}

constexpr double bar = 0.88;

using Coordinate = double (*)(const LearningPoint&);

std::string figure(const LearningResult& result, const char* title, const Axis& x, Coordinate at_x, Axis y,
                   Coordinate at_y) {
  Chart chart;
  chart.description = title;
  chart.x = x;
  double least = infinity, most = -infinity, widest = 0;
  int style = 0;
  for (const LearningCurve* curve : chosen(result)) {
    Series series{curve->method, style++, {}};
    for (const LearningPoint& p : curve->points) {
      if (p.epoch == 0 || !std::isfinite(at_y(p))) {
        continue;
      }
      series.points.emplace_back(at_x(p), at_y(p));
      least = std::min(least, at_y(p));
      most = std::max(most, at_y(p));
      widest = std::max(widest, at_x(p));
    }
    chart.series.push_back(std::move(series));
  }
  if (!(least < most)) {
    return "";
  }
  chart.x.high = widest;
  y.low = std::max(0.0, least - 0.05 * (most - least));
  y.high = most + 0.05 * (most - least);
  chart.y = y;
  return "<figure><h4>" + escape(title) + "</h4>" + svg(chart) + "</figure>";
}

}  // namespace

double LearningCurve::best_accuracy() const {
  double out = 0;
  for (const LearningPoint& p : points) {
    out = std::max(out, p.test_accuracy);
  }
  return out;
}

double LearningCurve::work_to(double accuracy) const {
  const auto there = std::find_if(points.begin(), points.end(),
                                  [&](const LearningPoint& p) { return p.test_accuracy >= accuracy; });
  return there != points.end() ? there->gradient_equivalents : infinity;
}

namespace {

bool loaded(const std::string& curvature) {
  const std::vector<PartInfo> parts = registry().list();
  return std::any_of(parts.begin(), parts.end(), [&](const PartInfo& part) {
    return part.kind == PartKind::curvature && part.name == curvature;
  });
}

/// The first samples of a data set.
void keep_first(Dataset& data, Index samples) {
  if (samples <= 0 || samples >= data.samples()) {
    return;
  }
  data.features.samples = samples;
  data.features.value.resize(static_cast<std::size_t>(samples * data.features.size));
  data.label.resize(static_cast<std::size_t>(samples));
}

}  // namespace

namespace {

/// The first sample of each class, and where there are no classes the first ten.
Features examples(const Dataset& data) {
  std::vector<Index> which;
  for (std::size_t c = 0; c < data.classes.size(); ++c) {
    const auto first = std::find(data.label.begin(), data.label.end(), static_cast<std::int32_t>(c));
    if (first != data.label.end()) {
      which.push_back(first - data.label.begin());
    }
  }
  for (Index s = 0; data.classes.empty() && s < std::min<Index>(10, data.samples()); ++s) {
    which.push_back(s);
  }
  return dense_rows(data.features, which);
}

/// Filters of the best curve, or examples and under them what each chosen curve makes of them.
std::vector<LearningPicture> pictures(const Network& network, const Dataset& test,
                                      const LearningResult& result) {
  const std::optional<Index> side = image_side(network);
  const std::vector<const LearningCurve*> curves = chosen(result);
  if (!side || curves.empty()) {
    return {};
  }
  if (result.task == LearningOptions::Task::classes) {
    const LearningCurve& best =
        **std::max_element(curves.begin(), curves.end(), [](const LearningCurve* a, const LearningCurve* b) {
          return a->best_accuracy() < b->best_accuracy();
        });
    return {{best.method, *filters(network, best.x)}};
  }
  const Features shown = examples(test);
  std::vector<LearningPicture> out = {{"test images", image_row(shown.value, *side)}};
  std::vector<double> values(shown.value.size());
  for (const LearningCurve* curve : curves) {
    network.outputs(curve->x, shown, {values.data(), shown.size, shown.samples, shown.size});
    out.push_back({curve->method + ", value " + number("%.3f", curve->value), image_row(values, *side)});
  }
  return out;
}

}  // namespace

LearningResult run_learning(const LearningOptions& options, const ProgressFunction& progress) {
  TrainAndTest data = read(options.data);
  keep_first(data.train, options.samples);
  const bool classes = options.task == LearningOptions::Task::classes;
  std::vector<Index> sizes = {data.train.features.size};
  const std::vector<Index> code = {400, 200, 100, 50, 25, 50, 100, 200, 400};
  const std::vector<Index>& hidden = classes ? options.hidden : code;
  sizes.insert(sizes.end(), hidden.begin(), hidden.end());
  sizes.push_back(classes ? static_cast<Index>(data.train.classes.size()) : sizes.front());
  const NetworkTopology topology =
      NetworkTopology::chain(sizes, Activation::tanh, classes ? Activation::linear : Activation::sigmoid);
  NetworkOptions network;
  network.precision = Precision::single_precision;
  if (!classes) {
    network.loss = NetworkLoss::mean_square;
    network.targets = NetworkOptions::Targets::features;
  }
  const Network train(topology, data.train, network);
  const Network test(topology, data.test, network);
  LearningResult out{.task = options.task,
                     .data = data.name,
                     .network = {},
                     .samples = train.terms(),
                     .batch = options.batch,
                     .threads = options.threads,
                     .curves = {},
                     .left_out = {},
                     .pictures = {}};
  for (const Index size : sizes) {
    out.network += (out.network.empty() ? "" : "-") + std::to_string(size);
  }
  std::vector<LearningMethod> methods;
  std::size_t runs = 0;
  for (LearningMethod m : learning_methods(options.task)) {
    if (!m.curvature.empty() && !loaded(m.curvature)) {
      out.left_out.push_back(m.name);
    } else if (matches(m.name, options.only)) {
      m.rates = options.grid ? m.rates : std::vector<double>{m.rate};
      runs += m.rates.size();
      methods.push_back(std::move(m));
    }
  }
  ThreadLimit limit(options.threads);
  limit.run([&] {
    std::size_t done = 0;
    for (const LearningMethod& m : methods) {
      const std::size_t first = out.curves.size();
      for (const double rate : m.rates) {
        progress(done++, runs, m.name + number(", rate %g", rate));
        out.curves.push_back(learn(train, test, options, m.name, rate));
      }
      const auto best =
          std::max_element(out.curves.begin() + static_cast<std::ptrdiff_t>(first), out.curves.end(),
                           [&](const auto& a, const auto& b) {
                             return classes ? a.best_accuracy() < b.best_accuracy() : a.value > b.value;
                           });
      best->chosen = true;
    }
  });
  out.pictures = pictures(train, data.test, out);
  return out;
}

namespace {

std::string left_out(const LearningResult& result) {
  std::string names;
  for (const std::string& name : result.left_out) {
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "" : "Left out, as their plugin is not loaded (--plugin): " + names + "\n";
}

}  // namespace

std::string learning_table(const LearningResult& result) {
  Grid grid(1);
  const bool classes = result.task == LearningOptions::Task::classes;
  std::vector<std::string> head = {"method", "rate", ""};
  for (const char* column : {"accuracy", "gradients to 88 %", "test loss"}) {
    if (classes) {
      head.emplace_back(column);
    }
  }
  head.insert(head.end(), {"value", "gradients", "seconds"});
  grid.add(head);
  for (const LearningCurve& c : result.curves) {
    if (c.points.empty()) {
      continue;
    }
    const LearningPoint& last = c.points.back();
    std::vector<std::string> row = {c.method, number("%g", c.rate), c.chosen ? "*" : ""};
    if (classes) {
      row.insert(row.end(), {number("%.4f", c.best_accuracy()), number("%.2f", c.work_to(bar)),
                             number("%.4f", last.test_loss)});
    }
    row.insert(row.end(), {number("%.4f", c.value), number("%.2f", last.gradient_equivalents),
                           number("%.1f", last.seconds)});
    grid.add(row);
  }
  return "Learning curves (learning): " + result.network + " on " + result.data + ", " +
         std::to_string(result.samples) + " samples, batch " + std::to_string(result.batch) + ", " +
         std::to_string(result.threads) + (result.threads == 1 ? " thread" : " threads") +
         (classes ? "; accuracy is the best on the test data" : "") +
         "; value is over all samples at the end, gradients are passes over the data\n\n" + grid.text() +
         left_out(result);
}

namespace {

std::string picture_figures(const LearningResult& result) {
  if (result.pictures.empty()) {
    return "";
  }
  const bool classes = result.task == LearningOptions::Task::classes;
  std::string out = "<figure class=\"pictures\"><h4>" +
                    (classes ? "Filters of the first layer, learned by " + escape(result.pictures[0].caption)
                             : "Test images and their reconstructions") +
                    "</h4>";
  for (const LearningPicture& p : result.pictures) {
    out += (classes ? "" : "<p>" + escape(p.caption) + "</p>") + "<img alt=\"" +
           (classes ? "Weights of each hidden unit" : escape(p.caption)) + "\" src=\"data:image/png;base64," +
           detail::base64(png(p.image)) + "\">";
  }
  return out +
         (classes ? "<figcaption>The weights from the pixels to each hidden unit; red is positive, blue "
                    "negative, each tile by its own largest.</figcaption>"
                  : "<figcaption>The first test image of each class, and what each method's autoencoder "
                    "makes of it.</figcaption>") +
         "</figure>\n";
}

}  // namespace

std::string learning_section(const LearningResult& result) {
  const Axis work{"gradients over all samples", 0, 1, Axis::Scale::linear, Axis::Format::plain};
  const Axis time{"seconds", 0, 1, Axis::Scale::linear, Axis::Format::plain};
  const Axis share{"", 0, 1, Axis::Scale::linear, Axis::Format::percent};
  const Axis loss{"", 0, 1, Axis::Scale::linear, Axis::Format::plain};
  const Coordinate by_work = [](const LearningPoint& p) { return p.gradient_equivalents; };
  const Coordinate by_time = [](const LearningPoint& p) { return p.seconds; };
  const Coordinate accuracy = [](const LearningPoint& p) { return p.test_accuracy; };
  const Coordinate value = [](const LearningPoint& p) { return p.train_value; };
  std::string names;
  int style = 0;
  for (const LearningCurve* curve : chosen(result)) {
    names += legend_entry(curve->method + " (" + number("%g", curve->rate) + ")", style++);
  }
  const bool classes = result.task == LearningOptions::Task::classes;
  std::string heads = "<th class=\"t\">method</th><th>rate</th>";
  heads += classes ? "<th>best accuracy</th><th>gradients to 88 %</th>" : "";
  heads += "<th>value</th><th>gradients</th><th>seconds</th>";
  std::string rows;
  for (const LearningCurve& c : result.curves) {
    if (c.points.empty()) {
      continue;
    }
    rows += "<tr><td class=\"t\">" + escape(c.method) + "</td>";
    const auto cell = [&](const char* format, double v) { rows += "<td>" + number(format, v) + "</td>"; };
    cell("%g", c.rate);
    if (classes) {
      cell("%.4f", c.best_accuracy());
      cell("%.2f", c.work_to(bar));
    }
    cell("%.4f", c.value);
    cell("%.2f", c.points.back().gradient_equivalents);
    cell("%.1f", c.points.back().seconds);
    rows += "</tr>\n";
  }
  return "<section>\n<h2>Learning curves</h2>\n<p class=\"soft\">Network " + escape(result.network) + " on " +
         escape(result.data) + ", " + std::to_string(result.samples) + " samples, mini-batches of " +
         std::to_string(result.batch) + " (Hessian-free and K-FAC: larger ones), " +
         std::to_string(result.threads) + (result.threads == 1 ? " thread" : " threads") +
         ". One gradient over all samples is the unit of work; a second-order product counts as one "
         "too.</p>\n<div class=\"legend\">" +
         names + "</div>\n<div class=\"pair\">" +
         figure(result, "Accuracy on test data, by work", work, by_work, share, accuracy) +
         figure(result, "Accuracy on test data, by time", time, by_time, share, accuracy) +
         "</div>\n<div class=\"pair\">" +
         figure(result, "Value while learning, by work", work, by_work, loss, value) +
         figure(result, "Value while learning, by time", time, by_time, loss, value) +
         "</div>\n<div class=\"scroll\"><table><thead><tr>" + heads + "</tr></thead>\n<tbody>\n" + rows +
         "</tbody></table></div>\n" + picture_figures(result) + "</section>\n";
}

}  // namespace kappa::bench
