// A task that becomes ready when a test says so.

#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "device/cpu/cpu_device.h"

namespace lockflight {

class Gate {
 public:
  explicit Gate(std::string name = "gate") : name_(std::move(name)) {}

  /// Holds what follows on the stream until the gate is open.
  void hold(Stream& stream) {
    device_ = static_cast<cpu::CpuDevice*>(&stream.device());
    static_cast<cpu::CpuStream&>(stream).enqueue(
        cpu::Transfer{[open = open_] { return open->load(); }, [name = name_] { return name; }});
  }

  void open() {
    open_->store(true);
    device_->doorbell().ring();
  }

 private:
  std::string name_;
  std::shared_ptr<std::atomic<bool>> open_ = std::make_shared<std::atomic<bool>>(false);
  cpu::CpuDevice* device_ = nullptr;
};

}  // namespace lockflight
