# Headers that almost every file of the project includes are read once: parsing them is most of what compiling a small
# file takes. Each file includes what it uses nevertheless: CMAKE_DISABLE_PRECOMPILE_HEADERS=ON compiles without.
set(lockflight_std_headers algorithm array cmath functional map memory optional span string vector)

# Without it ccache cannot see which precompiled headers a file uses.
function(lockflight_tell_ccache target)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endfunction()

# lockflight_precompile(lockflight fmt/format.h)
function(lockflight_precompile target)
  set(headers ${lockflight_std_headers} ${ARGN})
  list(TRANSFORM headers REPLACE "(.+)" "$<$<COMPILE_LANGUAGE:CXX>:<\\1$<ANGLE-R>>")
  target_precompile_headers(${target} PRIVATE ${headers})
  lockflight_tell_ccache(${target})
endfunction()

# Takes the headers of another target, which is compiled with the same options.
function(lockflight_reuse_precompiled target other)
  target_precompile_headers(${target} REUSE_FROM ${other})
  lockflight_tell_ccache(${target})
endfunction()
