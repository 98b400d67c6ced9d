# What every target of the project is compiled with; nothing of it reaches a program that links lockflight.
set(lockflight_cxx_options -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                           -Wno-missing-field-initializers -Wnon-virtual-dtor -Woverloaded-virtual
                           $<$<BOOL:${LOCKFLIGHT_WERROR}>:-Werror>)
# CMake 3.25 knows no C++20 for nvcc. A register spill is a warning, and so an error in development.
set(lockflight_cuda_options -std=c++20 -Xptxas=--warn-on-spills
                            "$<$<BOOL:${LOCKFLIGHT_WERROR}>:SHELL:-Werror all-warnings>")

set(lockflight_sanitizer_options -fsanitize=${LOCKFLIGHT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)

function(lockflight_compile_options target)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${lockflight_cxx_options}>"
                                           "$<$<COMPILE_LANGUAGE:CUDA>:${lockflight_cuda_options}>")
  if(LOCKFLIGHT_SANITIZE)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${lockflight_sanitizer_options}>")
    target_link_options(${target} PUBLIC -fsanitize=${LOCKFLIGHT_SANITIZE})
  endif()
endfunction()

# What fuzz targets are guided by: which lines of it have run.
function(lockflight_fuzzed target)
  if(LOCKFLIGHT_FUZZ)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
  endif()
endfunction()

# For what is compiled more often than it computes: tests and the command.  Their files include much and run briefly, so
# optimising them takes longer than it saves; what is released is optimised nevertheless.
set(lockflight_quick_options -O1 -g1)
if(LOCKFLIGHT_SANITIZE)
  set(lockflight_quick_options -O0 -g1)
endif()

function(lockflight_compile_quickly target)
  target_compile_options(${target} PRIVATE
    "$<$<AND:$<CONFIG:RelWithDebInfo>,$<COMPILE_LANGUAGE:CXX>>:${lockflight_quick_options}>")
endfunction()
