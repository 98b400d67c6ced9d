// Device and pinned host memory: ordinary memory at addresses that say where it belongs.
//
// Device k begins at 0x7e9k00000000 while devices have at most 2 GiB, pinned memory at
// 0x7e9f00000000.  Fresh memory is full of NaN, freed memory is overwritten, and addresses are used
// again as late as possible.  Between allocations lie red zones.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace virtual_gpu {

class Memory {
 public:
  static constexpr int kMostDevices = 8;
  static constexpr int kPinned = 15;
  static constexpr int kNowhere = -1;

  struct Allocation {
    std::uintptr_t begin;
    std::size_t bytes;
  };

  Memory(int devices, std::size_t bytes_per_device);

  std::size_t limit() const { return limit_; }
  /// Affects later allocations only; at most what the machine was made with.
  void set_limit(std::size_t bytes);
  std::size_t used(int space) const { return spaces_.at(space).used; }

  /// Device number or kPinned.  nullptr: no room.
  void* allocate(int space, std::size_t bytes);
  /// False if no allocation of that space begins there.  Says in `damage` if the red zone behind it
  /// was written to.
  bool release(int space, void* begin, std::string* damage);
  /// Everything of a device.
  void clear(int space);

  /// Device number (which may be that of no device), kPinned or kNowhere.
  int space_of(const void* address) const;
  /// The living allocation that holds the address.
  std::optional<Allocation> find(const void* address) const;
  /// What is wrong with touching these bytes, which lie in device or pinned memory; empty: nothing.
  struct Trouble {
    std::string kind;
    std::string text;
  };
  std::optional<Trouble> trouble(std::uintptr_t begin, std::uintptr_t end) const;
  /// Puts the red zone right that lies behind an allocation: what damaged it was reported.
  void mend(const void* address);
  /// "device 2", "pinned memory".
  static std::string name(int space);
  std::vector<Allocation> alive(int space) const;

  std::uintptr_t begin() const { return base_; }
  std::uintptr_t end() const { return base_ + (kPinned + 1) * stride_; }

 private:
  struct Space {
    std::size_t used = 0;
    std::uintptr_t fresh = 0;  // from here on nothing was ever allocated
    std::uintptr_t end = 0;
    std::map<std::uintptr_t, std::size_t> alive, freed;
  };
  std::uintptr_t place(Space& space, std::size_t room);
  static std::uintptr_t reuse(Space& space, std::size_t room);
  static void join_freed(Space& space);

  std::uintptr_t base_;
  std::size_t stride_;
  std::size_t limit_;
  std::size_t most_;
  std::vector<Space> spaces_;
};

}  // namespace virtual_gpu
