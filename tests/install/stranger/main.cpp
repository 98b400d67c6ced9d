// Uses an installed lockflight as a stranger would.

#include <cstdint>
#include <iostream>

#include "lockflight/core/random.h"
#include "lockflight/core/tensor_spec.h"

int main() {
  const lockflight::TensorSpec spec{.shape = {4, 256, 768}};
  const std::uint64_t name = lockflight::hash_name("blocks.0.attention.weight");
  std::cout << to_string(spec) << ", " << spec.bytes() << " bytes, name " << name << '\n';
  return spec.bytes() == 4 * 256 * 768 * 4 && name != 0 ? 0 : 1;
}
