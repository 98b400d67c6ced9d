// Calls a function of the CUDA runtime that the virtual machine does not have.

#include <cuda_runtime_api.h>

int main() {
  void* memory = nullptr;
  return cudaMallocManaged(&memory, 4, cudaMemAttachGlobal) == cudaSuccess ? 0 : 1;
}
