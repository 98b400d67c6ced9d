#include "virtual_gpu/machine/kernels.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include <cxxabi.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include "virtual_gpu/machine/machine.h"

namespace virtual_gpu {
namespace {

// "layer_norm<float>" for lockflight::ops::cuda::kernels::layer_norm<float>(float*, ...).
std::string shorten(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0) {
    return mangled;
  }
  std::string name = demangled.get();
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    depth += static_cast<int>(name[i] == '<') - static_cast<int>(name[i] == '>');
    if (depth == 0 && (name[i] == ':' || name[i] == ' ')) {
      begin = i + 1;
    }
    if (depth == 0 && name[i] == '(') {
      return name.substr(begin, i - begin);
    }
  }
  return name.substr(begin);
}

/// Copies of a launch's arguments, each aligned for any type.
class Arguments {
 public:
  Arguments(const simt::Kernel& kernel, void** arguments) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < kernel.parameters; ++i) {
      bytes += room(kernel.sizes[i]);
    }
    storage_.resize(bytes / sizeof(std::max_align_t) + 1);
    auto* place = reinterpret_cast<std::byte*>(storage_.data());
    for (std::size_t i = 0; i < kernel.parameters; ++i) {
      std::memcpy(place, arguments[i], kernel.sizes[i]);
      pointers_.push_back(place);
      place += room(kernel.sizes[i]);
    }
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  void** pointers() { return pointers_.data(); }

 private:
  static std::size_t room(std::size_t bytes) {
    constexpr std::size_t kUnit = sizeof(std::max_align_t);
    return (bytes + kUnit - 1) / kUnit * kUnit;
  }
  std::vector<std::max_align_t> storage_;
  std::vector<void*> pointers_;
};

/// What a running launch tells the machine.
struct Hearing {
  Machine& machine;
  const Operation& operation;

  static void finding(void* context, const char* kind, const char* text) {
    const auto& self = *static_cast<Hearing*>(context);
    self.machine.report(kind, fmt::format("{}: {}", Machine::describe(self.operation), text));
  }
  static void touched(void* context, const simt::Touched& range) {
    const auto& self = *static_cast<Hearing*>(context);
    self.machine.check(self.operation, {.begin = reinterpret_cast<const void*>(range.begin),
                                        .bytes = range.end - range.begin,
                                        .writes = range.written,
                                        .direct = true});
  }
};

bool fits(dim3 grid, dim3 block) {
  const auto threads = std::uint64_t{block.x} * block.y * block.z;
  return threads > 0 && threads <= 1024 && block.z <= 64 && grid.x > 0 && grid.x <= 0x7fffffff &&
         grid.y > 0 && grid.y <= 65535 && grid.z > 0 && grid.z <= 65535;
}

}  // namespace

void Kernels::add(const void* stub, const char* name) {
  registered_[stub] = {.name = name, .short_name = intern(shorten(name))};
}

Kernels::Registered* Kernels::find(const void* stub) {
  const auto found = registered_.find(stub);
  return found == registered_.end() ? nullptr : &found->second;
}

void Kernels::open_libraries() {
  opened_ = true;
  std::istringstream paths(machine_.config.kernels);
  for (std::string path; std::getline(paths, path, ':');) {
    void* library = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (library == nullptr) {
      machine_.report("unknown kernel", fmt::format("LOCKFLIGHT_VGPU_KERNELS: {}", dlerror()));
      continue;
    }
    const auto list = reinterpret_cast<decltype(&simt_kernels)>(dlsym(library, "simt_kernels"));
    const auto run = reinterpret_cast<decltype(&simt_run)>(dlsym(library, "simt_run"));
    std::size_t count = 0;
    const simt::Kernel* const* kernels = list(&count);
    for (std::size_t i = 0; i < count; ++i) {
      twins_[kernels[i]->name] = {kernels[i], run};
    }
  }
}

bool Kernels::load(Registered& kernel) {
  if (!opened_) {
    open_libraries();
  }
  const auto twin = twins_.find(kernel.name);
  if (twin == twins_.end()) {
    machine_.report("unknown kernel",
                    fmt::format("{} has no emulated twin in \"{}\" ({} kernels); launch it through "
                                "the template of launch.cuh and build the library anew",
                                kernel.name, machine_.config.kernels, twins_.size()));
    return false;
  }
  kernel.twin = twin->second.kernel;
  kernel.run = twin->second.run;
  return true;
}

cudaError_t Kernels::launch(Registered* kernel, dim3 grid, dim3 block, void** arguments,
                            std::size_t dynamic_shared_bytes, cudaStream_t handle) {
  Stream* const stream = machine_.find(handle);
  if (stream == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  if (kernel == nullptr) {
    machine_.report("unknown kernel", "a function is launched that nvcc did not register");
    return cudaErrorInvalidDeviceFunction;
  }
  if (stream->device != machine_.hosts.current_device()) {
    machine_.report("wrong device", fmt::format("{} is launched on {} while device {} is current",
                                                *kernel->short_name, *stream->name,
                                                machine_.hosts.current_device()));
    return cudaErrorInvalidResourceHandle;
  }
  if (!fits(grid, block)) {
    return cudaErrorInvalidConfiguration;
  }
  if (dynamic_shared_bytes != 0) {
    machine_.report("unsupported",
                    fmt::format("{} is launched with dynamic shared memory", *kernel->short_name));
    return cudaErrorNotSupported;
  }
  if (kernel->twin == nullptr && !load(*kernel)) {
    return cudaErrorInvalidDeviceFunction;
  }
  enqueue(*kernel, grid, block, arguments, *stream);
  return cudaSuccess;
}

void Kernels::enqueue(const Registered& kernel, dim3 grid, dim3 block, void** arguments,
                      Stream& stream) {
  const auto copies = std::make_shared<Arguments>(*kernel.twin, arguments);
  const auto run = [this, twin = kernel.twin, simulate = kernel.run, grid, block,
                    copies](const Operation& operation) {
    if (const auto code = machine_.calls.happen("kernel")) {
      machine_.scheduler.abandon(operation.stream->device, static_cast<cudaError_t>(*code));
      return;
    }
    Hearing hearing{machine_, operation};
    const simt::Host host{.memory_begin = machine_.memory.begin(),
                          .memory_end = machine_.memory.end(),
                          .context = &hearing,
                          .finding = &Hearing::finding,
                          .touched = &Hearing::touched};
    simulate({.kernel = twin,
              .grid = {grid.x, grid.y, grid.z},
              .block = {block.x, block.y, block.z},
              .arguments = copies->pointers(),
              .order = machine_.scheduler.thread_order()},
             host);
  };
  machine_.scheduler.enqueue(stream, {.name = kernel.short_name, .run = run});
}

}  // namespace virtual_gpu
