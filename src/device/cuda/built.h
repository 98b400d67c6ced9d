// Whether this build has the CUDA backend.

#pragma once

namespace lockflight::cuda {

inline constexpr bool kBuilt = LOCKFLIGHT_WITH_CUDA != 0;

}  // namespace lockflight::cuda
