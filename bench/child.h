// Child: a program that runs beside this one and is talked to in lines and bytes.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace kappa::bench {

/// It ends when this object does. Where it cannot be started, or has ended, nothing is answered. What it
/// writes on its standard error goes nowhere.
class Child {
 public:
  /// words[0] is the program's name or path.
  explicit Child(const std::vector<std::string>& words);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// False where it takes no more.
  bool write(const void* bytes, std::size_t count);
  bool write(const std::string& text) { return write(text.data(), text.size()); }
  /// The next line without its end.
  std::optional<std::string> line();
  /// The next `count` bytes; false where it ends before.
  bool read(void* bytes, std::size_t count);

 private:
  pid_t process_ = -1;
  int socket_ = -1;
};

}  // namespace kappa::bench
