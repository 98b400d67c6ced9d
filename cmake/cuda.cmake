# The CUDA backend: on where nvcc is found, unless LOCKFLIGHT_CUDA says otherwise.
#
# The CUDA runtime and NCCL are linked as shared libraries; cuBLASLt is opened when it is first used.
include(CheckLanguage)
check_language(CUDA)
if(CMAKE_CUDA_COMPILER)
  option(LOCKFLIGHT_CUDA "Build the CUDA backend" ON)
else()
  option(LOCKFLIGHT_CUDA "Build the CUDA backend" OFF)
endif()
set(LOCKFLIGHT_CUDA_ARCHITECTURES "80;90;100" CACHE STRING "GPU architectures to compile for")

if(LOCKFLIGHT_CUDA)
  set(CMAKE_CUDA_ARCHITECTURES ${LOCKFLIGHT_CUDA_ARCHITECTURES})
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  if(NOT DEFINED CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
  enable_language(CUDA)
  find_package(CUDAToolkit 12 REQUIRED)
  list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
  find_package(NCCL 2.19 REQUIRED)
endif()
