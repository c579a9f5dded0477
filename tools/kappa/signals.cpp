#include "signals.h"

#include <pthread.h>

namespace kappa::cli {

namespace {

/// Ends the process by this signal, so that its parent sees what happened.
void end_by(int signal) {
  struct sigaction fresh = {};
  fresh.sa_handler = SIG_DFL;
  sigaction(signal, &fresh, nullptr);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal);
}

bool ignored(int signal) {
  struct sigaction now = {};
  return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

SignalWatch::SignalWatch() {
  sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM}) {
    if (!ignored(signal)) {
      sigaddset(&signals_, signal);
      wake_ = signal;
    }
  }
  pthread_sigmask(SIG_BLOCK, &signals_, &earlier_mask_);
  if (wake_ != 0) {
    thread_ = std::thread([this] { watch(); });
  }
}

SignalWatch::~SignalWatch() {
  if (wake_ != 0) {
    closing_ = true;
    pthread_kill(thread_.native_handle(), wake_);
    thread_.join();
  }
  pthread_sigmask(SIG_SETMASK, &earlier_mask_, nullptr);
}

std::stop_token SignalWatch::begin() {
  begun_ = true;
  return stop_.get_token();
}

void SignalWatch::watch() {
  int signal = 0;
  while (sigwait(&signals_, &signal) == 0 && !closing_) {
    if (!begun_ || received_ != 0) {
      end_by(signal);
    }
    received_ = signal;
    stop_.request_stop();
  }
}

}  // namespace kappa::cli
