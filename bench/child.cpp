#include "bench/child.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

extern char** environ;

namespace kappa::bench {

Child::Child(const std::vector<std::string>& words) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<std::string> copies = words;
  std::vector<char*> argv;
  for (std::string& word : copies) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  if (posix_spawnp(&process_, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
    process_ = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  socket_ = ends[0];
}

Child::~Child() {
  if (socket_ >= 0) {
    close(socket_);  // the end of its input
  }
  if (process_ > 0) {
    waitpid(process_, nullptr, 0);
  }
}

namespace {

/// Moves `count` bytes by calls that may move fewer: move(done, left) does what send and recv do.
template <class Move>
bool move_all(std::size_t count, const Move& move) {
  for (std::size_t done = 0; done < count;) {
    const ssize_t n = move(done, count - done);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

bool Child::write(const void* bytes, std::size_t count) {
  return move_all(count, [&](std::size_t done, std::size_t left) {
    // Not write(2): a child that has ended must not end this program.
    return send(socket_, static_cast<const char*>(bytes) + done, left, MSG_NOSIGNAL);
  });
}

bool Child::read(void* bytes, std::size_t count) {
  return move_all(count, [&](std::size_t done, std::size_t left) {
    return recv(socket_, static_cast<char*>(bytes) + done, left, 0);
  });
}

std::optional<std::string> Child::line() {
  std::string out;
  for (char c = 0; read(&c, 1);) {
    if (c == '\n') {
      return out;
    }
    out += c;
  }
  return std::nullopt;
}

}  // namespace kappa::bench
