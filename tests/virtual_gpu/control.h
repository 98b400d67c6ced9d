// How a test talks to the virtual machine that runs it.
//
// A program that uses these runs on real GPUs too: present() is false there, and nothing else may
// be called.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace virtual_gpu {

/// What is wrong with the program under test.  README.md lists the kinds.
struct Report {
  std::string kind;
  std::string text;
};

/// Whether this process runs on the virtual machine.
bool present();

/// The reports so far, oldest first.  Those that nobody takes make the process end with status 86.
std::vector<Report> take_reports();

/// In which order operations and threads run from now on: "fifo", "lifo" or a seed.
void set_order(const std::string& order);
/// How long everybody must wait in vain before it is a deadlock.
void set_patience(std::chrono::milliseconds patience);
/// How much memory a device has for later allocations; at most LOCKFLIGHT_VGPU_MEMORY.
void set_memory(std::size_t bytes);

/// Codes for fail_call: an unknown error, whatever its number in the library of the function; and
/// none, because the call never returns.
inline constexpr int kSomeError = -1;
inline constexpr int kNeverReturns = -2;

/// How often the function was called; all functions together if the name is empty.
std::int64_t calls(const std::string& function);
/// The same of every function that was called, and of "kernel", below.
std::map<std::string, std::int64_t> all_calls();
/// The `nth` call of the function from now on, counted from 1, fails with `code`; of any function
/// if the name is empty.  "kernel" stands for a launch that fails while it runs.
void fail_call(const std::string& function, std::int64_t nth, int code);
/// Forgets calls that have not failed yet.
void clear_faults();
/// How many calls failed on demand.
std::int64_t failed_calls();

}  // namespace virtual_gpu
