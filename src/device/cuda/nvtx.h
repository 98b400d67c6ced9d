// Named ranges for NVIDIA's profilers.  Source: NVIDIA Tools Extension Library (NVTX) 3.
//
// NVTX is headers only; it loads the profiler, if one was started, at its first use.

#pragma once

namespace lockflight::cuda {

/// Whether a profiler is attached.  If not, nobody needs to make names up.
bool nvtx_attached();

/// Begins a range of the calling thread; ranges nest.
void nvtx_push(const char* name);
/// Ends the innermost.
void nvtx_pop();

}  // namespace lockflight::cuda
