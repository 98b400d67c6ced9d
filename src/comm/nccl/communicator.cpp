#include "comm/nccl/communicator.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/comm/world.h"
#include "lockflight/core/error.h"

namespace lockflight::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kGrace{10};
// Transfers between neighbours need few of the GPU's processors; the rest computes.
constexpr int kLeastCtas = 1;
constexpr int kMostCtas = 4;

std::atomic<bool> stuck{false};  // an abort did not come back

void pause() { std::this_thread::sleep_for(std::chrono::microseconds(20)); }

}  // namespace

Communicator::Communicator(cuda::CudaDevice& device, const ncclUniqueId& id,
                           std::vector<int> members, int place, std::chrono::milliseconds deadline)
    : device_(device), members_(std::move(members)), place_(place), deadline_(deadline) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  config.minCTAs = kLeastCtas;
  config.maxCTAs = kMostCtas;
  device_.make_current();
  try {
    finish("ncclCommInitRankConfig",
           ncclCommInitRankConfig(&comm_, static_cast<int>(members_.size()), id, place_, &config));
  } catch (...) {
    abort();
    throw;
  }
}

Communicator::~Communicator() { abort(); }

void Communicator::refuse(const char* name, const std::string& why) const {
  throw TransportError(fmt::format("nccl: {} among ranks [{}] failed at rank {}: {}", name,
                                   fmt::join(members_, ", "), members_[place_], why));
}

void Communicator::finish(const char* name, ncclResult_t result) {
  const auto begin = Clock::now();
  while (result == ncclInProgress && comm_ != nullptr) {
    if (device_.failed()) {
      refuse(name, "the device failed meanwhile");
    }
    if (Clock::now() - begin > deadline_) {
      refuse(name, fmt::format("the others did not come within {} ms", deadline_.count()));
    }
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &result);
    if (asked != ncclSuccess) {
      result = asked;
    } else if (result == ncclInProgress) {
      pause();
    }
  }
  if (result != ncclSuccess) {
    const char* last = ncclGetLastError(comm_);
    refuse(name,
           fmt::format("{}{}{}", ncclGetErrorString(result),
                       last == nullptr || *last == '\0' ? "" : "; ", last == nullptr ? "" : last));
  }
}

void Communicator::call(const char* name, const std::function<ncclResult_t(ncclComm_t)>& work) {
  if (comm_ == nullptr) {
    refuse(name, "the communicator was aborted before");
  }
  finish(name, work(comm_));
}

void Communicator::register_memory(std::span<std::byte> memory) {
  void* handle = nullptr;
  call("ncclCommRegister", [&](ncclComm_t comm) {
    return ncclCommRegister(comm, memory.data(), memory.size(), &handle);
  });
  registered_.push_back(handle);
}

void Communicator::poll() {
  if (comm_ == nullptr) {
    return;
  }
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
  if (asked != ncclSuccess || (state != ncclSuccess && state != ncclInProgress)) {
    finish("a transfer", asked == ncclSuccess ? state : asked);
  }
}

void Communicator::deregister() noexcept {
  for (void* handle : std::exchange(registered_, {})) {
    ncclCommDeregister(comm_, handle);
  }
}

void Communicator::close() noexcept {
  if (comm_ == nullptr) {
    return;
  }
  try {
    deregister();
    call("ncclCommFinalize", ncclCommFinalize);
    ncclCommDestroy(std::exchange(comm_, nullptr));
  } catch (...) {
    abort();
  }
}

std::future<void> Communicator::begin_abort() noexcept {
  std::promise<void> done;
  std::future<void> ended = done.get_future();
  if (comm_ == nullptr) {
    done.set_value();
    return ended;
  }
  std::thread([comm = std::exchange(comm_, nullptr), registered = std::exchange(registered_, {}),
               device = device_.number(), promise = std::move(done)]() mutable {
    cudaSetDevice(device);
    for (void* handle : registered) {
      ncclCommDeregister(comm, handle);
    }
    ncclCommAbort(comm);
    promise.set_value();
  }).detach();
  return ended;
}

bool Communicator::await_abort(const std::future<void>& abort, Clock::time_point until) noexcept {
  const bool ended = abort.wait_until(until) == std::future_status::ready;
  if (!ended) {
    stuck = true;
  }
  return ended;
}

Clock::time_point Communicator::abort_deadline(std::chrono::milliseconds deadline) {
  return Clock::now() + std::min<std::chrono::milliseconds>(kGrace, deadline);
}

void Communicator::abort() noexcept { await_abort(begin_abort(), abort_deadline(deadline_)); }

}  // namespace lockflight::comm

namespace lockflight {

bool nccl_is_stuck() { return comm::stuck; }

}  // namespace lockflight
