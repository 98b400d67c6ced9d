// Which kernels the program registered, and their emulated twins.

#pragma once

#include <string>
#include <unordered_map>

#include <cuda_runtime_api.h>

#include "virtual_gpu/machine/stream.h"
#include "virtual_gpu/simt/abi.h"

namespace virtual_gpu {

class Machine;

class Kernels {
 public:
  explicit Kernels(Machine& machine) : machine_(machine) {}

  struct Registered {
    std::string name;               // mangled
    const std::string* short_name;  // without namespaces and parameters
    const simt::Kernel* twin = nullptr;
    void (*run)(const simt::Launch&, const simt::Host&) = nullptr;
  };

  /// `stub` is what the program knows the kernel by.
  void add(const void* stub, const char* name);
  Registered* find(const void* stub);

  cudaError_t launch(Registered* kernel, dim3 grid, dim3 block, void** arguments,
                     std::size_t dynamic_shared_bytes, cudaStream_t stream);

 private:
  bool load(Registered& kernel);
  void open_libraries();
  void enqueue(const Registered& kernel, dim3 grid, dim3 block, void** arguments, Stream& stream);

  struct Twin {
    const simt::Kernel* kernel;
    void (*run)(const simt::Launch&, const simt::Host&);
  };

  Machine& machine_;
  std::unordered_map<const void*, Registered> registered_;
  std::unordered_map<std::string, Twin> twins_;
  bool opened_ = false;
};

}  // namespace virtual_gpu
