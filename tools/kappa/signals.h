// Ctrl-C and SIGTERM as a request to stop. Requesting a stop takes locks and runs callbacks, so no signal
// handler may do it: the signals are blocked in every thread, and one thread waits for them with sigwait.
//
//   before begin()   a signal ends the process as if nobody watched
//   after begin()    the first requests a stop, the second ends the process
#pragma once

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace kappa::cli {

class SignalWatch {
 public:
  /// Make it before any other thread starts: threads inherit the blocked signals from the one that starts
  /// them. A signal that is ignored already (by nohup, say) stays ignored.
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  std::stop_token begin();
  /// The signal that requested the stop, or 0.
  int received() const { return received_; }

 private:
  void watch();

  sigset_t signals_;
  sigset_t earlier_mask_;
  int wake_ = 0;  ///< one of signals_, to end the watching thread; 0 where there is none
  std::stop_source stop_;
  std::atomic<bool> begun_ = false;
  std::atomic<bool> closing_ = false;
  std::atomic<int> received_ = 0;
  std::thread thread_;
};

}  // namespace kappa::cli
