# What every target of the project is compiled with; nothing of it reaches a program that links lockflight.
set(lockflight_cxx_options -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                           -Wno-missing-field-initializers -Wnon-virtual-dtor -Woverloaded-virtual
                           $<$<BOOL:${LOCKFLIGHT_WERROR}>:-Werror>)
# CMake 3.25 knows no C++20 for nvcc. A register spill is a warning, and so an error in development.
set(lockflight_cuda_options -std=c++20 -Xptxas=--warn-on-spills
                            "$<$<BOOL:${LOCKFLIGHT_WERROR}>:SHELL:-Werror all-warnings>")

function(lockflight_compile_options target)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${lockflight_cxx_options}>"
                                           "$<$<COMPILE_LANGUAGE:CUDA>:${lockflight_cuda_options}>")
  if(LOCKFLIGHT_SANITIZE)
    set(sanitizers -fsanitize=${LOCKFLIGHT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${sanitizers}>")
    target_link_options(${target} PUBLIC -fsanitize=${LOCKFLIGHT_SANITIZE})
  endif()
endfunction()
