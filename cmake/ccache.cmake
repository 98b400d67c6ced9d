# Compiles through ccache where it is installed. Whoever names a launcher, or an empty one, is obeyed.
if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(LOCKFLIGHT_CCACHE ccache)
  mark_as_advanced(LOCKFLIGHT_CCACHE)
  if(LOCKFLIGHT_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${LOCKFLIGHT_CCACHE})
  endif()
endif()
