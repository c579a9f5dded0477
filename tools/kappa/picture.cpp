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

}  // namespace

void check_picture(const std::string& path) {
  if (!is_page(path) && !path.ends_with(".ply")) {
    throw Error("--picture " + path +
                ": the name must end in .html (a page to look at) or .ply (a file for mesh viewers)");
  }
  check_writable("--picture", path);
}

void check_drawable(const Target& target) {
  if (!target.draw) {
    throw Error("--picture: there is nothing to draw of " + target.address() +
                "; pictures are of bal: and g2o: targets");
  }
}

void write_picture(const Solved& solved, const std::string& path) {
  const Target& target = solved.target;
  const Result& r = solved.result;
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
