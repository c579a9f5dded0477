#include "picture.h"

#include <string_view>

#include "output.h"
#include "problems/picture/picture.h"
#include "text.h"

namespace kappa::cli {

namespace {

bool is_page(std::string_view path) {
  return path.ends_with(".html");
}

bool is_image(std::string_view path) {
  return path.ends_with(".png");
}

}  // namespace

void check_picture(const std::string& path) {
  if (!is_page(path) && !is_image(path) && !path.ends_with(".ply")) {
    throw Error("--picture " + path +
                ": the name must end in .html (a page to look at), .ply (a file for mesh viewers) or .png "
                "(what a network of images has learned)");
  }
  check_writable("--picture", path);
}

void check_drawable(const Target& target, const std::string& path) {
  if (is_image(path) ? !target.image : !target.draw) {
    throw Error(
        "--picture " + path + ": there is nothing to draw of " + target.address() +
        "; .html and .ply are for bal: and g2o: targets, .png for network: targets whose features are "
        "the pixels of a square image");
  }
}

void write_picture(const Solved& solved, const std::string& path) {
  const Target& target = solved.target;
  const Result& r = solved.result;
  if (is_image(path)) {
    write_png(target.image(r.x), path);
    return;
  }
  if (!is_page(path)) {
    write_ply(target.draw(r.x), path);
    return;
  }
  write_html({.title = target.address(),
              .facts = {{"problem", target.note},
                        {"value", text("%.6g to %.6g", r.initial_value, r.value)},
                        {"iterations", text("%td", r.iterations)},
                        {"time", text("%.3g s", r.seconds)},
                        {"outcome", name(r.outcome)}},
              .start = target.draw(target.x0),
              .solution = target.draw(r.x)},
             path);
}

}  // namespace kappa::cli
