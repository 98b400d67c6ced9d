// How fast this core multiplies and adds right now: the ruler that every figure is held against.

#pragma once

namespace lockflight::tools {

/// Floating-point operations per second of a loop of nothing but fused multiply-adds on registers,
/// in the widest vectors this machine has: the best of ten loops of about a millisecond, so that
/// other programs' turns on the core do not count.
double fma_flops_per_second();

/// The same on several threads at once, added up: tells whether so many cores are really there.
double fma_flops_per_second(int threads);

}  // namespace lockflight::tools
